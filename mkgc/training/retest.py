"""A trained model tested once more, with every image left out: what its images do for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytorch_lightning as pl

from mkgc.app.devices import accelerator, find_device
from mkgc.data.dataset import found_again, naming_root, read_dataset
from mkgc.training.checkpoint import open_trained
from mkgc.training.datamodule import DataModule
from mkgc.training.run import BEST
from mkgc.training.smoke import few
from mkgc.training.trust import Trust


def test_without_images(run: Path, root: str | None, folder: Path) -> None:
    """Leaves in a folder what the test of a run's best checkpoint records if no example shows an image.

    Raises:
        CheckpointError: There is none, it is damaged, or its task is not one of ours.
        ImagesNeededError: The model cannot do without its images.
        MkgcError: The data that it was trained on are neither at ``root`` nor where they were.
    """
    task, trained = open_trained(run / BEST, Trust.of(()))
    trained = found_again(trained, root)
    with naming_root(root):
        dataset = read_dataset(trained, task.processor)
    dataset = few(dataset) if task.smoke else dataset
    features = {**dataset.features, "test": task.processor.without_images(dataset.features["test"])}
    trainer = pl.Trainer(
        **accelerator(find_device("auto")),
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
    data = DataModule(replace(dataset, features=features), trained.data.batch_size, trained.seed)
    trainer.test(task, data, verbose=False)
    task.after_test(dataset, folder)
