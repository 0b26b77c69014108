"""Which examples make a batch: the same for one seed, whatever the number of workers or of devices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from jaxtyping import Int
from torch.utils.data import Sampler

POOL = 50
"""Batches whose examples are sorted by length together: enough to waste little padding, few enough to stay random."""


class LengthBatches(Sampler[list[int]]):
    """Batches of examples of like length; shuffled anew each epoch when there is a seed, else in order.

    In training, several processes share each batch of one process that takes as many examples at a time as all of
    them together: what is learned does not depend on how many they are. (A last batch with fewer examples than there
    are processes goes to all of them whole, so that its mean is the same.) In evaluation each takes every n-th batch,
    nothing is repeated and nothing left out; batches are smaller where there would be fewer than processes. A process
    that is left without any example is ``spare``: it gets the first one, not to be scored, and so keeps step.
    """

    def __init__(
        self,
        lengths: Sequence[int] | Int[np.ndarray, " n"],
        size: int,
        seed: int | None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.lengths, self.seed, self.rank, self.world = np.asarray(lengths), seed, rank, world
        self.size = min(size, max(len(self.lengths) // world, 1)) if seed is None else size * world
        self.spare = seed is None and rank >= len(self.lengths)
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    def _batches(self) -> Iterator[Int[np.ndarray, " b"]]:
        """All batches of an epoch; the numbers lie in one array, however many there are."""
        count, size = len(self.lengths), self.size
        starts = np.arange(0, count, size)
        if self.seed is None:
            order = np.arange(count)
            return (order[start : start + size] for start in starts)
        random = np.random.default_rng((self.seed, self.epoch))
        order = random.permutation(count)
        for first in range(0, count, POOL * size):
            pool = order[first : first + POOL * size]
            pool[:] = pool[np.argsort(self.lengths[pool], kind="stable")]
        return (order[start : start + size] for start in random.permutation(starts))

    def __iter__(self) -> Iterator[list[int]]:
        if self.spare:
            return iter([[0]])
        if self.seed is None:
            return (batch.tolist() for batch in islice(self._batches(), self.rank, None, self.world))
        return (self._share(batch).tolist() for batch in self._batches())

    def _share(self, batch: Int[np.ndarray, " b"]) -> Int[np.ndarray, " c"]:
        return batch if len(batch) < self.world else batch[self.rank :: self.world]

    def __len__(self) -> int:
        count = -(-len(self.lengths) // self.size)
        return count if self.seed is not None or self.spare else len(range(self.rank, count, self.world))


def is_spare(loader: Any) -> bool:
    """Whether what this process is given of a split is another's, so that it must not be scored."""
    return isinstance(loader.batch_sampler, LengthBatches) and loader.batch_sampler.spare
