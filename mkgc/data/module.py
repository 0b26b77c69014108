"""Items in, batches out: the same order for one seed, whatever the number of workers or of devices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytorch_lightning as pl
from torch.utils.data import DataLoader, Sampler

from mkgc.batch import Part
from mkgc.data.corpus import Corpus

POOL = 50
"""Batches whose examples are sorted by length together: enough to waste little padding, few enough to stay random."""


class LengthBatches(Sampler[list[int]]):
    """Batches of examples of like length; shuffled anew each epoch when there is a seed, else in order.

    Under several processes each takes every n-th batch. In training all get equally many (the last ones may see a
    batch twice); in evaluation nothing is repeated and nothing left out.
    """

    def __init__(self, lengths: Sequence[int], size: int, seed: int | None, rank: int = 0, world: int = 1) -> None:
        self.lengths, self.size, self.seed, self.rank, self.world = np.asarray(lengths), size, seed, rank, world
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    def _batches(self) -> list[list[int]]:
        if self.seed is None:
            order = np.arange(len(self.lengths))
            return [order[i : i + self.size].tolist() for i in range(0, len(order), self.size)]
        random = np.random.default_rng((self.seed, self.epoch))
        order = random.permutation(len(self.lengths))
        pools = [order[i : i + POOL * self.size] for i in range(0, len(order), POOL * self.size)]
        by_length = np.concatenate([pool[np.argsort(self.lengths[pool], kind="stable")] for pool in pools])
        batches = [by_length[i : i + self.size].tolist() for i in range(0, len(order), self.size)]
        return [batches[i] for i in random.permutation(len(batches))]

    def __iter__(self) -> Iterator[list[int]]:
        batches = self._batches()
        if self.seed is not None:
            batches += batches[: -len(batches) % self.world]
        return iter(batches[self.rank :: self.world])

    def __len__(self) -> int:
        count = -(-len(self.lengths) // self.size)
        if self.seed is not None:
            return -(-count // self.world)
        return len(range(self.rank, count, self.world))


class DataModule(pl.LightningDataModule):
    """Loaders over the items of each split."""

    def __init__(self, corpus: Corpus, batch_size: int, seed: int, workers: int = 0) -> None:
        super().__init__()
        self.items, self.batch_size, self.seed, self.workers = corpus.items, batch_size, seed, workers
        self.collate: Callable[[Sequence[Any]], Part] = partial(corpus.codec.collate, store=corpus.store)

    def _loader(self, split: str, seed: int | None) -> DataLoader[Any]:
        items = self.items[split]
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        batches = LengthBatches([len(item.ids) for item in items], self.batch_size, seed, rank, world)
        return DataLoader(
            items,  # type: ignore[arg-type]  # any sequence is a map-style data set
            batch_sampler=batches,
            collate_fn=self.collate,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
        )

    def train_dataloader(self) -> DataLoader[Any]:
        return self._loader("train", self.seed)

    def val_dataloader(self) -> DataLoader[Any]:
        return self._loader("dev", None)

    def test_dataloader(self) -> DataLoader[Any]:
        return self._loader("test", None)
