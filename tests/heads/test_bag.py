import torch
import torch.nn.functional as F
from torch import nn

from mkgc.heads.bag import AttentionPooled, MostCertain, SentenceQueries

MEMBERS = torch.tensor([[1, 1, 1, 0], [0, 0, 0, 1]], dtype=torch.bool)
RELATIONS = torch.tensor([2, 0])


def test_attention_averages_vectors_as_its_paper_does() -> None:
    """Equations 7 to 9 of Lin et al. (2016), written for one bag after another."""
    vectors, classifier, asked = torch.randn(4, 6), nn.Linear(6, 3), SentenceQueries(6, 3)
    nn.init.normal_(asked.diagonal)
    expected = []
    for rows, relation in (([0, 1, 2], 2), ([3], 0)):
        x = vectors[rows]
        e = torch.stack([one @ torch.diag(asked.diagonal) @ asked.queries[relation] for one in x])
        alpha = e.exp() / e.exp().sum()
        expected.append(classifier((alpha[:, None] * x).sum(0)))
    found = AttentionPooled().learned(classifier(vectors), asked(vectors), MEMBERS, RELATIONS)
    torch.testing.assert_close(found, torch.stack(expected))


def test_after_training_each_relation_is_scored_by_its_own_attention() -> None:
    scores, attention = torch.randn(5, 3), torch.randn(5, 3)
    probabilities = []
    for relation in range(3):
        alpha = attention[:, relation].softmax(0)
        probabilities.append(float((alpha @ scores).softmax(-1)[relation]))
    assert AttentionPooled().decide(scores, attention) == max(range(3), key=probabilities.__getitem__)


def test_the_likeliest_sentence_is_learned_from() -> None:
    scores = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, 3.0], [9.0, 0.0, 4.0], [0.0, 1.0, 0.0]], requires_grad=True)
    found = MostCertain(0).learned(scores, torch.zeros(4, 3), MEMBERS, RELATIONS)
    torch.testing.assert_close(found, scores[[1, 3]])  # 9 makes the third sentence's relation another
    F.cross_entropy(found, RELATIONS).backward()
    assert scores.grad is not None
    assert scores.grad.abs().sum(1).bool().tolist() == [False, True, False, True]


def test_a_bag_of_one_sentence_is_that_sentence() -> None:
    scores, attention, alone = torch.randn(4, 3), torch.randn(4, 3), torch.eye(4, dtype=torch.bool)
    for bag in (MostCertain(0), AttentionPooled()):
        torch.testing.assert_close(bag.learned(scores, attention, alone, torch.tensor([0, 1, 2, 0])), scores)
        assert [bag.decide(scores[i : i + 1], attention[i : i + 1]) for i in range(4)] == scores.argmax(1).tolist()


def test_every_sentence_that_is_attended_to_is_learned_from() -> None:
    scores, attention = torch.randn(4, 3, requires_grad=True), torch.randn(4, 3, requires_grad=True)
    AttentionPooled().learned(scores, attention, MEMBERS, RELATIONS).square().sum().backward()
    assert scores.grad is not None
    assert attention.grad is not None
    assert scores.grad.abs().sum(1).bool().all()
    assert attention.grad[:3, 2].bool().all()
    assert not attention.grad[3].any()  # alone in its bag
