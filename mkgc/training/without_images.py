"""A trained model tested once more, with every image left out: what its images do for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from mkgc.app.devices import accelerator, find_device
from mkgc.data.dataset import found_again, naming_root, read_dataset
from mkgc.training.checkpoint import open_trained
from mkgc.training.datamodule import DataModule
from mkgc.training.recorded import recorded_predictions
from mkgc.training.run import BEST
from mkgc.training.smoke import few
from mkgc.training.trust import Trust


def tested_without_images(folder: Path, root: str | None) -> list[dict[str, Any]]:
    """The lines of :mod:`mkgc.training.recorded` that the best checkpoint of a run would leave if there were no image.

    Raises:
        CheckpointError: There is none, it is damaged, or its task is not one of ours.
        MkgcError: The data that it was trained on are neither at ``root`` nor where they were.
    """
    task, trained = open_trained(folder / BEST, Trust.of(()))
    trained = found_again(trained, root)
    with naming_root(root):
        dataset = read_dataset(trained, task.processor)
    dataset = few(dataset) if task.smoke else dataset
    features = {split: _blind(part) if split == "test" else part for split, part in dataset.features.items()}
    trainer = pl.Trainer(
        **accelerator(find_device("auto")),
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
    data = DataModule(replace(dataset, features=features), trained.data.batch_size, trained.seed)
    trainer.test(task, data, verbose=False)
    return recorded_predictions(task, dataset)


def _blind(features: Sequence[Any]) -> list[Any]:
    return [replace(item, images={}) for item in features]
