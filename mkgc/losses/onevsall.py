"""1vsAll: each answer against all entities."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor


def one_vs_all(
    scores: Float[Tensor, "B N"],
    answers: tuple[Int[Tensor, " P"], Int[Tensor, " P"]],
    smoothing: float = 0.0,
) -> Float[Tensor, " P"]:
    """The cross-entropy of the softmax over all entities, for each answer; these are given as rows and columns.

    ``smoothing`` spreads that share of 1 over all entities. The loss of an answer is log-sum-exp(s) - s, of which the
    first part is its query's: a query's scores are not copied for each of its answers.

    Source: Lacroix et al. (2018), "Canonical Tensor Decomposition for Knowledge Base Completion".
    """
    rows, _ = answers
    loss = scores.logsumexp(1)[rows] - (1 - smoothing) * scores[answers]
    if smoothing:
        loss = loss - smoothing * scores.mean(1)[rows]
    return loss
