"""The relation of two mentions, read with the graph around their sentence, learned by sentence or by bag."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from mkgc.app.config import check
from mkgc.data.examples import Span
from mkgc.data.formats.links import Link
from mkgc.errors import ConfigError, DataError
from mkgc.inference import Predictor
from tasks.relation_classification.data import LinkedProcessor, in_bags
from tasks.relation_classification.example import LinkedRelationExample, parse_labelled, parse_relation
from tests.conftest import composed, write_jsonl

TEXT = ("backbone=text_only", "data=linked")
BAGS = ("task.data.bag_size=4", "task.model.bag=attention")


def example(links: tuple[Link, ...] | None = None, **fields: Any) -> LinkedRelationExample:
    tokens = ("Paris", "is", "in", "France")
    return LinkedRelationExample("0", tokens, Span(0, 1), Span(3, 4), "in", links=links, **fields)


def test_a_bag_is_the_pair_of_linked_mentions_or_of_their_words() -> None:
    assert example().bag == "Paris\tFrance"
    assert example((Link(Span(3, 4), "fr"), Link(Span(0, 4), "other"))).bag == "Paris\tfr"
    assert example(bag="b7").bag == "b7"


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"bag": ["b"]}, "here: 'bag' must be the name or number of one, not ['b']"),
        ({"entities": "paris"}, "here: 'entities' must be "),
        (
            {"entities": [{"start": 0, "end": 9, "id": "paris"}]},
            "here: 'entities' [0, 9) lies outside the sentence of 4",
        ),
        ({"relation": ""}, "here: 'relation' must be the name of one, not ''"),
        ({"head": "Rome"}, "here: 'head' \"Rome\" does not stand in the sentence as whole words"),
        ({"types": ["x"]}, "here: no such key: 'types'; there are bag, crops, dependencies, entities, head, id, image"),
    ],
)
def test_a_record_that_cannot_be_used_is_one_line(record: dict[str, Any], said: str) -> None:
    good = {"text": "Paris is in France", "head": "Paris", "tail": "France", "relation": "in"}
    assert parse_labelled(good, Path(), "here").bag == "Paris\tFrance"
    with pytest.raises(DataError) as error:
        parse_labelled(good | record, Path(), "here")
    assert str(error.value).startswith(said)


def test_sentences_of_a_bag_and_a_relation_are_learned_from_together(
    linked_root: Path, made: Callable[..., Any]
) -> None:
    _, dataset, _ = made("relation_classification", linked_root, *TEXT, *BAGS)
    alone = made("relation_classification", linked_root, *TEXT)[1].features["train"]
    bags = dataset.features["train"]
    assert sum(len(bag.sentences) for bag in bags) == len(alone)
    for bag in bags:
        assert len({(one.bag, one.label) for one in bag.sentences}) == 1
        assert len(bag.sentences) <= 4
    assert [len(bag.sentences) for bag in in_bags(alone, 1)] == [1] * len(alone)


def test_bags_of_one_sentence_are_learned_as_sentences_are(linked_root: Path, made: Callable[..., Any]) -> None:
    model, dataset, _ = made("relation_classification", linked_root, *TEXT)
    features = dataset.features["train"][:6]
    batch = model.processor.collate(features, dataset.store)
    torch.testing.assert_close(model.loss(batch), F.cross_entropy(model.scores(batch), batch.labels))
    again = model.processor.collate(in_bags(features, 1), dataset.store)
    assert model.weight(again) == 6
    order = [features.index(one.sentences[0]) for one in in_bags(features, 1)]
    torch.testing.assert_close(model.scores(again), model.scores(batch)[order])


def test_attention_is_learned_and_reaches_every_sentence_of_a_bag(linked_root: Path, made: Callable[..., Any]) -> None:
    model, dataset, _ = made("relation_classification", linked_root, *TEXT, *BAGS)
    bags = [bag for bag in dataset.features["train"] if len(bag.sentences) > 1][:2]
    batch = model.processor.collate(bags, dataset.store)
    model.loss(batch).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.queries.parameters())
    scores, attention = model.evidence(batch)
    rows, expected = 0, []
    for bag in bags:
        here = slice(rows, rows := rows + len(bag.sentences))
        expected.append(attention[here, bag.sentences[0].label].softmax(0) @ scores[here])
    torch.testing.assert_close(
        model.loss(batch), F.cross_entropy(torch.stack(expected), torch.tensor([b.sentences[0].label for b in bags]))
    )


def test_a_bag_without_a_sentence_is_one_line() -> None:
    with pytest.raises(ConfigError, match=r"^task\.data\.bag_size=0: must be a whole number of at least 1$"):
        check(composed("task=relation_classification", "task.data.bag_size=0"))


def test_attention_without_bags_is_one_line(linked_root: Path, made: Callable[..., Any]) -> None:
    said = r"^task\.model\.bag=attention is learned from bags: give task\.data\.bag_size above 1$"
    with pytest.raises(ConfigError, match=said):
        made("relation_classification", linked_root, *TEXT, "task.model.bag=attention")


@pytest.mark.parametrize("bags", [(), BAGS], ids=["max", "attention"])
def test_one_test_has_figures_of_sentences_and_of_bags(
    linked_root: Path, made: Callable[..., Any], bags: tuple[str, ...]
) -> None:
    model, dataset, _ = made("relation_classification", linked_root, *TEXT, *bags)
    metric = model.make_metric()
    for start in (0, 3):
        batch = model.processor.collate(dataset.features["test"][start : start + 3 + 2 * (start > 0)], dataset.store)
        model.update_metric(batch, metric)
    found = metric.compute()
    assert found["support"] == sum(example.relation != "NA" for example in dataset.examples["test"])
    gold = {(example.bag, example.relation) for example in dataset.examples["test"] if example.relation != "NA"}
    assert found["bag_support"] == len(gold)


def test_records_without_a_label_are_scored_and_not_learned_from(linked_root: Path, made: Callable[..., Any]) -> None:
    model, dataset, _ = made("relation_classification", linked_root, *TEXT)
    asked = model.processor.parse({"text": "Paris and France", "head": "Paris", "tail": "France"}, Path(), "here")
    item = dataset.features["train"][0]
    both, one = (model.processor.collate(part, dataset.store) for part in ([item, asked], [item]))
    torch.testing.assert_close(model.loss(both), model.loss(one))
    assert model.weight(both) == 1


def test_an_answer_has_the_relation_and_both_mentions(linked_root: Path, made: Callable[..., Any]) -> None:
    model, _, config = made("relation_classification", linked_root, *TEXT, *BAGS)
    (answer,) = Predictor(model, config).predict([{"text": "Bonn, and Germany.", "head": "Bonn", "tail": "Germany"}])
    assert answer["relation"] in model.processor.labels
    assert (answer["head"]["text"], answer["tail"]["char"]) == ("Bonn", [10, 17])


def test_a_checkpoint_carries_all_that_a_prediction_needs(linked_root: Path, made: Callable[..., Any]) -> None:
    model, _, _ = made("relation_classification", linked_root, *TEXT, *BAGS)
    again = LinkedProcessor.from_state(model.processor.state())
    record = {"text": "Bonn, and Germany.", "head": "Bonn", "tail": "Germany"}
    assert again.parse(record, Path(), "here") == model.processor.parse(record, Path(), "here")
    assert (again.bag_size, again.null_relation) == (4, "NA")


def test_a_tests_predictions_name_the_bag_and_count_what_the_metric_does(
    linked_root: Path, made: Callable[..., Any]
) -> None:
    model, dataset, _ = made("relation_classification", linked_root, *TEXT)
    metric, examples = model.make_metric(), dataset.examples["test"]
    batch = model.processor.collate(dataset.features["test"], dataset.store)
    lines = model.describe(model.record(batch, model.update_metric(batch, metric)), examples)
    assert [line["bag"] for line in lines] == [one.bag for one in examples]
    right, predicted, gold = (sum(line["counts"][i] for line in lines) for i in range(3))
    assert metric.compute()["f1"] == pytest.approx(2 * right / max(1, predicted + gold))


def test_a_relation_that_train_does_not_have_is_one_line(linked_root: Path, made: Callable[..., Any]) -> None:
    record = {"text": "Paris and France", "head": "Paris", "tail": "France", "relation": "capital"}
    write_jsonl(linked_root / "dev.jsonl", [record])
    with pytest.raises(
        DataError, match=r"dev.jsonl:1: the relation 'capital' does not occur in train \(NA, capital_of"
    ):
        made("relation_classification", linked_root, *TEXT)


def test_a_label_is_not_read_of_what_is_asked() -> None:
    record = {"text": "Paris is in France", "head": "Paris", "tail": "France", "relation": "in"}
    assert parse_relation(record, Path(), "here") == replace(parse_labelled(record, Path(), "here"), relation=None)


def test_the_graph_reaches_the_relation_of_klmo_and_not_without_it(linked_root: Path, made: Callable[..., Any]) -> None:
    """The same sentence with and without its links."""
    record: dict[str, Any] = {"text": "Paris and also France .", "head": "Paris", "tail": "France"}
    for keys, reads in ((("data=linked",), True), (("data=linked", "data.knowledge=null"), False)):
        model, dataset, _ = made("relation_classification", linked_root, *keys)
        given: list[dict[str, Any]] = [record, record | {"entities": []}]
        items = [model.processor.parse(one, Path(), "here") for one in given]
        with_links, without = (model.scores(model.processor.collate([item], dataset.store)) for item in items)
        assert torch.equal(with_links, without) is not reads
        assert [bool(item.linked) for item in items] == [reads, False]
