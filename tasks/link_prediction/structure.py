"""Link prediction from the graph's structure alone: entities and relations are vectors, and nothing is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mkgc.errors import ConfigError
from mkgc.kge.negatives import SIDES
from mkgc.kge.scorer import Scorer, Side
from mkgc.losses.adversarial import self_adversarial
from mkgc.losses.kvsall import binary_kvsall
from mkgc.losses.n3 import n3
from mkgc.losses.onevsall import one_vs_all
from mkgc.task import Optim
from tasks.link_prediction.data import TripleBatch, TripleCodec
from tasks.link_prediction.ranked import Ranked


@dataclass(frozen=True)
class Structure:
    """How a structure model learns.

    ``objective`` is "kvsall" (each entity is an answer to a query or not), "onevsall" (each answer against all
    entities) or "negatives" (each answer against so many drawn at random, by self-adversarial negative sampling with
    ``margin`` and ``temperature``). ``smoothing`` is that of the first two's labels, ``n3`` the weight of the
    nuclear 3-norm.
    """

    objective: Literal["kvsall", "onevsall", "negatives"] = "onevsall"
    negatives: int = 64
    margin: float = 9.0
    temperature: float = 1.0
    smoothing: float = 0.0
    n3: float = 0.0

    def __post_init__(self) -> None:
        if self.objective not in ("kvsall", "onevsall", "negatives"):
            raise ConfigError(f"task.model.structure.objective={self.objective}: choose kvsall, onevsall or negatives")
        if self.negatives < 1:
            raise ConfigError(f"task.model.structure.negatives={self.negatives} must be at least 1")
        if not 0 <= self.smoothing < 1:
            raise ConfigError(f"task.model.structure.smoothing={self.smoothing}: 0 <= smoothing < 1")
        if self.n3 < 0:
            raise ConfigError(f"task.model.structure.n3={self.n3} must not be negative")


class StructureModel(nn.Module):
    """A scorer in the place of a backbone: it looks at no picture, and its configuration builds it again."""

    keeps_pictures = False

    def __init__(self, scorer: Scorer) -> None:
        super().__init__()
        self.scorer = scorer

    def recipes(self) -> dict[str, Any]:
        """Nothing but the configuration is needed."""
        return {}


class StructurePrediction(Ranked):
    """Scores of entities by :mod:`mkgc.kge`, learned from the triples."""

    def __init__(
        self,
        backbone: Callable[..., Scorer],
        codec: TripleCodec,
        optim: Optim,
        structure: Structure,
        top_k: int = 10,
    ) -> None:
        scorer = backbone(entities=len(codec.entities), relations=len(codec.relations))
        super().__init__(StructureModel(scorer), codec, optim, top_k)
        self.scorer, self.structure = scorer, structure
        self.build_metrics()

    def scores(self, batch: TripleBatch) -> Float[Tensor, "B N"]:
        out = self.scorer.entities.weight.new_empty(len(batch.shown), len(self.codec.entities))
        for side, rows in _by_side(batch):
            out[rows] = self.scorer.score_all(batch.shown[rows], batch.relation[rows], side)
        return out

    def probabilities(self, scores: Float[Tensor, "B N"]) -> Float[Tensor, "B N"]:
        """As the objective has them: of each on its own (kvsall, negatives) or among all."""
        if self.structure.objective == "onevsall":
            return scores.softmax(-1)
        return (scores + self.structure.margin if self.structure.objective == "negatives" else scores).sigmoid()

    def loss(self, batch: TripleBatch) -> Tensor:
        parts = [self._loss(batch, side, rows) * len(rows) for side, rows in _by_side(batch)]
        return torch.stack(parts).sum() / len(batch.shown)

    def _loss(self, batch: TripleBatch, side: Side, rows: Tensor) -> Tensor:
        """The loss of the queries for one side."""
        place = torch.full_like(batch.shown, -1)
        place[rows] = torch.arange(len(rows), device=rows.device)
        asked = place[batch.targets[:, 0]]
        query, answer = asked[asked >= 0], batch.targets[asked >= 0, 1]
        known, relation = batch.shown[rows], batch.relation[rows]
        how = self.structure
        if how.objective == "negatives":
            loss = self._sampled(known[query], relation[query], side, answer)
        else:
            scores = self.scorer.score_all(known, relation, side)
            if how.objective == "kvsall":
                loss = binary_kvsall(scores, (query, answer), how.smoothing)
            else:
                loss = one_vs_all(scores[query], answer, how.smoothing)
        return loss + how.n3 * self._norm(known[query], relation[query], side, answer) if how.n3 else loss

    def _sampled(self, known: Tensor, relation: Tensor, side: Side, answer: Tensor) -> Tensor:
        drawn = torch.randint(len(self.codec.entities), (len(answer), self.structure.negatives), device=answer.device)
        scores = self.scorer.score_some(known, relation, side, torch.cat([answer[:, None], drawn], 1))
        return self_adversarial(scores[:, 0], scores[:, 1:], self.structure.margin, self.structure.temperature)

    def _norm(self, known: Tensor, relation: Tensor, side: Side, answer: Tensor) -> Tensor:
        head, tail = (known, answer) if side == "tail" else (answer, known)
        return n3(self.scorer.factors(head, relation, tail))

    def on_train_batch_end(self, *_: Any) -> None:
        self.scorer.constrain()


def _by_side(batch: TripleBatch) -> list[tuple[Side, Tensor]]:
    """The rows of a batch that ask for each side, where there are any."""
    rows = [(side, batch.asks(side).nonzero()[:, 0]) for side in SIDES]
    return [(side, which) for side, which in rows if len(which)]
