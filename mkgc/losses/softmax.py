"""The softmax over all entities against all answers of a query at once."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor


def softmax_kvsall(
    scores: Float[Tensor, "B N"],
    answers: tuple[Int[Tensor, " P"], Int[Tensor, " P"]],
    smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """The mean cross-entropy between the softmax of the scores and a probability spread evenly over the answers.

    Answers are rows and columns, each once; every query has at least one. With ``smoothing`` e, probabilities y become
    (1 - e) y + e / N. As they sum to 1, the loss is log-sum-exp(s) - y s: there is no B x N matrix of labels.

    Source: Ruffinelli et al. (2020), "You CAN Teach an Old Dog New Tricks!", KvsAll with cross-entropy.
    """
    rows, columns = answers
    counts = scores.new_zeros(len(scores)).index_add(0, rows, scores.new_ones(len(rows)))
    right = (scores[rows, columns] / counts[rows]).sum()
    loss = scores.logsumexp(1).sum() - (1 - smoothing) * right
    if smoothing:
        loss = loss - smoothing * scores.mean(1).sum()
    return loss / len(scores)
