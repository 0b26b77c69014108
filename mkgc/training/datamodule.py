"""Features in, batches out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytorch_lightning as pl
from jaxtyping import Int
from torch.utils.data import DataLoader

from mkgc.batch import Part
from mkgc.data.dataset import Dataset
from mkgc.data.processor import share_texts
from mkgc.training.samplers import LastBatch, LengthBatches


class DataModule(pl.LightningDataModule):
    """Loaders over the features of each split; at ``place`` a run goes on (:func:`mkgc.training.kept.place_of`).

    With a ``last_batch``, all batches of training are of one size (:class:`mkgc.training.samplers.LengthBatches`).
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        seed: int,
        workers: int = 0,
        place: tuple[int, int] = (0, 0),
        last_batch: LastBatch | None = None,
    ) -> None:
        super().__init__()
        self.place, self.last_batch = place, last_batch
        self.features, self.batch_size, self.seed, self.workers = dataset.features, batch_size, seed, workers
        self.collate: Callable[[Any], Part] = partial(_batch, dataset)

    def _batches(self, split: str, seed: int | None) -> LengthBatches:
        features = self.features[split]
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        redrawn = seed is not None and getattr(features, "redrawn", False)
        return LengthBatches(_lengths(features), self.batch_size, seed, rank, world, redrawn, self.last_batch)

    def _loader(self, split: str, batches: LengthBatches) -> DataLoader[Any]:
        return DataLoader(
            self.features[split],  # type: ignore[arg-type]  # any sequence is a map-style data set
            batch_sampler=batches,
            collate_fn=self.collate,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
        )

    def train_dataloader(self) -> DataLoader[Any]:
        batches = self._batches("train", self.seed)
        batches.go_on(*self.place)
        return self._loader("train", batches)

    def val_dataloader(self) -> DataLoader[Any]:
        return self._loader("dev", self._batches("dev", None))

    def test_dataloader(self) -> DataLoader[Any]:
        return self._loader("test", self._batches("test", None))


def _batch(dataset: Dataset, features: Any) -> Any:
    """A batch of some features, with the states of the texts that are known."""
    batch: Any = dataset.processor.collate(features, dataset.store)
    return batch if dataset.text_states is None else replace(batch, text=share_texts(batch.text, dataset.text_states))


def _lengths(features: Sequence[Any]) -> Sequence[int] | Int[np.ndarray, " n"]:
    """How long each text is; features that are made only when they are needed say so beforehand."""
    return features.lengths if hasattr(features, "lengths") else [len(item.ids) for item in features]
