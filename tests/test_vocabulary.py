"""The tokeniser's vocabulary and the encoder's are one, and no text is longer than the encoder's positions."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from mkgc.data.dataset import read_dataset
from mkgc.encoders.text import check_length, pretrained_text, random_text
from mkgc.errors import ConfigError
from mkgc.nn.embeddings import ExtendedEmbedding
from mkgc.train import train
from mkgc.training.checkpoint import build_task, restore
from tests.conftest import said

KEYS = {"生": "born", "爱": "loves", "恨": "hates", "师": "teaches"}


@pytest.fixture
def chinese(tmp_path: Path) -> dict[str, Path]:
    """Text of 400 characters for each task; in relation extraction one of them tells the relation."""
    letters, keys = [chr(0x4E00 + i) for i in range(400)], [*KEYS]
    draw = torch.Generator().manual_seed(0)

    def tokens(number: int) -> list[str]:
        drawn = torch.randint(400, (9,), generator=draw).tolist()
        return [letters[i] for i in drawn[:4]] + [keys[number % 4]] + [letters[i] for i in drawn[5:]]

    roots = {task: tmp_path / task for task in ("mre", "mner", "link_prediction")}
    for root in roots.values():
        root.mkdir()
    for split, count in (("train", 160), ("dev", 20), ("test", 20)):
        rows = [tokens(i) for i in range(count)]
        related = [{"tokens": r, "head": [2, 4], "tail": [5, 7], "relation": KEYS[r[4]]} for r in rows]
        tagged = [{"tokens": r, "tags": ["O"] * 4 + ["B-KEY"] + ["O"] * 4} for r in rows]
        for task, records in (("mre", related), ("mner", tagged)):
            lines = (json.dumps(record) + "\n" for record in records)
            (roots[task] / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")
    entities = "".join(f"e{i}\t{''.join(letters[20 * i : 20 * i + 20])}\n" for i in range(20))
    (roots["link_prediction"] / "entities.tsv").write_text(entities, encoding="utf-8")
    for number, split in enumerate(("train", "dev", "test")):
        triples = "".join(f"e{i}\tr\te{(i + 1 + number) % 20}\n" for i in range(20))
        (roots["link_prediction"] / f"{split}.tsv").write_text(triples)
    return roots


def rows(embedding: nn.Module) -> int:
    return embedding.size if isinstance(embedding, ExtendedEmbedding) else embedding.num_embeddings


SLOW = [
    pytest.param(task, backbone, marks=pytest.mark.slow)
    for task in ("mre", "mner", "link_prediction")
    for backbone in ("mkgformer", "mkgformer_released", "visualbert", "vilbert")
]


@pytest.mark.parametrize(
    ("task", "backbone"),
    [
        ("mre", "text_only"),
        ("mner", "text_only"),
        ("link_prediction", "text_only"),
        ("link_prediction", "kg_bert"),
        *SLOW,
    ],
)
def test_an_alphabet_larger_than_the_vocabulary_leaves_every_token_its_own_row(
    task: Any, backbone: Any, chinese: Any, tiny: Callable[..., Any]
) -> None:
    data = "tsv" if task == "link_prediction" else "jsonl"
    config = tiny(task, chinese[task], f"data={data}", f"backbone={backbone}", "task.vocab_size=50")
    dataset = read_dataset(config)
    model = build_task(config, dataset.processor)
    size, new = dataset.processor.tokenizer.size, sum(dataset.processor.new_tokens().values())
    assert size > 350
    assert rows(model.backbone.text.words) == (size if backbone == "kg_bert" else size + new)
    ids = {i for split in dataset.features.values() for item in split for i in item.ids}
    assert max(ids) < size + new
    pieces = {i for text in ("一", "师") for i in dataset.processor.tokenizer.ids(text)}
    assert max(pieces) < size

    contents = {"state_dict": model.state_dict()}
    model.on_save_checkpoint(contents)
    again, _ = restore(contents)
    assert again.processor.tokenizer.size == size
    batch = dataset.processor.collate(dataset.features["test"][:4], dataset.store)
    if backbone != "kg_bert":
        states = [m.eval().backbone(batch.text, batch.images).text for m in (model, again)]
        assert torch.equal(*states)


@pytest.mark.slow
@pytest.mark.parametrize("size", [300, 1000])
def test_what_one_character_tells_is_learned_whatever_size_was_asked_for(
    size: Any, chinese: Any, tiny: Callable[..., Any], tmp_path: Path
) -> None:
    given = ("data=jsonl", "backbone=text_only", f"task.vocab_size={size}", "task.epochs=8", "data.batch_size=8")
    config = tiny("mre", chinese["mre"], *given, "size.lr=3e-3", "optim.head_lr=3e-3")
    assert train(config, tmp_path / "run")["test"]["f1"] == 1.0


def test_an_id_behind_all_tables_is_an_error() -> None:
    table = ExtendedEmbedding(nn.Embedding(10, 4), {"markers": 4})
    assert torch.equal(table(torch.arange(14)), table.weight)
    with pytest.raises(IndexError):
        table(torch.tensor([[1, 14]]))


SIZES = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}


def test_an_encoder_of_another_vocabulary_than_the_tokenisers_is_an_error(tmp_path: Path) -> None:
    assert random_text(SIZES, 31).words.num_embeddings == 31
    message = "the text encoder's vocabulary has 30 rows, and the tokeniser is for 31: give a tokeniser and an encoder"
    with pytest.raises(ConfigError, match=message):
        random_text(SIZES | {"vocab_size": 30}, 31)
    (tmp_path / "config.json").write_text(json.dumps(SIZES | {"model_type": "bert", "vocab_size": 30}))
    with pytest.raises(ConfigError, match=message):
        pretrained_text(str(tmp_path), vocabulary=31)


@pytest.mark.parametrize(
    ("kind", "most"), [("bert", 40), ("roberta", 38), ("xlm-roberta", 38), ("camembert", 38), ("electra", 40)]
)
def test_the_longest_text_is_what_the_encoder_itself_can_read(kind: str, most: int) -> None:
    own = {"embedding_size": 8} if kind == "electra" else {}
    config = SIZES | own | {"model_type": kind, "vocab_size": 30, "max_position_embeddings": 40}
    backbone = {"text": {"_target_": "mkgc.encoders.text.random_text", "config": config}}
    check_length(backbone, most)
    encoder = random_text(config)
    ids = torch.full((1, most + 1), 7)
    encoder.embeddings(input_ids=ids[:, :most])
    with pytest.raises((IndexError, RuntimeError)):
        encoder.embeddings(input_ids=ids)
    with pytest.raises(ConfigError) as caught:
        check_length(backbone, most + 1)
    assert str(caught.value) == (
        f"data.max_length={most + 1} is more than the {most} tokens that the text encoder has positions for: "
        f"set data.max_length={most}, or less"
    )


@pytest.mark.parametrize(("verb", "task"), [("train", "mre"), ("check", "mner"), ("check", "link_prediction")])
def test_texts_longer_than_the_positions_are_told_before_anything_is_read(
    verb: Any, task: Any, run: Callable[..., Any]
) -> None:
    code, _, err = run(verb, f"task={task}", "data=folder", "data.root=nowhere", "data.max_length=129")
    assert code == 2
    assert said(err).startswith("data.max_length=129 is more than the 128 tokens that the text encoder has positions")


def test_a_checkpoint_whose_texts_would_not_fit_is_refused(mre_root: Path, tiny: Callable[..., Any]) -> None:
    config = tiny("mre", mre_root)
    dataset = read_dataset(config)
    config.size.text.config.max_position_embeddings = 63
    with pytest.raises(
        ConfigError, match="data.max_length=64 is more than the 63 tokens that the text encoder has positions for"
    ):
        build_task(config, dataset.processor)
