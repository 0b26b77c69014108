"""Which examples make a batch: the same for one seed, whatever the number of workers or of devices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Literal

import numpy as np
from jaxtyping import Int
from torch.utils.data import Sampler

from mkgc.errors import ConfigError

POOL = 50
"""Batches whose examples are sorted by length together: enough to waste little padding, few enough to stay random."""

LastBatch = Literal["drop", "pad"]
"""What becomes of the examples that an epoch has left over, where all batches are of one size."""


class LengthBatches(Sampler[list[int]]):
    """Batches of examples of like length; shuffled anew each epoch when there is a seed, else in order.

    In training, several processes share each batch of one process that takes as many examples at a time as all of
    them together: what is learned does not depend on how many they are. (A last batch with fewer examples than there
    are processes goes to all of them whole, so that its mean is the same.) In evaluation each takes every n-th batch,
    nothing is repeated and nothing left out; batches are smaller where there would be fewer than processes. A process
    that is left without any example is ``spare``: it gets the first one, not to be scored, and so keeps step.

    With ``last``, all batches of training are of one size, in all processes, and drawn without regard to length: for
    losses that compare the examples of a batch with each other. What an epoch has left over for its last batch is
    then left out (``drop``; it is other examples each epoch), or filled up with the first examples of the epoch
    (``pad``). Where there are fewer examples than one batch has, a batch is all of them, as far as processes can share
    them evenly.

    With ``redrawn``, examples are numbered on from epoch to epoch (:func:`epoch_of`), for features that draw something
    anew each time. Of its first epoch it passes over the batches that :meth:`go_on` was told of.
    """

    def __init__(
        self,
        lengths: Sequence[int] | Int[np.ndarray, " n"],
        size: int,
        seed: int | None,
        rank: int = 0,
        world: int = 1,
        redrawn: bool = False,
        last: LastBatch | None = None,
    ) -> None:
        self.lengths, self.seed, self.rank, self.world = np.asarray(lengths), seed, rank, world
        self.redrawn, self.made = redrawn, 0
        self.last = None if seed is None else last
        self.size = min(size, max(len(self.lengths) // world, 1)) if seed is None else size * world
        if self.last is not None:
            self.size = min(self.size, _evenly(len(self.lengths), world, self.last))
        self.spare = seed is None and rank >= len(self.lengths)
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    def go_on(self, epoch: int, made: int) -> None:
        """Begins behind so many batches of an epoch, as a run does that was interrupted there."""
        self.epoch, self.made = epoch, made

    @property
    def sampler(self) -> LengthBatches:
        """Itself: Lightning tells the epoch to a batch sampler's sampler alone."""
        return self

    def _batches(self) -> Iterator[Int[np.ndarray, " b"]]:
        """All batches of an epoch; the numbers lie in one array, however many there are."""
        count, size = len(self.lengths), self.size
        starts = np.arange(0, count, size)
        if self.seed is None:
            order = np.arange(count)
            return (order[start : start + size] for start in starts)
        random = np.random.default_rng((self.seed, self.epoch))
        order = random.permutation(count)
        if self.last is not None:
            order = np.resize(order, len(self) * size)
            return iter(order.reshape(-1, size))
        for first in range(0, count, POOL * size):
            pool = order[first : first + POOL * size]
            pool[:] = pool[np.argsort(self.lengths[pool], kind="stable")]
        return (order[start : start + size] for start in random.permutation(starts))

    def __iter__(self) -> Iterator[list[int]]:
        if self.spare:
            return iter([[0]])
        if self.seed is None:
            return (batch.tolist() for batch in islice(self._batches(), self.rank, None, self.world))
        return self._shares()

    def _shares(self) -> Iterator[list[int]]:
        """The batches of an epoch of training.

        What was made counts for the first one that is begun, not just asked for: a loader with workers asks twice.
        """
        first = self.epoch * len(self.lengths) if self.redrawn else 0
        made, self.made = self.made, 0
        for batch in islice(self._batches(), made, None):
            yield (first + self._share(batch)).tolist()

    def _share(self, batch: Int[np.ndarray, " b"]) -> Int[np.ndarray, " c"]:
        return batch if len(batch) < self.world else batch[self.rank :: self.world]

    def __len__(self) -> int:
        if self.last == "drop":
            return len(self.lengths) // self.size
        count = -(-len(self.lengths) // self.size)
        return count if self.seed is not None or self.spare else len(range(self.rank, count, self.world))


def _evenly(count: int, world: int, last: LastBatch) -> int:
    """The size of a batch of all examples that so many processes share evenly.

    Raises:
        ConfigError: There are fewer examples than processes, and none may be repeated.
    """
    if last == "drop" and count < world:
        raise ConfigError(
            f"{count:,} training examples are none for some of {world} processes: train in fewer (trainer.devices), "
            "or let the last batch be filled up (task.model.last_batch=pad)"
        )
    return (count if last == "drop" else count + world - 1) // world * world


def epoch_of(row: int, count: int) -> tuple[int, int]:
    """The epoch of an example that is numbered on from epoch to epoch, and its place among so many.

    >>> epoch_of(13, 10)
    (1, 3)
    """
    return divmod(row, count)


def is_spare(loader: Any) -> bool:
    """Whether what this process is given of a split is another's, so that it must not be scored."""
    return isinstance(loader.batch_sampler, LengthBatches) and loader.batch_sampler.spare
