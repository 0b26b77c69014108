import random
from typing import Any

import pytest
import torch
from seqeval.metrics import classification_report
from seqeval.scheme import IOB2, Entities
from torch import Tensor

from mkgc.metrics import EmptyMetricError, MetricError
from mkgc.metrics.spans import SpanF1, bio_spans

TYPES = ("PER", "LOC", "ORG")
TAGS = ("O", *(f"{mark}-{kind}" for kind in TYPES for mark in "BI"))


def numbered(sentences: list[list[str]]) -> Tensor:
    """Tags as the metric takes them, padded."""
    width = max([1, *map(len, sentences)])
    rows = [[*map(TAGS.index, tags), *[-100] * (width - len(tags))] for tags in sentences]
    return torch.tensor(rows, dtype=torch.long).view(-1, width)


def any_tags(sentences: int, seed: int) -> list[list[str]]:
    """Sequences of tags, most of which break the rules of BIO."""
    rng = random.Random(seed)
    return [rng.choices(TAGS, k=rng.randint(1, 12)) for _ in range(sentences)]


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("B-PER I-PER O", [("PER", 0, 2)]),
        ("B-PER B-PER", [("PER", 0, 1), ("PER", 1, 2)]),
        ("O I-PER I-PER", []),
        ("B-PER I-LOC I-LOC", [("PER", 0, 1)]),
        ("B-PER I-LOC I-PER", [("PER", 0, 1)]),
        ("O O B-LOC", [("LOC", 2, 3)]),
        ("", []),
    ],
)
def test_only_b_begins_a_span_and_only_its_own_i_continues_it(tags: str, spans: list[Any]) -> None:
    assert bio_spans(tags.split()) == spans


def test_spans_are_those_of_seqeval_in_strict_mode() -> None:
    sentences = any_tags(500, seed=1)
    theirs = [[entity.to_tuple()[1:] for entity in found] for found in Entities(sentences, IOB2).entities]
    assert [bio_spans(tags) for tags in sentences] == theirs


def test_measures_equal_those_of_seqeval_over_all_types_and_of_each() -> None:
    predicted, gold = any_tags(300, seed=2), any_tags(300, seed=2)
    rng = random.Random(3)
    for tags in predicted:
        tags[rng.randrange(len(tags))] = rng.choice(TAGS)
    metric = SpanF1(TYPES)
    for i in range(0, 300, 70):
        metric.update(numbered(predicted[i : i + 70]), numbered(gold[i : i + 70]))
    found = metric.compute()
    report = classification_report(gold, predicted, mode="strict", scheme=IOB2, output_dict=True)
    for kind, prefix in {"micro avg": "", "PER": "PER/", "LOC": "LOC/", "ORG": "ORG/"}.items():
        ours = [found[prefix + name] for name in ("precision", "recall", "f1", "support")]
        theirs = [report[kind][name] for name in ("precision", "recall", "f1-score", "support")]
        assert ours == pytest.approx(theirs, rel=1e-12), kind
    assert 0.5 < found["f1"] < 1


def test_the_same_span_in_another_sentence_is_not_right() -> None:
    metric = SpanF1(TYPES)
    metric.update(numbered([["B-PER", "O"], ["O", "O"]]), numbered([["O", "O"], ["B-PER", "O"]]))
    assert (metric.compute()["PER/precision"], metric.compute()["PER/recall"]) == (0, 0)


def test_sentences_without_spans_measure_zero_and_the_support_says_why() -> None:
    metric = SpanF1(("PER",))
    metric.update(numbered([["O"]]), numbered([["O"]]))
    overall = {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}
    assert metric.compute() == overall | {f"PER/{name}": value for name, value in overall.items()}


def test_two_devices_together_count_what_one_does() -> None:
    gold = any_tags(40, seed=4)
    predicted = [random.Random(5).sample(tags, len(tags)) for tags in gold]
    whole, first, second = SpanF1(TYPES), SpanF1(TYPES), SpanF1(TYPES)
    whole.update(numbered(predicted), numbered(gold))
    first.update(numbered(predicted[:13]), numbered(gold[:13]))
    second.update(numbered(predicted[13:]), numbered(gold[13:]))
    first.merge_state(second)
    assert first.compute() == whole.compute()


def test_predictions_where_there_is_no_word_do_not_count() -> None:
    metric = SpanF1(TYPES)
    metric.update(torch.tensor([[1, 2, 2, 3]]), torch.tensor([[1, 2, -100, -100]]))
    found = metric.compute()
    assert (found["precision"], found["recall"], found["support"]) == (1, 1, 1)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(MetricError, match=r"\(1, 2\) predicted tags and \(1, 1\) right ones differ"):
        SpanF1(("PER",)).update(numbered([["O", "O"]]), numbered([["O"]]))


def test_no_sentences_are_an_error_and_not_a_zero() -> None:
    metric = SpanF1(TYPES)
    metric.update(numbered([]), numbered([]))
    with pytest.raises(EmptyMetricError, match="no sentences"):
        metric.compute()
