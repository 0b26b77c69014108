"""Pretraining on a corpus: what is learned, what is told, and what is refused in a line."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import f1_score

from mkgc.data.dataset import read_dataset
from mkgc.data.tokens import learned, pretrained
from mkgc.errors import ConfigError, DataError
from mkgc.inference import load
from mkgc.train import train
from tests.conftest import TINY, composed
from tests.steps import built, collated, gradients

TASK = "knowledge_pretraining"


ALL = ("task.model.loss_weights.replaced=1.0", "task.data.drawing.replaced=0.4")
MODELS = [
    ("backbone=klmo", *ALL),
    ("backbone=klmo", "backbone.outputs=[text,mentions]"),
    ("backbone=ernie", "task.data.candidates=sentence", "task.data.drawing.unaligned=0.2"),
    ("backbone=text_only", *ALL),
    ("backbone=mkgformer", "~data.images.image"),
]


@pytest.mark.parametrize("keys", [MODELS[0], *(pytest.param(m, marks=pytest.mark.slow) for m in MODELS[1:])], ids=str)
def test_each_objective_s_gradient_reaches_what_it_should(
    keys: tuple[str, ...], corpus_root: Path, tiny: Callable[..., Any]
) -> None:
    task, dataset = built(tiny(TASK, corpus_root, *keys))
    batch = collated(task, dataset, range(8))
    reached = {}
    for name, part in task.losses(batch).items():
        task.zero_grad()
        part.backward(retain_graph=True)
        assert part > 0
        reached[name] = {key for key, gradient in gradients(task).items() if gradient is not None and gradient.any()}
    text = {key for key in gradients(task) if key.startswith("backbone.text.layers.0.")}
    for name, keys_of in reached.items():
        assert {key for key in keys_of if key.startswith("objectives.")} == {
            key for key in gradients(task) if key.startswith(f"objectives.{name}.") and ".table." not in key
        } | {key for key in keys_of if ".table." in key}
        assert len(keys_of & text) > 0.9 * len(text)
    if "klmo" in keys[0]:
        assert "backbone.side.entities.weight" in reached["words"] & reached["relations"] & reached["entities"]
        assert "backbone.side.relations.weight" in reached["words"] & reached["relations"] & reached["entities"]
    task.zero_grad()
    task.loss(batch).backward()
    assert [key for key, gradient in gradients(task).items() if gradient is None] == []


def test_losses_and_figures_are_those_of_an_independent_computation(
    corpus_root: Path, tiny: Callable[..., Any]
) -> None:
    task, dataset = built(tiny(TASK, corpus_root, "backbone=klmo", *ALL))
    batches = [collated(task, dataset, rows) for rows in (range(5), range(5, 12))]
    metric = task.make_metric()
    asked: dict[str, list[Any]] = {name: [] for name in ("words", "entities", "relations", "replaced")}
    with torch.no_grad():
        for batch in batches:
            metric.update(task.objectives, scores := task.scores(batch), batch)
            words = F.cross_entropy(scores["words"], batch.hidden.targets, reduction="none")
            asked["words"] += zip(words, scores["words"].argmax(-1) == batch.hidden.targets, strict=True)
            linked = F.cross_entropy(scores["entities"], batch.linked.targets, reduction="none")
            asked["entities"] += zip(linked, scores["entities"].argmax(-1) == batch.linked.targets, strict=True)
            related = scores["relations"].sigmoid()
            each = F.binary_cross_entropy(related, batch.related.labels, reduction="none").sum(-1)
            asked["relations"] += zip(each, related > 0.5, batch.related.labels, strict=True)
            false = F.binary_cross_entropy(scores["replaced"].sigmoid(), batch.replaced.labels, reduction="none")
            asked["replaced"] += zip(false, (scores["replaced"] > 0) == batch.replaced.labels.bool(), strict=True)
    figures = metric.compute()
    means = {name: float(torch.stack([row[0] for row in rows]).mean()) for name, rows in asked.items()}
    for name, mean in means.items():
        assert figures[f"{name}_loss"] == pytest.approx(mean, rel=1e-5)
    assert figures["loss"] == pytest.approx(sum(means.values()), rel=1e-5)
    assert figures["perplexity"] == pytest.approx(math.exp(means["words"]), rel=1e-4)
    for name, key in (("words", "word"), ("entities", "linking"), ("replaced", "replaced")):
        assert figures[f"{key}_accuracy"] == pytest.approx(
            sum(map(bool, (r[1] for r in asked[name]))) / len(asked[name])
        )
    predicted, gold = (torch.stack([row[i] for row in asked["relations"]]).int().numpy() for i in (1, 2))
    assert figures["relation_f1"] == pytest.approx(f1_score(gold, predicted, average="micro", zero_division=0))


def test_sentences_without_a_mention_or_a_word_to_hide_are_finite(corpus_root: Path, tiny: Callable[..., Any]) -> None:
    task, dataset = built(tiny(TASK, corpus_root, "task.data.drawing.words=0.0", "task.data.drawing.mentions=0.0"))
    items = [task.processor.parse({"text": text}, Path(), "here") for text in ("nothing here", "We saw Paris .")]
    for part in (items[:1], items):
        batch = task.processor.collate(part, dataset.store)
        loss = task.loss(batch)
        loss.backward()
        assert loss.isfinite()
        assert all(gradient is None or gradient.isfinite().all() for gradient in gradients(task).values())
    task.update_metric(task.processor.collate(items[:1], dataset.store), metric := task.make_metric())
    with pytest.raises(Exception, match="nothing was asked"):
        metric.compute()
    task.update_metric(task.processor.collate(items[1:], dataset.store), metric)
    assert metric.compute().keys() == {"loss", "entities_loss", "linking_accuracy"}


def test_batch_mates_and_padding_change_nothing_but_who_is_compared(
    corpus_root: Path, tiny: Callable[..., Any]
) -> None:
    task, dataset = built(tiny(TASK, corpus_root, *ALL))
    rows = [0, 3, 5]
    together = task.scores(collated(task, dataset, rows))
    alone = [task.scores(collated(task, dataset, [row])) for row in rows]
    for name in ("words", "relations", "replaced"):
        torch.testing.assert_close(together[name], torch.cat([one[name] for one in alone]), rtol=0, atol=1e-5)


def test_each_epoch_of_train_hides_other_words_and_dev_the_same(corpus_root: Path, tiny: Callable[..., Any]) -> None:
    dataset = read_dataset(tiny(TASK, corpus_root))
    train_split, dev = dataset.features["train"], dataset.features["dev"]
    drawn = [train_split[3 + epoch * len(train_split)] for epoch in range(8)]
    assert len({tuple(dataset.processor._shown(item).targets) for item in drawn}) > 1
    assert {item.ids for item in drawn} == {train_split[3].ids}
    assert train_split.redrawn
    assert not dev.redrawn


@pytest.mark.slow
def test_a_trained_model_fills_in_links_and_relates(
    corpus_root: Path, tiny: Callable[..., Any], tmp_path: Path
) -> None:
    train(tiny(TASK, corpus_root, "task.epochs=1", *ALL), tmp_path / "run")
    asked = {"text": "We saw Paris, in France.", "mask": [{"char": [3, 6]}]}
    records = [asked, {"text": "Nothing."}, {"tokens": ["Bonn"], "entities": []}]
    first, second, third = load(tmp_path / "run").predict(records)
    assert first["query"] == asked
    assert [(one["text"], one["id"]) for one in first["mentions"]] == [("Paris", "paris"), ("France", "fr")]
    assert all(one["predicted"] in ("fr", "de", "paris", "bonn") for one in first["mentions"])
    assert all(0 <= one["score"] <= 1 and 0 <= one["replaced"] <= 1 for one in first["mentions"])
    assert [(one["text"], len(one["predicted"]) > 0) for one in first["words"]] == [("saw", True)]
    assert second["mentions"] == third["mentions"] == second["words"] == second["relations"] == []
    alone = load(tmp_path / "run").predict([asked])[0]
    assert alone["mentions"][0]["score"] == pytest.approx(first["mentions"][0]["score"], abs=1e-5)
    with pytest.raises(DataError, match="'mask' must be a list of spans"):
        load(tmp_path / "run").predict([{"text": "We saw.", "mask": "saw"}])


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (("data.knowledge=null",), "backbone.inputs asks for a knowledge graph, and the data bring none"),
        (
            ("data.knowledge=null", "backbone=text_only"),
            "task.model.loss_weights.relations=1.0 asks about a knowledge graph, and the data bring none",
        ),
        (
            ("data.knowledge=null", "backbone=text_only", "task.data.drawing.replaced=0.1"),
            "task.data.drawing.replaced asks for a knowledge graph",
        ),
        (("data.fraction=0.5",), "data.fraction=0.5: a corpus is read whole"),
        (("data.format=mnre",), "data.format=mnre: this task reads jsonl"),
        (("data.max_length=2",), "data.max_length=2 must be at least 3"),
    ],
)
def test_what_cannot_be_is_one_line(
    keys: tuple[str, ...], said: str, corpus_root: Path, tiny: Callable[..., Any]
) -> None:
    with pytest.raises(ConfigError, match=said):
        built(tiny(TASK, corpus_root, *keys))


def test_without_a_graph_words_alone_are_learned(corpus_root: Path, tiny: Callable[..., Any]) -> None:
    off = [f"task.model.loss_weights.{name}=0.0" for name in ("relations", "entities")]
    task, dataset = built(tiny(TASK, corpus_root, "data.knowledge=null", "backbone=text_only", *off))
    assert task.losses(collated(task, dataset, range(4))).keys() == {"words"}
    with pytest.raises(Exception, match="all are 0"):
        built(tiny(TASK, corpus_root, "task.model.loss_weights.words=0.0", *off))


def test_wrong_values_are_refused_before_anything_is_read(tiny: Callable[..., Any], tmp_path: Path) -> None:
    for key, said in (
        ("task.data.drawing.words=1.5", "task.data.drawing.words=1.5: must be a number between 0 and 1"),
        ("task.model.loss_weights.entities=-1", "task.model.loss_weights.entities=-1"),
        ("+task.model.loss_weights.images=1", "no such key"),
        ("save_every=0", "save_every=0"),
    ):
        with pytest.raises(ConfigError, match=said):
            train(tiny(TASK, tmp_path / "none", key), tmp_path / "run")


def test_a_vocabulary_without_a_mask_is_one_line(tmp_path: Path) -> None:
    from transformers import BertConfig, PreTrainedTokenizerFast

    backend = learned(["we saw"], 50).backend
    roles = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=backend, **roles).save_pretrained(tmp_path)
    BertConfig(vocab_size=50).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"is of no model of the BERT family: it has no mask, or no \[CLS\]"):
        pretrained([], str(tmp_path))


def test_a_damaged_line_is_one_line(corpus_root: Path, tiny: Callable[..., Any]) -> None:
    with (corpus_root / "train-1.jsonl").open("a") as file:
        file.write('{"tokens": ["We", "saw"], "entities": [{"start": 0, "end": 9, "id": "fr"}]}\n')
    with pytest.raises(DataError, match=r"train-1\.jsonl:11: 'entities' \[0, 9\) lies outside the sentence"):
        read_dataset(tiny(TASK, corpus_root))


def test_the_graph_and_the_corpus_make_the_digest(corpus_root: Path, tiny: Callable[..., Any]) -> None:
    first = read_dataset(tiny(TASK, corpus_root))
    with (corpus_root / "graph" / "triples.tsv").open("a") as file:
        file.write("bonn\tcapital_of\tde\n")
    (corpus_root / "dev.jsonl").write_text('{"text": "We saw Bonn."}\n')
    second = read_dataset(tiny(TASK, corpus_root))
    assert first.graph != second.graph
    assert first.source.digest() != second.source.digest()


def test_settings_that_a_checkpoint_carries_build_the_same_processor(
    corpus_root: Path, tiny: Callable[..., Any]
) -> None:
    dataset = read_dataset(tiny(TASK, corpus_root, *ALL))
    made = dataset.processor
    again = type(made).from_state(made.state())
    item = dataset.features["train"][2]
    for row in range(20):
        drawn = replace(item, draw=item.draw._replace(row=row))
        assert made._shown(drawn) == again._shown(drawn)


def test_check_counts_what_there_is(corpus_root: Path) -> None:
    from mkgc.check import check_data

    report = check_data(composed(f"task={TASK}", f"data.root={corpus_root}", *TINY, name="check"))
    assert not report.fatal
    assert report.tables[0].rows == (("sentences", 24, 8, 8),)
    assert any("8 of 8 sentences of dev mention entities" in finding.text for finding in report.findings)
