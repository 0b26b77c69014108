import pytest
import torch
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from mkgc.batch import IGNORED
from mkgc.metrics import EmptyMetricError
from mkgc.metrics.relation import RelationF1


def measured(none: int | None, predicted: list[int], target: list[int]) -> dict[str, float]:
    metric = RelationF1(none)
    metric.update(torch.tensor(predicted), torch.tensor(target))
    return metric.compute()


@pytest.mark.parametrize("none", [0, 3, None])
def test_measures_equal_those_of_scikit_learn_over_the_relations_that_are_one(none: int | None) -> None:
    metric = RelationF1(none)
    batches = [(torch.randint(5, (n,)), torch.randint(5, (n,))) for n in (64, 1, 17)]
    for predicted, target in batches:
        metric.update(predicted, target)
    predicted, target = (torch.cat(part).numpy() for part in zip(*batches, strict=True))
    labels = [label for label in range(5) if label != none]
    expected = precision_recall_fscore_support(target, predicted, labels=labels, average="micro")
    found = metric.compute()
    assert (found["precision"], found["recall"], found["f1"]) == pytest.approx(expected[:3], rel=1e-12)
    assert found["accuracy"] == pytest.approx(accuracy_score(target, predicted))
    assert found["support"] == sum(label != none for label in target)


def test_agreeing_that_there_is_no_relation_is_accurate_but_finds_nothing() -> None:
    found = measured(0, [0, 0, 1, 2], [0, 0, 1, 0])
    assert found == {"precision": 0.5, "recall": 1.0, "f1": 2 / 3, "accuracy": 0.75, "support": 1}


def test_a_relation_mistaken_for_another_costs_precision_and_recall() -> None:
    found = measured(0, [2, 1], [1, 1])
    assert (found["precision"], found["recall"]) == (0.5, 0.5)


def test_without_any_relation_the_measures_are_zero_and_the_support_says_why() -> None:
    found = measured(0, [0, 0], [0, 0])
    assert found == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "accuracy": 1.0, "support": 0}


@pytest.mark.parametrize("none", [0, None])
def test_examples_without_a_label_count_nowhere(none: int | None) -> None:
    labelled = [0, 2, 1, 1], [0, 0, 1, 2]
    assert measured(none, [*labelled[0], 1, 0], [*labelled[1], IGNORED, IGNORED]) == measured(none, *labelled)


def test_two_devices_together_count_what_one_does() -> None:
    predicted, target = torch.randint(4, (2, 40))
    whole, first, second = RelationF1(0), RelationF1(0), RelationF1(0)
    whole.update(predicted, target)
    first.update(predicted[:13], target[:13])
    second.update(predicted[13:], target[13:])
    first.merge_state(second)
    assert first.compute() == whole.compute()


def test_no_examples_are_an_error_and_not_a_zero() -> None:
    metric = RelationF1(0)
    metric.update(torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.long))
    with pytest.raises(EmptyMetricError, match="no examples"):
        metric.compute()
