"""Wrong answers to train against: corrupted triples, and how much a triple counts."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mkgc.errors import DataError
from mkgc.kge.model import Target

TARGETS: tuple[Target, ...] = ("head", "tail")
DRAWS = 1 << 62  # so many that what remains after division by the number of entities is uniform


class NegativeSampler(nn.Module):
    """Draws entities that replace the head or the tail of triples, uniformly and with repetition.

    With ``known`` triples, a query's negatives are uniform over the entities that make no known triple; nothing is
    drawn twice for it. Else they are uniform over all entities. The known triples move with the module.

    Raises:
        DataError: A query is known to be true of all entities, or there are too many entities and relations to number
            all possible triples.
    """

    gaps: Int[Tensor, " n"]

    def __init__(self, entities: int, relations: int, count: int, known: Int[Tensor, "_ 3"] | None = None) -> None:
        super().__init__()
        self.entities, self.relations, self.count = entities, relations, count
        self.filtered = known is not None
        if known is not None:
            if 2 * entities * entities * relations >= 1 << 63:
                raise DataError(f"{entities} entities and {relations} relations are too many to filter negatives for")
            self.register_buffer("gaps", self._gaps(known), persistent=False)

    def forward(
        self, triples: Int[Tensor, "B 3"], tail: Bool[Tensor, " B"], generator: torch.Generator | None = None
    ) -> Int[Tensor, "B K"]:
        """Entities to take the place of each triple's tail or head; the generator lives on the triples' device."""
        seeded: dict[str, Any] = {} if generator is None else {"generator": generator}
        shape, count = (len(triples), self.count), DRAWS if self.filtered else self.entities
        draws = torch.randint(count, shape, device=triples.device, **seeded)
        draws = draws[tail.int().argsort(stable=True).argsort()]  # those for heads come first
        if not self.filtered:
            return draws
        first = self._queries(triples, tail)[:, None] * self.entities
        start, end = torch.searchsorted(self.gaps, first), torch.searchsorted(self.gaps, first + self.entities)
        draws = draws % (self.entities - (end - start))
        return draws + torch.searchsorted(self.gaps, first + draws, right=True) - start

    def _queries(self, triples: Int[Tensor, "n 3"], tail: Bool[Tensor, " n"]) -> Int[Tensor, " n"]:
        """A number for each query: those for tails first, then those for heads."""
        anchor = torch.where(tail, triples[:, 0], self.entities + triples[:, 2])
        return anchor * self.relations + triples[:, 1]

    def _gaps(self, known: Int[Tensor, "_ 3"]) -> Int[Tensor, " n"]:
        """For each answer, the query's number times N plus how many wrong entities are below it, in order.

        Hence the u-th wrong entity of a query is u plus the number of its answers with at most u wrong ones below.
        """
        keys = torch.cat(
            [
                self._queries(known, torch.full_like(known[:, 0], side, dtype=torch.bool)) * self.entities
                + known[:, column]
                for side, column in ((True, 2), (False, 0))
            ]
        ).unique()
        queries, groups, sizes = keys.div(self.entities, rounding_mode="floor").unique_consecutive(
            return_inverse=True, return_counts=True
        )
        if (full := queries[sizes == self.entities]).numel():
            other, target = TARGETS if full[0] < self.entities * self.relations else TARGETS[::-1]
            raise DataError(
                f"a {other} and relation are known with all {self.entities} entities as their {target}: no negative is "
                "left to draw; train without filtering negatives"
            )
        starts = sizes.cumsum(0) - sizes
        return keys - (torch.arange(len(keys), device=keys.device) - starts[groups])


class Subsampling(nn.Module):
    """How much each triple counts: less, the more triples share its head and relation or its relation and tail.

    The weight is 1/√(n + m + 6), n and m being these numbers, the triple itself counted. The counts are those of
    ``triples`` and move with the module.

    Source: the released code of Sun et al. (2019), after word2vec's subsampling; both of its counts start at 4.
    """

    def __init__(self, triples: Int[Tensor, "n 3"], relations: int) -> None:
        super().__init__()
        self.relations = relations
        for column, target in ((0, "tail"), (2, "head")):
            keys, counts = (triples[:, column] * relations + triples[:, 1]).unique(return_counts=True)
            self.register_buffer(f"{target}_keys", keys, persistent=False)
            self.register_buffer(f"{target}_counts", counts, persistent=False)

    def forward(self, triples: Int[Tensor, "B 3"]) -> Float[Tensor, " B"]:
        """The weights of triples that were counted."""
        return (self._count(triples, 0, "tail") + self._count(triples, 2, "head") + 6).float().rsqrt()

    def _count(self, triples: Int[Tensor, "B 3"], column: int, target: Target) -> Int[Tensor, " B"]:
        places = torch.searchsorted(
            getattr(self, f"{target}_keys"), triples[:, column] * self.relations + triples[:, 1]
        )
        return getattr(self, f"{target}_counts")[places]
