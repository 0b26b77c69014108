"""Filtered ranks of the right answers among all entities, and what link prediction reports of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor
from torchmetrics import Metric

from mkgc.metrics import EmptyMetricError, MetricError

SIDES = ("head", "tail")
HITS = (1, 3, 5, 10)


@dataclass(frozen=True)
class Ranks:
    """Ranks from 1: ``optimistic`` puts the target before its ties, ``pessimistic`` behind them.

    ``candidates`` counts what was ranked after filtering, the target included.
    """

    optimistic: Int[Tensor, " B"]
    pessimistic: Int[Tensor, " B"]
    candidates: Int[Tensor, " B"]

    @property
    def realistic(self) -> Float64[Tensor, " B"]:
        """The mean of both: the expected rank if ties are broken by chance."""
        return (self.optimistic + self.pessimistic).double() / 2


def ranks(
    scores: Float[Tensor, "B N"],
    targets: Int[Tensor, " B"],
    known: tuple[Int[Tensor, " K"], Int[Tensor, " K"]] | None = None,
) -> Ranks:
    """The rank of each row's target among the row's scores, the highest being best.

    ``known`` are the answers known to be true, as rows and columns of ``scores``: all but the target leave
    the ranking. Pairs may repeat, and may hold the target or not.

    Raises:
        MetricError: A score is NaN, which has no rank.
    """
    # A sum with a NaN in it is NaN and is far cheaper than the test, which inf - inf still calls for.
    if scores.sum().isnan() and (broken := scores.isnan().any(1)).any():
        rows = broken.nonzero()[:, 0].tolist()
        raise MetricError(
            f"{len(rows)} of {len(scores)} queries have NaN scores (first: row {rows[0]} of the batch), "
            "which have no rank: the model has diverged; lower optim.lr or train with precision 32"
        )
    asked = torch.arange(len(targets), device=scores.device), targets
    target = scores[asked][:, None]
    if known is not None:
        # NaN is neither above nor equal to anything, so that what is filtered drops out of every count.
        scores = scores.clone()
        scores[known] = torch.nan
        scores[asked] = target[:, 0]
    better = torch.count_nonzero(scores > target, dim=1)
    tied = torch.count_nonzero(scores == target, dim=1)
    return Ranks(better + 1, better + tied, torch.count_nonzero(scores == scores, dim=1))


class RankingMetrics(Metric):
    """Mean rank, mean reciprocal rank, hits@k and the adjusted mean rank index, of realistic ranks.

    Reported of all queries (``mrr``) and of each side that was asked for (``head/mrr``: of predicted heads).

    Source: Berrendorf et al. (2020), "On the Ambiguity of Rank-Based Evaluation of Entity Alignment or Link
    Prediction Methods": AMRI = 1 - (MR - 1) / (E[MR] - 1), with the E[MR] of random scores; 0 is chance.
    """

    full_state_update = False
    totals: Tensor  # per side: queries, ranks, reciprocal ranks, other candidates, hits at each k

    def __init__(self) -> None:
        super().__init__()
        # Sums in double: ranks are halves, so that their order and the number of devices change nothing.
        self.add_state("totals", torch.zeros(len(SIDES), 4 + len(HITS), dtype=torch.double), "sum")

    def update(self, ranks: Ranks, side: Literal["head", "tail"]) -> None:
        """Adds the ranks of queries for one side."""
        rank = ranks.realistic
        hits = [(rank <= k).double() for k in HITS]
        columns = [torch.ones_like(rank), rank, 1 / rank, ranks.candidates.double() - 1, *hits]
        self.totals[SIDES.index(side)] += torch.stack(columns).sum(1)

    def compute(self) -> dict[str, float]:
        """The measures by name; ``count`` is how many queries they are of.

        ``amri`` is left out where no target had a competitor: there is no chance level to compare with.

        Raises:
            EmptyMetricError: Nothing was ranked.
        """
        if not self.totals[:, 0].any():
            raise EmptyMetricError("nothing was ranked: the split has no triples to predict")
        sides = {side: row for side, row in zip(SIDES, self.totals, strict=True) if row[0]}
        out = _measures(self.totals.sum(0))
        for side, row in sides.items():
            out |= {f"{side}/{name}": value for name, value in _measures(row).items()}
        return out


def _measures(totals: Float64[Tensor, " C"]) -> dict[str, float]:
    count, rank, reciprocal, others, *hits = totals.tolist()
    out = {"mr": rank / count, "mrr": reciprocal / count}
    out |= {f"hits@{k}": hit / count for k, hit in zip(HITS, hits, strict=True)}
    if others:
        out["amri"] = 1 - 2 * (rank - count) / others
    return out | {"count": int(count)}
