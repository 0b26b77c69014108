"""`python -m mkgc.train task=mre`: read, train, then test the checkpoint that was best on dev."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from omegaconf import DictConfig, OmegaConf

from mkgc.command import output_folder, reported, run
from mkgc.errors import ConfigError

if TYPE_CHECKING:
    import pytorch_lightning as pl

    from mkgc.data.corpus import Corpus
    from mkgc.task import Task


def train(config: DictConfig, folder: Path) -> dict[str, Any]:
    """One training run; leaves ``best.ckpt``, ``metrics.json`` and ``config.yaml`` in ``folder``.

    Returns:
        The figures that ``metrics.json`` holds.
    """
    import pytorch_lightning as pl
    import torch

    from mkgc.checkpoint import build_task, describe, read
    from mkgc.config import check
    from mkgc.data.corpus import read_corpus
    from mkgc.data.module import DataModule
    from mkgc.encoders.text import check_length

    check(config)
    check_length(config.backbone, config.data.max_length)
    began = time.perf_counter()
    if config.size.threads is not None:
        torch.set_num_threads(config.size.threads)
    pl.seed_everything(config.seed, workers=True, verbose=False)
    corpus = read_corpus(config)
    task = build_task(config, corpus.codec)
    task.saved = describe(config, corpus.codec)
    if config.resume is not None and not task.trains:
        raise ConfigError("resume goes on with the epochs of a network, and this run trains none: give weights instead")
    if config.weights is not None:
        task.load_state_dict(read(config.weights)["state_dict"])
    data = DataModule(corpus, config.data.batch_size, config.seed, config.data.workers)
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, folder / "config.yaml", resolve=True)
    trainer = build_trainer(config, folder, task)
    if trainer.is_global_zero:
        corpus.show()
        print(f"{config.task.name}: training {_size(task)} on {len(corpus.items['train']):,} examples, into {folder}")

    task.to(trainer.strategy.root_device)  # Lightning would move it, but only to fit it
    figures: dict[str, Any] = {"before": task.before_fit(corpus, resumed=config.resume is not None)}
    best = folder / "best.ckpt"
    if task.trains:
        trainer.fit(task, data, ckpt_path=config.resume)
        task.load_state_dict(read(best)["state_dict"])
    figures |= _named(trainer.validate(task, data, verbose=False))
    if not task.trains:
        trainer.save_checkpoint(best, weights_only=True)
    figures |= _after_fit(task, corpus, trainer, best)
    figures |= _named(trainer.test(task, data, verbose=False))
    figures |= {"epochs": trainer.current_epoch, "seconds": round(time.perf_counter() - began, 1)}
    figures |= {"task": config.task.name, "seed": config.seed, "coverage": corpus.coverage.as_dict()}
    task.after_test(corpus, folder)
    if trainer.is_global_zero:
        (folder / "metrics.json").write_text(json.dumps(figures, indent=2) + "\n")
    return figures


def build_trainer(config: DictConfig, folder: Path, task: Task) -> pl.Trainer:
    """Lightning's trainer with what every run here has: whole checkpoints, early stopping on dev, own samplers.

    Raises:
        ConfigError: Dev would never be ranked.
    """
    import torch
    from hydra.utils import instantiate
    from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

    from mkgc.checkpoint import WholeCheckpointIO

    # A help to find reads of memory that nothing was written to; it costs a tenth of a small step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a property
    ranked, epochs = config.trainer.check_val_every_n_epoch, config.task.epochs
    if not 1 <= ranked <= epochs:
        raise ConfigError(f"trainer.check_val_every_n_epoch={ranked} must lie between 1 and task.epochs={epochs}")
    # At the end of an epoch, not after its validation: only then does a resumed run go on with the next one.
    kept: dict[str, Any] = {"save_on_train_epoch_end": True, "enable_version_counter": False}
    best = ModelCheckpoint(
        folder,
        filename="best",
        monitor=task.monitor,
        mode="max",
        save_weights_only=True,
        every_n_epochs=ranked,
        **kept,
    )
    last = ModelCheckpoint(folder, filename="last", **kept)
    stop = EarlyStopping(task.monitor, mode="max", patience=config.patience)
    return instantiate(
        config.trainer,
        callbacks=[best, last, stop],
        logger=instantiate(config.logger, save_dir=str(folder)),
        plugins=[WholeCheckpointIO()],
        default_root_dir=str(folder),
        use_distributed_sampler=False,
    )


def _after_fit(task: Task, corpus: Corpus, trainer: pl.Trainer, best: Path) -> dict[str, Any]:
    """What the task finds out about its best weights; from here on their checkpoint has it, too."""
    from mkgc.checkpoint import add_fitted

    fitted = task.to(trainer.strategy.root_device).after_fit(corpus)  # Lightning has taken it off an accelerator
    task.saved["fitted"] = fitted
    if fitted and trainer.is_global_zero:
        add_fitted(best, fitted)
    return fitted


def _named(results: Any) -> dict[str, dict[str, float]]:
    """``{"test/f1": 0.9}`` as ``{"test": {"f1": 0.9}}``."""
    out: dict[str, dict[str, float]] = {}
    for key, value in results[0].items():
        split, name = key.split("/", 1)
        out.setdefault(split, {})[name] = value
    return out


def _size(task: Task) -> str:
    count = sum(p.numel() for p in task.parameters() if p.requires_grad)
    return f"{count / 1e6:.1f} M parameters"


@hydra.main(version_base="1.3", config_path="../conf", config_name="train")
@reported
def _main(config: DictConfig) -> float:
    with output_folder() as folder:
        figures = train(config, folder)
    metric = config.task.metric
    print(f"{config.task.name}: test {metric} {figures['test'][metric]:.4f}; {figures['seconds']:.0f} s")
    return float(figures["dev"][metric])


def main() -> None:
    """The command."""
    run(_main)


if __name__ == "__main__":
    main()
