"""Filtered ranks of the right answers among all entities, and what link prediction reports of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor
from torchmetrics import Metric

from mkgc.errors import ConfigError
from mkgc.metrics import EmptyMetricError, MetricError

TARGETS = ("head", "tail")
HITS = (1, 3, 5, 10)

Filter = tuple[Int[Tensor, " K"], Int[Tensor, " K"]]
"""Answers known to be true, as rows and columns of a matrix of scores."""

FILTERED = {
    "strict": {"train": ("train",), "dev": ("train", "dev"), "test": ("train", "dev", "test")},
    "paper": {"train": ("train",), "dev": ("train", "dev", "test"), "test": ("train", "dev", "test")},
}


def filter_splits(protocol: str, split: str) -> tuple[str, ...]:
    """The splits whose triples are known when one split is ranked.

    Under "strict", dev does not learn from test which answers to leave out; "paper" filters by all, as MKGformer's
    released code does.

    Raises:
        ConfigError: There is no such protocol or split.
    """
    for word, value, known in (("protocol", protocol, FILTERED), ("split", split, FILTERED["strict"])):
        if value not in known:
            raise ConfigError(f"{word}={value}: choose {', '.join(known)}")
    return FILTERED[protocol][split]


@dataclass(frozen=True)
class Ranks:
    """Ranks from 1: ``optimistic`` puts the target before its ties, ``pessimistic`` behind them.

    ``candidates`` counts what was ranked after filtering, the target included. Ranks mean nothing where a score is NaN,
    as ``broken`` says.
    """

    optimistic: Int[Tensor, " B"]
    pessimistic: Int[Tensor, " B"]
    candidates: Int[Tensor, " B"]
    broken: Bool[Tensor, " B"]

    @property
    def realistic(self) -> Float64[Tensor, " B"]:
        """The mean of both: the expected rank if ties are broken by chance."""
        return (self.optimistic + self.pessimistic).double() / 2


def ranks(
    scores: Float[Tensor, "B N"],
    targets: Int[Tensor, " B"],
    known: Filter | None = None,
    excluded: Int[Tensor, " X"] | None = None,
) -> Ranks:
    """The rank of each row's target among the row's scores, the highest being best.

    ``known`` are the answers known to be true, as rows and columns of ``scores``: all but the target leave
    the ranking. Pairs may repeat, and may hold the target or not. Columns that are ``excluded`` are no candidates, but
    for the target.
    """
    return ranks_by_chunks(lambda _: scores, [slice(0, scores.shape[1])], targets, known, excluded)


def ranks_by_chunks(
    score: Callable[[slice], Float[Tensor, "B n"]],
    chunks: Sequence[slice],
    targets: Int[Tensor, " B"],
    known: Filter | None = None,
    excluded: Int[Tensor, " X"] | None = None,
) -> Ranks:
    """The same where not all scores fit into memory: ``score`` gives those of the entities of one chunk.

    It is called once for a single chunk, and twice for each of several: for the targets' scores first.
    """
    only = score(chunks[0]) if len(chunks) == 1 else None
    target = _target_scores(score, chunks, targets) if only is None else only.gather(1, targets[:, None])
    counts = torch.zeros(3, len(targets), dtype=torch.long, device=targets.device)
    broken = torch.zeros_like(targets, dtype=torch.bool)
    for chunk in chunks:
        scores = score(chunk) if only is None else only
        broken = broken | scores.amax(1).isnan()  # a maximum with a NaN among its numbers is NaN
        scores = _filtered(scores, chunk, targets, target, known, excluded)
        better, tied = scores > target, scores == target
        # In 32 bits: count_nonzero takes five times as long.
        counts += torch.stack([found.sum(1, dtype=torch.int32) for found in (better, tied, scores == scores)])
    return Ranks(counts[0] + 1, counts[0] + counts[1], counts[2], broken)


def _target_scores(
    score: Callable[[slice], Float[Tensor, "B n"]], chunks: Sequence[slice], targets: Int[Tensor, " B"]
) -> Float[Tensor, "B 1"]:
    found: Tensor | None = None
    for chunk in chunks:
        scores = score(chunk)
        column, inside = _columns(targets[:, None], chunk)
        own = scores.gather(1, column.clamp(max=scores.shape[1] - 1))
        found = torch.where(inside, own, 0 if found is None else found)
    assert found is not None
    return found


def _columns(entities: Int[Tensor, "*K"], chunk: slice) -> tuple[Int[Tensor, "*K"], Bool[Tensor, "*K"]]:
    """The columns of entities in a chunk's scores, and which they have; the others go to one beyond the last."""
    inside = (entities >= chunk.start) & (entities < chunk.stop)
    return torch.where(inside, entities, chunk.stop) - chunk.start, inside


