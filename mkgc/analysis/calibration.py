"""Probabilities that come true as often as they say, made from scores by what dev teaches of their scale.

Source: temperature scaling, Guo et al. (2017), "On Calibration of Modern Neural Networks". A sigmoid gets a bias as
well (Platt, 1999): no temperature moves a score across 0, so that a model that puts some fifty of 14,541 candidates
above 0, as those do that are taught with a few negatives for each answer, would say 1/2 or more of each of them at any
temperature. A softmax does not see a bias. Neither parameter changes the order of candidates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from mkgc.metrics import EmptyMetricError, MetricError

Kind = Literal["softmax", "sigmoid"]

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.01, 100.0
"""Bounds of the temperature: where all answers are right it would fall to 0, where all are wrong rise without end."""

MAX_LOGIT = 1e4
"""Bound of what a sigmoid makes of a mean score, on either side."""

PRECISION = 1e-9
"""Share of the loss that a last step of a sigmoid's fit would win, at most."""

BINS = 15


@dataclass(frozen=True)
class Calibration:
    """A map from scores to probabilities; as built from its kind alone it leaves scores as they are."""

    kind: Kind
    temperature: float = 1.0
    bias: float = 0.0

    def __call__(self, scores: Float[Tensor, "*B N"]) -> Float[Tensor, "*B N"]:
        """The probabilities of all candidates: of a softmax they add up to 1, each of a sigmoid stands alone."""
        logits = scores.float() / self.temperature + self.bias
        return logits.softmax(-1) if self.kind == "softmax" else logits.sigmoid()


@dataclass(frozen=True)
class Answered:
    """Scores of queries and the rows (query, candidate) of their answers.

    ``targets`` are to be found; ``known`` are all answers known to be true, which are left out as in ranking. Those may
    repeat, and hold the targets or not. A candidate that scores -inf is left out, too.
    """

    scores: Float[Tensor, "Q N"]
    targets: Int[Tensor, "K 2"]
    known: Int[Tensor, "L 2"]


class _Part(NamedTuple):
    """Queries with a competitor: ``free`` marks those, ``others`` is 0 elsewhere; ``row`` is the query of an answer."""

    others: Float[Tensor, "Q N"]
    free: Bool[Tensor, "Q N"]
    right: Float64[Tensor, " K"]
    row: Int[Tensor, " K"]


class _Point(NamedTuple):
    """A loss, summed over answers, with its derivatives by (1 / temperature, bias)."""

    value: Float64[Tensor, ""]
    gradient: Float64[Tensor, " 2"]


def sample(count: int, most: int = 2000, seed: int = 0) -> Int[np.ndarray, " n"]:
    """Positions of ``most`` of ``count`` queries, rising: as many as two parameters need."""
    drawn = np.random.default_rng(seed).choice(count, min(count, most), replace=False)
    return np.sort(drawn)


def calibrate(chunks: Sequence[Answered], kind: Kind) -> Calibration:
    """The calibration under which dev's answers are most likely, given their queries' scores in chunks.

    Softmax: of each answer against the candidates that are no other known answer. Sigmoid: of every candidate being an
    answer or not, known ones aside. Both losses are convex, so that the result is never worse than the scores as they
    are. A chunk needs some ten times its size in memory.

    Raises:
        MetricError: A score is NaN or inf, or an answer scores -inf.
    """
    parts = [_part(chunk) for chunk in chunks]
    if not sum(len(part.row) for part in parts):
        return Calibration(kind)
    inverse, bias = (_softmax_fit(parts), 0.0) if kind == "softmax" else _sigmoid_fit(parts)
    return Calibration(kind, min(max(1 / inverse, MIN_TEMPERATURE), MAX_TEMPERATURE), bias)


def reliability(chunks: Sequence[Answered], calibration: Calibration) -> dict[str, float]:
    """``nll``, the mean loss of an answer that :func:`calibrate` lowers, and ``ece`` of the best candidate.

    Raises:
        EmptyMetricError: No answer has a competitor.
        MetricError: A score is NaN or inf, or an answer scores -inf.
    """
    parts = [_part(chunk) for chunk in chunks]
    count = sum(len(part.row) for part in parts)
    if not count:
        raise EmptyMetricError("no answer has a competitor: there is nothing to calibrate")
    at = torch.tensor([1 / calibration.temperature, calibration.bias], dtype=torch.double)
    sure, right = zip(*(_best(part, calibration.kind, at) for part in parts), strict=True)
    nll = float(_total(parts, calibration.kind, at).value) / count
    return {"nll": nll, "ece": expected_calibration_error(torch.cat(sure), torch.cat(right))}


def expected_calibration_error(confidence: Float[Tensor, " n"], right: Float[Tensor, " n"], bins: int = BINS) -> float:
    """How far confidence is from the share of right answers, on average over bins of equal width.

    ``right`` is 1 or 0, or between where chance decides among equals: torchmetrics' function, which it else equals,
    takes 1 and 0 only.

    Raises:
        EmptyMetricError: There are no answers.
    """
    if not len(confidence):
        raise EmptyMetricError("there are no answers to say how sure the model was of them")
    bucket = (confidence.double() * bins).long().clamp(0, bins - 1)
    gaps = torch.zeros(bins, dtype=torch.double, device=confidence.device)
    gaps.index_add_(0, bucket, confidence.double() - right.double())
    return float(gaps.abs().sum()) / len(confidence)


