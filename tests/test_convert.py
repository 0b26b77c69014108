"""The released weights, all the way from a file to predictions."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torchcrf import CRF

import mkgc
from mkgc import convert
from mkgc.images.loaded import LoadedImages
from mkgc.inference import Predictor
from mkgc.released.weights import without_prefix
from tasks.mner.example import TaggedExample
from tests.conftest import said
from tests.released.reference import linear, norm, run
from tests.released.test_klmo import given
from tests.released.test_released import GOLDEN, HEADS, PREFIX, random_state


def tokenizer(folder: Path, words: int) -> str:
    """A saved BERT tokeniser with a given number of word pieces."""
    from transformers import BertConfig, BertTokenizer

    known = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "ada", "and", "bob", "today", ".", "we", "saw", "paris"]
    vocabulary = {word: i for i, word in enumerate([*known, *(f"w{i}" for i in range(words - len(known)))])}
    BertTokenizer(vocab=vocabulary).save_pretrained(folder)
    BertConfig(vocab_size=words).save_pretrained(folder)
    return str(folder)


def converted(
    task: str,
    root: Path,
    state: dict[str, Any],
    words: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *more: str,
    data: str = "folder",
) -> int:
    torch.save({"state_dict": state}, tmp_path / "released.ckpt")
    keys = {
        "task": task,
        "data": data,
        "data.root": root,
        "data.max_length": LENGTH,
        "input": tmp_path / "released.ckpt",
        "output": tmp_path / "ours.ckpt",
        "tokenizer": tokenizer(tmp_path / "tokens", words),
        "heads": HEADS,
    }
    monkeypatch.setattr(sys, "argv", ["mkgc.convert", *(f"{k}={v}" for k, v in keys.items()), *more])
    try:
        convert.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


LENGTH = 20
"""To which the released code pads, and of which its images read all."""


def padded(ids: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask as the released code would have them."""
    row = torch.tensor([[*ids, *[0] * (LENGTH - len(ids))]])
    return row, (torch.arange(LENGTH) < len(ids))[None].float()


