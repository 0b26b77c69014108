import pytest
import torch
from torch import Tensor

from mkgc.heads.bag import AttentionPooled, MostCertain
from mkgc.metrics.bags import BagF1
from mkgc.metrics.relation import RelationF1

NA, BORN, DIED = range(3)


def sure(relation: int, probability: float) -> list[float]:
    """The scores of a sentence that has this relation with a probability, and the others in equal parts."""
    rest = (1 - probability) / 2
    return torch.tensor([probability if one == relation else rest for one in range(3)]).log().tolist()


SCORES = torch.tensor([sure(NA, 0.99), sure(BORN, 0.5), sure(DIED, 0.7), sure(NA, 0.9), sure(NA, 0.8), sure(BORN, 0.9)])
BAGS = torch.tensor([7, 7, 7, 9, 9, 8])
GOLD = torch.tensor([NA, BORN, NA, NA, DIED, NA])


def measured(metric: BagF1, attention: Tensor, *parts: list[int]) -> dict[str, float]:
    for rows in parts:
        metric.update(SCORES[rows], GOLD[rows], BAGS[rows], attention[rows])
    return metric.compute()


def of_bags(found: dict[str, float]) -> dict[str, float]:
    return {name.removeprefix("bag_"): value for name, value in found.items() if name.startswith("bag_")}


def test_the_surest_sentence_decides_for_its_bag_as_counted_by_hand() -> None:
    """Bag 7 is said to be DIED, and is BORN; 9 is said to be none, and is DIED; 8 is said to be BORN, and is none."""
    found = measured(BagF1(MostCertain(NA).decide, NA), torch.zeros(6, 3), [0, 1, 2, 3, 4, 5])
    assert of_bags(found) == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 2}


def test_a_bag_may_have_several_relations_of_which_one_is_found() -> None:
    gold = GOLD.index_fill(0, torch.tensor(2), DIED)  # bag 7 is BORN and DIED
    metric = BagF1(MostCertain(NA).decide, NA)
    metric.update(SCORES, gold, BAGS, torch.zeros(6, 3))
    expected = {"precision": 1 / 2, "recall": 1 / 3, "f1": 2 / 5, "support": 3}
    assert of_bags(metric.compute()) == pytest.approx(expected)


def test_attention_weighs_sentences_for_each_relation_by_itself() -> None:
    """For BORN bag 7 is its second sentence; for the others, which attend to the first, it is none."""
    attention = torch.full((6, 3), -100.0)
    attention[0, [NA, DIED]] = attention[1, BORN] = attention[3:, :] = 0.0
    found = measured(BagF1(AttentionPooled().decide, NA), attention, [0, 1, 2, 3, 4, 5])
    of_each = SCORES[[0, 1, 0]].softmax(-1).diagonal()
    assert of_each.argmax() == NA  # 0.99 against 0.5
    assert (found["bag_precision"], found["bag_recall"]) == (0, 0)


def test_sentences_of_a_bag_may_come_in_any_batches_and_in_any_order() -> None:
    attention = torch.randn(6, 3)
    for decide in (MostCertain(NA).decide, AttentionPooled().decide):
        whole = measured(BagF1(decide, NA), attention, [0, 1, 2, 3, 4, 5])
        assert measured(BagF1(decide, NA), attention, [5, 2], [0, 3], [4, 1]) == pytest.approx(whole)


def test_bags_of_one_sentence_have_its_figures() -> None:
    metric, sentences = BagF1(MostCertain(NA).decide, NA), RelationF1(NA)
    scores, gold = torch.randn(50, 3), torch.randint(3, (50,))
    metric.update(scores, gold, torch.arange(50), torch.randn(50, 3))
    sentences.update(scores.argmax(-1), gold)
    found, expected = metric.compute(), sentences.compute()
    assert {name: found[name] for name in expected} == expected
    assert of_bags(found) == {name: value for name, value in expected.items() if name != "accuracy"}


def test_two_devices_together_count_what_one_does() -> None:
    attention = torch.randn(6, 3)
    first, second = (BagF1(AttentionPooled().decide, NA) for _ in range(2))
    whole = measured(BagF1(AttentionPooled().decide, NA), attention, [0, 1, 2, 3, 4, 5])
    for metric, rows in ((first, [0, 2]), (second, [1, 3, 4, 5])):
        metric.update(SCORES[rows], GOLD[rows], BAGS[rows], attention[rows])
    first.merge_state(second)
    assert first.compute() == pytest.approx(whole)