def _filtered(
    scores: Float[Tensor, "B n"],
    chunk: slice,
    targets: Int[Tensor, " B"],
    target: Float[Tensor, "B 1"],
    known: Filter | None,
    excluded: Int[Tensor, " X"] | None,
) -> Float[Tensor, "B m"]:
    """The scores of a chunk, NaN where an entity is no candidate: neither above nor equal to anything, it never counts.

    A further column takes what belongs to other chunks, so that no shape depends on what is filtered.
    """
    scores = F.pad(scores, (0, 1), value=torch.nan)
    never = scores.new_full((), torch.nan)  # assigned as a number, it would be copied from the host, which waits
    if known is not None:
        scores[known[0], _columns(known[1], chunk)[0]] = never
    if excluded is not None:
        scores[:, _columns(excluded, chunk)[0]] = never
    column, inside = _columns(targets[:, None], chunk)
    return scores.scatter_(1, column, torch.where(inside, target, never))


class RankingMetrics(Metric):
    """Mean rank, mean reciprocal rank, hits@k and the adjusted mean rank index, of realistic ranks.

    Reported of all queries (``mrr``) and of each side that was asked for (``head/mrr``: of predicted heads); where the
    ranks under type constraints are given, too, also of these (``typed/mrr``).

    Source: Berrendorf et al. (2020), "On the Ambiguity of Rank-Based Evaluation of Entity Alignment or Link
    Prediction Methods": AMRI = 1 - (MR - 1) / (E[MR] - 1), with the E[MR] of random scores; 0 is chance.
    """

    full_state_update = False
    totals: Tensor  # per side: queries, ranks, reciprocal ranks, other candidates, hits at each k
    typed: Tensor  # the same, of ranks under type constraints
    broken: Tensor  # queries with NaN scores

    def __init__(self) -> None:
        super().__init__()
        # Sums in double: ranks are halves, so that their order and the number of devices change nothing.
        for name in ("totals", "typed"):
            self.add_state(name, torch.zeros(len(TARGETS), 4 + len(HITS), dtype=torch.double), "sum")
        self.add_state("broken", torch.tensor(0), "sum")

    def update(self, ranks: Ranks, tail: Bool[Tensor, " B"], typed: Ranks | None = None) -> None:
        """Adds the ranks of queries, and those under type constraints; ``tail`` says which ask for tails."""
        self.totals = self._added(self.totals, ranks, tail)
        if typed is not None:
            self.typed = self._added(self.typed, typed, tail)
        self.broken = self.broken + ranks.broken.sum()

    def _added(self, totals: Tensor, ranks: Ranks, tail: Bool[Tensor, " B"]) -> Tensor:
        columns = columns_of(ranks.realistic, ranks.candidates).to(totals.dtype)
        return totals.index_add(0, tail.long(), columns)

    def compute(self) -> dict[str, float]:
        """The measures by name; ``count`` is how many queries they are of.

        ``amri`` is left out where no target had a competitor: there is no chance level to compare with.

        Raises:
            EmptyMetricError: Nothing was ranked.
            MetricError: A score is NaN, which has no rank.
        """
        if self.broken:
            raise MetricError(
                f"{int(self.broken)} of {int(self.totals[:, 0].sum())} queries have NaN scores, which have no rank: "
                "the model has diverged; lower optim.lr or train with precision 32"
            )
        if not self.totals[:, 0].any():
            raise EmptyMetricError("nothing was ranked: the split has no triples to predict")
        out = _by_side(self.totals)
        if self.typed[:, 0].any():
            out |= {f"typed/{name}": value for name, value in _by_side(self.typed).items()}
        return out


def _by_side(totals: Float[Tensor, "2 C"]) -> dict[str, float]:
    out = ranking_metrics(totals.sum(0).tolist())
    sides = {side: row for side, row in zip(TARGETS, totals, strict=True) if row[0]}
    for side, row in sides.items():
        out |= {f"{side}/{name}": value for name, value in ranking_metrics(row.tolist()).items()}
    return out


def columns_of(rank: Float64[Tensor, " B"], candidates: Int[Tensor, " B"]) -> Float64[Tensor, "B C"]:
    """The terms of the metrics, by query; their totals over queries go to :func:`ranking_metrics`."""
    hits = [(rank <= k).double() for k in HITS]
    return torch.stack([torch.ones_like(rank), rank, 1 / rank, candidates.double() - 1, *hits], dim=1)


def ranking_metrics(totals: Sequence[float]) -> dict[str, float]:
    """The measures by name, from at least one query."""
    count, rank, reciprocal, others, *hits = totals
    out = {"mr": rank / count, "mrr": reciprocal / count}
    out |= {f"hits@{k}": hit / count for k, hit in zip(HITS, hits, strict=True)}
    if others:
        out["amri"] = 1 - 2 * (rank - count) / others
    return out | {"count": int(count)}