def _part(chunk: Answered) -> _Part:
    """The terms of the loss.

    Raises:
        MetricError: A score is NaN or inf, or an answer scores -inf.
    """
    row, column = chunk.targets.T
    right = chunk.scores[row, column].double()
    if chunk.scores.isnan().any() or chunk.scores.isposinf().any() or right.isinf().any():
        raise MetricError("scores that are not finite cannot be calibrated: the model has diverged")
    free = ~chunk.scores.isneginf()
    for answers in (chunk.targets, chunk.known):
        free[tuple(answers.T)] = False
    kept = free.any(1)
    place = kept.cumsum(0) - 1
    answered = kept[row]
    return _Part(chunk.scores.where(free, 0)[kept], free[kept], right[answered], place[row[answered]])


def _total(parts: Sequence[_Part], kind: Kind, at: Float64[Tensor, " 2"]) -> _Point:
    curve = _softmax if kind == "softmax" else _sigmoid
    points = [curve(part, at.to(part.right.device)) for part in parts]
    return _Point(*(torch.stack(terms).sum(0).cpu() for terms in zip(*points, strict=True)))


def _softmax(part: _Part, at: Float64[Tensor, " 2"]) -> _Point:
    """An answer has the odds of its own weight against that of the free candidates of its query together."""
    logits = (at[0].float() * part.others).masked_fill(~part.free, -torch.inf)
    mass, weight = logits.logsumexp(1).double(), logits.softmax(1)
    gap = (weight * part.others).sum(1)[part.row] - part.right
    against = mass[part.row] - at[0] * part.right
    by_inverse = (against.sigmoid() * gap).sum()
    return _Point(F.softplus(against).sum(), torch.stack([by_inverse, torch.zeros_like(by_inverse)]))


def _sigmoid(part: _Part, at: Float64[Tensor, " 2"]) -> _Point:
    """Logistic regression of being an answer on the score."""
    scores = _candidates(part)
    answer = (torch.arange(len(scores), device=scores.device) < len(part.right)).float()
    logits = at[0].float() * scores + at[1].float()
    off = logits.sigmoid() - answer
    terms = F.binary_cross_entropy_with_logits(logits, answer, reduction="none")
    return _Point(_sum(terms), torch.stack([_sum(off * scores), _sum(off)]))


def _candidates(part: _Part) -> Float[Tensor, " n"]:
    """The scores of the answers, then those of the free candidates."""
    return torch.cat([part.right.float(), part.others[part.free]])


def _sum(terms: Float[Tensor, " n"]) -> Float64[Tensor, ""]:
    return terms.sum(dtype=torch.double)


def _best(part: _Part, kind: Kind, at: Float64[Tensor, " 2"]) -> tuple[Float64[Tensor, " K"], Float64[Tensor, " K"]]:
    """How sure the model is of the best candidate for each answer, and whether that is the answer; a tie is in part."""
    at = at.to(part.right.device)
    others = part.others.double().masked_fill(~part.free, -torch.inf)
    best = others.amax(1)
    equals = (others == best[:, None]).sum(1)[part.row]
    best = best[part.row]
    right = (part.right > best).double() + (part.right == best) / (1.0 + equals)
    top = at[0] * torch.maximum(part.right, best)
    if kind == "sigmoid":
        return (top + at[1]).sigmoid(), right
    mass = torch.logaddexp((at[0] * others).logsumexp(1)[part.row], at[0] * part.right)
    return (top - mass).exp(), right


def _softmax_fit(parts: Sequence[_Part]) -> float:
    """The inverse temperature at which the loss is lowest: where it rises no more on the way down to it from 1."""
    from scipy.optimize import brentq

    def slope(log: float) -> float:
        at = torch.tensor([math.exp(log), 0.0], dtype=torch.double)
        return float(_total(parts, "softmax", at).gradient[0])

    here = slope(0.0)
    bound = -math.log(MAX_TEMPERATURE if here > 0 else MIN_TEMPERATURE)
    if here == 0 or slope(bound) * here >= 0:
        return 1.0 if here == 0 else math.exp(bound)
    return math.exp(brentq(slope, 0.0, bound))


def _sigmoid_fit(parts: Sequence[_Part]) -> tuple[float, float]:
    """The inverse temperature and the bias at which the loss is lowest.

    The fit is of the logits' rise by a standard deviation of the scores and of the mean score's logit, which are of a
    size and say little of each other.
    """
    from scipy.optimize import minimize

    count, mean, deviation = _moments(parts)

    def plain(at: Float64[np.ndarray, " 2"]) -> tuple[float, float]:
        return float(at[0]) / deviation, float(at[1] - at[0] / deviation * mean)

    def loss(at: Float64[np.ndarray, " 2"]) -> tuple[float, list[float]]:
        value, gradient = _total(parts, "sigmoid", torch.tensor(plain(at), dtype=torch.double))
        by_inverse, by_bias = (gradient / count).tolist()
        return float(value) / count, [(by_inverse - mean * by_bias) / deviation, by_bias]

    bounds = [(deviation / MAX_TEMPERATURE, deviation / MIN_TEMPERATURE), (-MAX_LOGIT, MAX_LOGIT)]
    found = minimize(
        loss, np.array([deviation, mean]), jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": PRECISION}
    )
    return plain(found.x)


def _moments(parts: Sequence[_Part]) -> tuple[int, float, float]:
    """The number of candidates, and the mean and the standard deviation of their scores; 1 where all are equal."""
    scores = [_candidates(part).double() for part in parts]
    count = sum(map(len, scores))
    mean = sum(float(part.sum()) for part in scores) / count
    return count, mean, math.sqrt(sum(float(((part - mean) ** 2).sum()) for part in scores) / count) or 1.0
