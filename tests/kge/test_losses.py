from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from pykeen.losses import MarginRankingLoss, NSSALoss
from torch import Tensor
from torch.testing import assert_close

from mkgc.losses.adversarial import self_adversarial
from mkgc.losses.kvsall import binary_kvsall
from mkgc.losses.margin import margin_ranking
from mkgc.losses.n3 import n3
from mkgc.losses.onevsall import one_vs_all
from mkgc.losses.softmax import softmax_kvsall


def sampled_scores() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return 3 * torch.randn(8) - 5, (3 * torch.randn(8, 6) - 6).requires_grad_()


def labelled() -> tuple[Tensor, tuple[Tensor, Tensor], Tensor]:
    """Scores, answers as rows and columns, and as a multi-hot matrix; one query has no answer."""
    torch.manual_seed(0)
    labels = (torch.rand(5, 12) < 0.3).float()
    labels[2] = 0
    rows, columns = labels.nonzero(as_tuple=True)
    return (4 * torch.randn(5, 12)).requires_grad_(), (rows, columns), labels


@pytest.mark.parametrize("margin", [0.0, 1.0, 4.0])
def test_margin_ranking_is_pykeens(margin: float) -> None:
    positive, negative = sampled_scores()
    expected = MarginRankingLoss(margin=margin).process_slcwa_scores(positive[:, None], negative)
    assert_close(margin_ranking(positive, negative, margin).mean(), expected)


@pytest.mark.parametrize(("margin", "temperature"), [(9.0, 1.0), (6.0, 0.5), (3.0, 0.0)])
def test_self_adversarial_is_pykeens_with_its_gradient(margin: float, temperature: float) -> None:
    positive, negative = sampled_scores()
    reference = NSSALoss(margin=margin, adversarial_temperature=temperature)
    expected = reference.process_slcwa_scores(positive[:, None], negative)
    found = self_adversarial(positive, negative, margin, temperature).mean()
    assert_close(found, expected)
    assert_close(torch.autograd.grad(found, negative), torch.autograd.grad(expected, negative))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_kvsall_is_the_binary_cross_entropy_of_dense_labels(smoothing: float) -> None:
    scores, answers, labels = labelled()
    expected = F.binary_cross_entropy_with_logits(scores, (1 - smoothing) * labels + smoothing / 12)
    found = binary_kvsall(scores, answers, smoothing)
    assert_close(found, expected)
    assert_close(torch.autograd.grad(found, scores), torch.autograd.grad(expected, scores))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_softmax_over_all_answers_is_the_cross_entropy_of_dense_probabilities(smoothing: float) -> None:
    scores, (rows, columns), labels = labelled()
    labels[2, 7] = 1
    order = torch.randperm(1 + len(rows))
    answers = torch.cat([rows, torch.tensor([2])])[order], torch.cat([columns, torch.tensor([7])])[order]
    expected = F.cross_entropy(scores, labels / labels.sum(1, keepdim=True), label_smoothing=smoothing)
    found = softmax_kvsall(scores, answers, smoothing)
    assert_close(found, expected, rtol=0, atol=1e-6)
    assert_close(torch.autograd.grad(found, scores), torch.autograd.grad(expected, scores), rtol=0, atol=1e-6)


def test_the_softmax_over_all_answers_is_finite_for_scores_of_any_size() -> None:
    scores = torch.tensor([[1e4, -1e4]])
    assert softmax_kvsall(scores, (torch.tensor([0]), torch.tensor([0]))) == 0
    assert softmax_kvsall(scores, (torch.tensor([0]), torch.tensor([1]))) == 2e4


def test_kvsall_is_finite_for_scores_of_any_size() -> None:
    scores = torch.tensor([[1e4, -1e4]])
    assert binary_kvsall(scores, (torch.tensor([0]), torch.tensor([0]))) == 0
    assert binary_kvsall(scores, (torch.tensor([0]), torch.tensor([1]))) == 1e4


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_one_vs_all_is_the_log_softmax_of_the_answer(smoothing: float) -> None:
    scores, _, _ = labelled()
    answers = torch.tensor([0, 1, 1, 2, 3, 4, 4]), torch.tensor([0, 3, 4, 11, 3, 5, 0])
    logs = scores.log_softmax(1)
    expected = -((1 - smoothing) * logs[answers] + smoothing * logs.mean(1)[answers[0]])
    assert_close(one_vs_all(scores, answers, smoothing), expected)


def test_n3_sums_cubes_of_all_factors_of_each_triple() -> None:
    heads, relations, tails = torch.tensor([[1.0, -2.0], [0.0, 1.0]]), torch.tensor([[-1.0], [3.0]]), torch.zeros(2, 2)
    assert n3((heads, relations, tails)).tolist() == [1 + 8 + 1, 1 + 27]
