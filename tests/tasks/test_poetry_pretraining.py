"""Pretraining on poems: labels survive, the graph changes nothing where it has nothing to say, a teacher is learned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from transformers import AutoModel, BertConfig

from mkgc.batch import Text
from mkgc.data.hidden import Draw
from mkgc.encoders.text import TextEncoder
from mkgc.errors import DataError
from mkgc.inference import load
from mkgc.models.pkg_bert import PkgBert
from mkgc.train import train
from mkgc.training.checkpoint import open_trained, save
from tests.conftest import TINY, composed
from tests.steps import built, collated

TASK = "poetry_pretraining"
TEACHER = "task.data.teacher=${data.root}/teacher.ckpt"
near: dict[str, Any] = {"rtol": 0, "atol": 1e-5}

Compose = Callable[..., Any]


def test_labels_are_the_pieces_of_the_poem_and_not_what_hides_them(poems_root: Path, tiny: Compose) -> None:
    """In the released code, text and labels were one array: each label became [MASK], and that was learned."""
    task, dataset = built(tiny(TASK, poems_root, TEACHER, "task.data.hidden=0.5"))
    mask, masked = task.processor.tokenizer.mask, 0
    for row in range(len(dataset.features["train"])):
        item = dataset.features["train"][row]
        batch = task.processor.collate([item], dataset.store)
        places, targets = batch.hidden.places, batch.hidden.targets
        assert targets.tolist() == [item.ids[place] for place in places.tolist()]
        assert mask not in targets
        assert set(item.tree.branch[places.numpy()].tolist()) == {0}
        masked += int((batch.text.ids[0, places] == mask).sum())
    assert masked > 100


@pytest.mark.slow
def test_15_percent_are_hidden_of_which_80_percent_are_masked(poems_root: Path, tiny: Compose) -> None:
    task, dataset = built(tiny(TASK, poems_root, TEACHER))
    features, tokenizer = dataset.features["train"], task.processor.tokenizer
    asked = same = masked = own = 0
    for row in range(12 * len(features)):
        item = features[row]
        batch = task.processor.collate([item], dataset.store)
        shown = batch.text.ids[0, batch.hidden.places]
        asked += len(shown)
        own += int((item.tree.branch == 0).sum()) - 2
        masked += int((shown == tokenizer.mask).sum())
        same += int((shown == batch.hidden.targets).sum())
    assert asked / own == pytest.approx(0.15, abs=0.03)
    assert masked / asked == pytest.approx(0.8, abs=0.06)
    assert same / asked == pytest.approx(0.1, abs=0.05)


def test_each_epoch_hides_others_of_train_and_dev_has_the_same(poems_root: Path, tiny: Compose) -> None:
    task, dataset = built(tiny(TASK, poems_root, TEACHER))

    def hidden(split: str, epoch: int) -> list[int]:
        part = dataset.features[split]
        rows = part.__getitems__([epoch * len(part) + row for row in range(8)]) if split == "train" else part[:8]
        places: list[int] = task.processor.collate(rows, dataset.store).hidden.places.tolist()
        return places

    assert hidden("train", 0) == hidden("train", 0) != hidden("train", 1)
    assert hidden("dev", 0) == hidden("dev", 1)


def test_a_text_without_words_of_the_graph_is_read_as_bert_reads_it() -> None:
    """Soft positions count on and everything is visible there: transformers' own BERT says the same, to 1e-5."""
    config = BertConfig(vocab_size=50, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64)
    bert = AutoModel.from_config(config).eval()
    model = PkgBert(TextEncoder(bert))
    model.enter_space(6, visual=True, vectors=True)
    model.eval()
    ids, mask = torch.randint(5, 50, (3, 9)), torch.arange(9) < torch.tensor([[9], [5], [1]])
    seen = torch.ones(3, 9, 9, dtype=torch.bool) & mask[:, None]
    segments = torch.zeros_like(ids)
    tree = Text(ids, mask, segments, torch.arange(9).expand(3, 9), seen, torch.zeros(3, 9, 6))
    expected = bert(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    torch.testing.assert_close(model(tree)[mask], expected[mask], **near)


def test_of_a_trained_model_so_is_a_poem_without_any(poems_root: Path, tiny: Compose) -> None:
    task, dataset = built(tiny(TASK, poems_root, TEACHER))
    batch = task.processor.collate([task.processor.encode("照光夜照光")], dataset.store)
    plain = Text(batch.text.ids, batch.text.mask, batch.text.segments)
    torch.testing.assert_close(task.backbone(batch.text), task.backbone(plain), **near)


def test_batch_mates_and_padding_change_nothing(poems_root: Path, tiny: Compose) -> None:
    task, dataset = built(tiny(TASK, poems_root, TEACHER))
    items = dataset.features["train"][:6]
    together = task.scores(task.processor.collate(items, dataset.store))
    each = [task.scores(task.processor.collate([item], dataset.store)) for item in items]
    for name in ("words", "space"):
        torch.testing.assert_close(together[name], torch.cat([one[name] for one in each]), **near)
    task.processor.settings = replace(task.processor.settings, pad=True, max_length=90)
    padded = task.scores(task.processor.collate(items, dataset.store))
    torch.testing.assert_close(padded["space"], together["space"], **near)


def test_a_piece_reads_the_mean_of_the_teachers_vectors_of_its_words_images(poems_root: Path, tiny: Compose) -> None:
    task, dataset = built(tiny(TASK, poems_root, TEACHER))
    files = [poems_root / "graph" / "images" / f"{name}.png" for name in ("red", "blue", "green")]
    pixels = dataset.store.take([dataset.store.index(file, 32) for file in files], 32)
    red, blue, green = task.processor.teacher.embed_images(pixels)
    batch = task.processor.collate([task.processor.encode("明月照青山")], dataset.store)
    pieces = [task.processor.tokenizer.names[piece] for piece in batch.text.ids[0]]
    features: Any = batch.text.features
    expected = {"明": (red + blue) / 2, "月": (red + blue) / 2, "青": green, "照": 0 * red, "[CLS]": 0 * red}
    for piece, vector in expected.items():
        torch.testing.assert_close(features[0, pieces.index(piece)], vector, **near)


def test_a_poems_vector_learns_to_be_the_teachers_of_its_text(poems_root: Path, tiny: Compose) -> None:
    task, dataset = built(tiny(TASK, poems_root, TEACHER))
    items = dataset.features["train"][:4]
    batch = task.processor.collate(items, dataset.store)
    texts = [poem.text for poem in dataset.examples["train"][:4]]
    torch.testing.assert_close(batch.teacher, task.processor.teacher.embed_texts(texts), **near)
    cosines = F.cosine_similarity(task.scores(batch)["space"], batch.teacher)
    torch.testing.assert_close(task.losses(batch)["space"], (1 - cosines).mean(), **near)


ABLATED = {
    "full": (True, True, True),
    "task.data.visual=false": (True, False, True),
    "task.data.graph=false": (False, False, True),
}


@pytest.mark.slow
@pytest.mark.parametrize("key", ABLATED)
def test_an_ablation_leaves_out_what_it_says_and_nothing_else(key: str, poems_root: Path, tiny: Compose) -> None:
    task, dataset = built(tiny(TASK, poems_root, TEACHER, *([] if key == "full" else [key])))
    batch = collated(task, dataset, range(8))
    trees, images, space = ABLATED[key]
    assert (batch.text.visible is not None, batch.text.features is not None) == (trees, images)
    assert ("space" in task.losses(batch)) == space
    drawn = [*dataset.features["train"][:8]]
    plain = task.processor.collate([replace(item, draw=None) for item in drawn], dataset.store)
    assert len(plain.hidden.places) == 0
    assert any((item.tree.branch > 0).any() for item in drawn) == trees


@pytest.mark.slow
def test_what_is_hidden_of_a_poem_is_the_same_with_and_without_the_graph(poems_root: Path, tiny: Compose) -> None:
    asked = []
    for graph in ("true", "false"):
        task, dataset = built(tiny(TASK, poems_root, TEACHER, f"task.data.graph={graph}"))
        names = task.processor.tokenizer.names
        batch = collated(task, dataset, range(8))
        asked.append(sorted(names[piece] for piece in batch.hidden.targets))
    assert asked[0] == asked[1]


def test_without_a_teacher_words_alone_are_learned_and_nothing_can_be_searched(poems_root: Path, tiny: Compose) -> None:
    task, dataset = built(tiny(TASK, poems_root))
    assert [*task.losses(collated(task, dataset, range(4)))] == ["words"]
    with pytest.raises(Exception, match="was trained without a teacher"):
        task.embed_texts(["明月"], 2)
    with pytest.raises(Exception, match="without a teacher"):
        built(tiny(TASK, poems_root, "task.model.loss_weights.words=0.0"))


def test_a_checkpoint_needs_neither_teacher_nor_graph_beside_it(
    poems_root: Path, tiny: Compose, tmp_path: Path
) -> None:
    task, dataset = built(tiny(TASK, poems_root, TEACHER))
    pixels = dataset.store.take([0, 1], 32)
    expected = task.embed_texts(["明月松", "泉"], 1), task.embed_images(pixels, 2), task.embedding_digest
    save(task, tmp_path / "poet.ckpt")
    for file in sorted(poems_root.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    again: Any = open_trained(tmp_path / "poet.ckpt")[0]
    torch.testing.assert_close(again.embed_texts(["明月松", "泉"], 2), expected[0], **near)
    torch.testing.assert_close(again.embed_images(pixels, 1), expected[1], **near)
    assert again.embedding_digest == expected[2]
    assert expected[0].norm(dim=-1).tolist() == pytest.approx([1, 1])


def test_missing_characters_are_filled_in_and_words_of_the_graph_told(
    poems_root: Path, tiny: Compose, tmp_path: Path
) -> None:
    task, _ = built(tiny(TASK, poems_root, TEACHER))
    save(task, tmp_path / "poet.ckpt")
    [answer] = load(tmp_path / "poet.ckpt").predict([{"text": "明月□青□"}])
    assert [word["char"] for word in answer["words"]] == [[2, 3], [4, 5]]
    assert all(0 < word["score"] <= 1 and len(word["predicted"]) == 1 for word in answer["words"])
    assert answer["graph"] == [{"word": "明月", "char": [0, 2], "neighbours": ["月亮", "团圆"], "images": 2}]
    assert len(answer["vector"]) == 16


@pytest.mark.slow
def test_it_learns_within_a_few_epochs(poems_root: Path, tmp_path: Path) -> None:
    keys = [f"task={TASK}", f"data.root={poems_root}", *TINY, TEACHER, "task.epochs=6", "optim.lr=0.003"]
    figures = train(composed(*keys, "data.batch_size=8"), tmp_path / "run")
    assert figures["test"]["space_loss"] < 0.3
    assert figures["test"]["word_accuracy"] > 0.2
    assert figures["graph"]


ODD = {
    "one character": "山",
    "one that is a word": "松",
    "ten thousand characters": "明月照青山" * 2000,
    "unknown characters": "𠀀☃x明月",
    "no word of the graph": "照光夜",
    "white space between": " 明 月\n照 ",
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_odd_poems_are_read(text: str, poems_root: Path, tiny: Compose) -> None:
    task, dataset = built(tiny(TASK, poems_root, TEACHER))
    item = replace(task.processor.encode(text), draw=Draw(0, 0, 0), teacher=torch.ones(16))
    limit = task.processor.settings.max_length
    assert len(item.tree) <= limit
    assert (item.cut is not None) == (len(text) > limit)
    assert task.loss(task.processor.collate([item], dataset.store)).isfinite()


@pytest.mark.slow
def test_a_graph_whose_images_are_gone_is_read_without_them_and_that_is_said(poems_root: Path, tiny: Compose) -> None:
    for image in (poems_root / "graph" / "images").iterdir():
        image.unlink()
    task, dataset = built(tiny(TASK, poems_root, TEACHER))
    assert not collated(task, dataset, range(8)).text.features.any()
    [row] = dataset.coverage.rows
    assert (row.split, row.covered, row.broken) == ("words", 0, {"missing": 4})
    assert any("3 of 8 words have images of which none can be used" in note.text for note in dataset.notes)
    with pytest.raises(DataError, match="missing; 3 images in all cannot be used, and data.bad_images=fail"):
        built(tiny(TASK, poems_root, TEACHER, "data.bad_images=fail"))


@pytest.mark.slow
def test_what_cannot_be_is_refused_in_a_line(poems_root: Path, tiny: Compose, run: Any) -> None:
    keys = (f"task={TASK}", f"data.root={poems_root}", *TINY)
    for wrong, said in {
        "task.data.teacher=nowhere": "no checkpoint at",
        "task.data.hidden=1.5": "task.data.hidden=1.5: must be a number between 0 and 1",
        "task.model.loss_weights={words: 0.0, space: 0.0}": "all are 0",
        "backbone=text_only": "needs one that is a PkgBert",
    }.items():
        code, _, err = run("train", *keys, wrong)
        assert (code, said in err, len(err.strip().splitlines())) == (2, True, 1), err
