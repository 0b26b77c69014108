import pytest
import torch
from sklearn.metrics import accuracy_score, precision_recall_fscore_support
from torch import Tensor

from mkgc.metrics import EmptyMetricError
from mkgc.metrics.typing import TypingF1


def sets(*rows: str, types: str = "abcd") -> Tensor:
    """Sets of types, each a letter."""
    return torch.tensor([[kind in row for kind in types] for row in rows])


def measured(predicted: Tensor, gold: Tensor) -> dict[str, float]:
    metric = TypingF1()
    metric.update(predicted, gold, torch.ones(len(gold), dtype=torch.bool))
    return metric.compute()


def test_the_measures_of_three_mentions_counted_by_hand() -> None:
    """Right: ab of ab; b of bc, where bd was found; nothing of d, where nothing was."""
    found = measured(sets("ab", "bd", ""), sets("ab", "bc", "d"))
    micro = {"precision": 3 / 4, "recall": 3 / 5, "f1": 6 / 9, "accuracy": 1 / 3, "support": 5}
    macro = {"macro_precision": (1 + 1 / 2) / 2, "macro_recall": (1 + 1 / 2 + 0) / 3, "macro_f1": 2 * 0.375 / 1.25}
    assert found == pytest.approx(micro | macro)


def test_measures_equal_those_of_scikit_learn() -> None:
    metric, batches = TypingF1(), []
    for size in (64, 1, 17):
        gold = torch.rand(size, 7) < 0.3
        gold[:, 0] |= ~gold.any(1)
        predicted = torch.rand(size, 7) < 0.3
        predicted[:, 1] |= ~predicted.any(1)
        metric.update(predicted, gold, torch.ones(size, dtype=torch.bool))
        batches.append((predicted, gold))
    predicted, gold = (torch.cat(part).numpy() for part in zip(*batches, strict=True))
    found = metric.compute()
    for prefix, average in (("", "micro"), ("macro_", "samples")):
        precision, recall, f1, _ = precision_recall_fscore_support(gold, predicted, average=average)
        assert found[f"{prefix}precision"] == pytest.approx(precision, rel=1e-6)
        assert found[f"{prefix}recall"] == pytest.approx(recall, rel=1e-6)
        mean = f1 if not prefix else 2 * precision * recall / (precision + recall)  # of means, not a mean of F1
        assert found[f"{prefix}f1"] == pytest.approx(mean, rel=1e-6)
    assert found["accuracy"] == pytest.approx(accuracy_score(gold, predicted))


def test_mentions_without_known_types_count_nowhere() -> None:
    metric = TypingF1()
    metric.update(sets("ab", "cd"), sets("ab", ""), torch.tensor([True, False]))
    assert metric.compute() == measured(sets("ab"), sets("ab"))


def test_two_devices_together_count_what_one_does() -> None:
    predicted, gold = torch.rand(2, 40, 5) < 0.4
    known = torch.ones(40, dtype=torch.bool)
    whole, first, second = TypingF1(), TypingF1(), TypingF1()
    whole.update(predicted, gold, known)
    first.update(predicted[:13], gold[:13], known[:13])
    second.update(predicted[13:], gold[13:], known[13:])
    first.merge_state(second)
    assert first.compute() == pytest.approx(whole.compute())


def test_no_mention_is_an_error_and_not_a_zero() -> None:
    with pytest.raises(EmptyMetricError, match="no mention"):
        measured(*torch.zeros(2, 0, 4, dtype=torch.bool))