def of_all_batch_sizes(model: Predictor, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The answers, which must not depend on how many are computed at once."""
    answers = model.predict(records, batch_size=len(records))
    for size in (1, 3):
        for one, other in zip(model.predict(records, batch_size=size), answers, strict=True):
            assert near(one) == near(other)
    return answers


def near(value: object) -> object:
    """The same to five digits."""
    if isinstance(value, dict):
        return {key: near(part) for key, part in value.items()}
    if isinstance(value, list):
        return [near(part) for part in value]
    return pytest.approx(value, abs=1e-5) if isinstance(value, float) else value


@pytest.mark.slow
def test_relation_weights_predict_what_the_released_arithmetic_says(
    mre_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = random_state("mre", words=50, labels=3)
    assert converted("mre", mre_root, state, 46, tmp_path, monkeypatch) == 0
    model = mkgc.load(tmp_path / "ours.ckpt")
    texts = ("Ada and Bob", "today we saw Ada and Bob .", "Ada and Bob today .", "Paris . Ada saw Bob .", "Bob saw Ada")
    answer, *_ = of_all_batch_sizes(model, [{"text": text, "head": "Ada", "tail": "Bob"} for text in texts])
    ids, mask = padded([2, 46, 5, 47, 6, 48, 7, 3])  # the mention that ends the sentence is not closed there
    none = torch.zeros(1, 3, 3, 128, 128), torch.zeros(1, 3, 3, 64, 64)
    own = without_prefix(state, PREFIX["mre"])
    last = run(own, HEADS, ids, mask, torch.zeros_like(ids), None, *none)["out.last_hidden_state"]
    expected = linear(state, "classifier", torch.cat([last[:, 1], last[:, 5]], 1)).softmax(-1)[0]
    assert list(answer["scores"].values()) == pytest.approx(expected.tolist(), abs=1e-5)
    assert list(answer["scores"]) == list(json.loads((mre_root / "ours_rel2id.json").read_text()))


def test_entities_are_scored_as_the_released_arithmetic_says(
    kg_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = random_state("link_prediction", words=41 + 12 + 2)
    own = without_prefix(state, PREFIX["link_prediction"])
    theirs = [f"e/{i}" for i in (7, 3, 11, 0, 9, 1, 5, 2, 10, 8, 4, 6)]
    (kg_root / "entity2textlong.txt").write_text("".join(f"{e}\ttoday we saw paris .\n" for e in theirs))
    (kg_root / "relations.txt").write_text("likes\nnear\n")
    (kg_root / "relation2text.txt").write_text("near\tand\nlikes\tsaw\n")
    wrapped = {f"model.{name}": value for name, value in state.items()}  # as Lightning saves it
    assert converted("link_prediction", kg_root, wrapped, 41, tmp_path, monkeypatch) == 0

    model = mkgc.load(tmp_path / "ours.ckpt")
    queries = [{"head": "e/3", "relation": "near"}, {"tail": "e/3", "relation": "near"}]
    answers = of_all_batch_sizes(model, queries)
    shown, near_token = 41 + theirs.index("e/3"), 41 + 12 + 1
    text = [8, 10, 11, 12, 9, 3]
    for answer, ids in zip(
        answers,
        ([2, shown, 3, 6, near_token, 3, 4, *text], [2, 4, 3, 6, near_token, 3, shown, *text]),
        strict=True,
    ):
        row, mask = padded(ids)
        none = torch.zeros(1, 1, 3, 224, 224), torch.zeros(1, 3, 3, 128, 128), torch.zeros(1, 3, 3, 64, 64)
        last = run(own, HEADS, row, mask, torch.zeros_like(row), *none, True)["out.last_hidden_state"]
        hidden = F.gelu(linear(state, "cls.predictions.transform.dense", last[0, ids.index(4)]))
        hidden = norm(state, "cls.predictions.transform.LayerNorm", hidden, 1e-12)
        words = own["text_embeddings.word_embeddings.weight"]
        logits = (words @ hidden + state["cls.predictions.bias"])[41 : 41 + 12]
        expected = dict(zip(theirs, logits.sigmoid().tolist(), strict=True))
        best = sorted(expected, key=expected.__getitem__, reverse=True)[:10]
        assert [entity["id"] for entity in answer["entities"]] == best
        scores = [entity["score"] for entity in answer["entities"]]
        assert scores == pytest.approx([expected[entity] for entity in best], abs=1e-5)


def test_tagging_weights_give_the_released_loss(
    mner_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = random_state("mner")
    for name in ("fc.weight", "fc.bias", "crf.start_transitions", "crf.end_transitions"):
        state[name] = state[name][:9]
    state["crf.transitions"] = state["crf.transitions"][:9, :9]
    theirs = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    assert converted("mner", mner_root, state, 50, tmp_path, monkeypatch, f"released.tags=[{','.join(theirs)}]") == 0

    # We saw Paris Hilton: the last word is unknown; no word has a continuation, so that no piece is an X.
    ids, mask = padded([2, 10, 11, 12, 1, 3])
    none = torch.zeros(1, 3, 3, 128, 128), torch.zeros(1, 3, 3, 64, 64)
    own = without_prefix(state, PREFIX["mner"])
    last = run(own, HEADS, ids, mask, torch.zeros_like(ids), None, *none)["out.last_hidden_state"][:, :6]
    crf = CRF(9, batch_first=True)
    crf.load_state_dict(without_prefix(state, "crf."))
    states = ["PAD", *theirs, "X", "[CLS]", "[SEP]"]
    path = torch.tensor([[states.index(s) for s in ("[CLS]", "O", "O", "B-PER", "I-PER", "[SEP]")]])
    expected = -crf(linear(state, "fc", last), path, torch.ones(1, 6, dtype=torch.bool), reduction="mean")

    task = mkgc.load(tmp_path / "ours.ckpt").task
    example = TaggedExample("1", ("We", "saw", "Paris", "Hilton"), ("O", "O", "B-PER", "I-PER"))
    batch = task.processor.collate([task.processor.encode(example)], LoadedImages({}, task.processor.settings.images))
    torch.testing.assert_close(task.loss(batch), expected, rtol=0, atol=1e-4)


def test_weights_of_another_task_are_refused(
    mre_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert converted("mre", mre_root, random_state("mner"), 46, tmp_path, monkeypatch) == 2
    assert "the weights are not those of MKGformer's task=mre: there is no classifier.weight" in capsys.readouterr().err
    assert not (tmp_path / "ours.ckpt").exists()


def test_a_tokeniser_of_another_size_is_refused(
    mre_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert converted("mre", mre_root, random_state("mre", labels=3), 40, tmp_path, monkeypatch) == 2
    assert "vocabulary of 46 word pieces beside {'markers': 4}" in capsys.readouterr().err


def test_texts_longer_than_the_weights_positions_are_refused(
    mre_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = random_state("mre", words=50, labels=3)
    assert converted("mre", mre_root, state, 46, tmp_path, monkeypatch, "data.max_length=25") == 2
    assert "data.max_length=25: the weights have 24 positions only" in capsys.readouterr().err


def test_weights_that_were_cut_short_are_a_line(
    mre_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save = torch.save

    def cut(contents: Any, path: Any) -> None:
        save(contents, path)
        path.write_bytes(path.read_bytes()[:-1000])

    monkeypatch.setattr(torch, "save", cut)
    assert converted("mre", mre_root, random_state("mre", labels=3), 46, tmp_path, monkeypatch) == 2
    assert said(capsys.readouterr().err).endswith("is damaged, or holds more than tensors and plain values")


def test_more_relations_than_the_data_set_has_are_a_line(
    mre_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = random_state("mre", words=50, labels=5)
    assert converted("mre", mre_root, state, 46, tmp_path, monkeypatch) == 2
    assert "head.classifier.weight is [5, 64] instead of [3, 64]" in said(capsys.readouterr().err)
    assert not (tmp_path / "ours.ckpt").exists()


def test_weights_of_klmo_pretrain_and_link_as_they_did(
    corpus_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = load_file(GOLDEN / "klmo_t2.safetensors")
    state = without_prefix(recorded, "w.")
    assert converted("knowledge_pretraining", corpus_root, state, 80, tmp_path, monkeypatch, data="linked") == 0
    model: Any = mkgc.load(tmp_path / "ours.ckpt").task
    text, graph = given(recorded)
    model.backbone.side.add_nodes([str(i) for i in range(31)], [])
    model.backbone.side.entities.weight.data = recorded["in.kg_embeddings"]
    with torch.no_grad():
        out = model.backbone.eval()(text, graph)
        scores = model.objectives["entities"].head(out.mentions, recorded["in.candidates"])
        words = model.objectives["words"].head(out.text.flatten(0, 1))
    torch.testing.assert_close(scores.flatten(0, 1), recorded["out.entity_scores"], rtol=0, atol=1e-5)
    torch.testing.assert_close(words, recorded["out.mlm_scores"].flatten(0, 1), rtol=1e-6, atol=1e-5)


def test_weights_of_another_system_are_refused(
    corpus_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = random_state("mre", words=50, labels=3)
    assert converted("knowledge_pretraining", corpus_root, state, 50, tmp_path, monkeypatch, data="linked") == 2
    assert "the weights are not those of KLMo's task=knowledge_pretraining: there is no cls.ent" in said(
        capsys.readouterr().err
    )
