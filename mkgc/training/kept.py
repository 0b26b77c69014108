"""The checkpoints that a run keeps: its best epoch on dev, and its last, from which it can go on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint

from mkgc.app.overrides import quoted
from mkgc.errors import CheckpointError, ConfigError
from mkgc.terminal import say
from mkgc.training.run import BEST, LAST

RESUMING = ("best", "run", "callbacks", "optimizer_states", "lr_schedulers")
"""The keys of a checkpoint that only a resumed run reads."""


class KeepBest(Checkpoint):
    """Keeps ``best.ckpt``, the weights of the epoch that scored best on dev, and ``last.ckpt`` after each epoch.

    With ``save_every``, ``last.ckpt`` is also written after every so many steps within an epoch, to go on from there.

    Where the last epoch is not the best one, ``last.ckpt`` holds the best one's weights, too: it is all that a killed
    run needs to go on, in whatever folder. ``best.ckpt`` is written first, and again when a run goes on, so that it
    does not matter between which writes it was killed. After ``patience`` scores without a better one, training ends;
    None waits for ever.
    """

    def __init__(self, folder: Path, patience: int | None, save_every: int | None = None) -> None:
        self.folder, self.patience, self.save_every = folder, patience, save_every
        self.best: dict[str, Any] = {"score": None, "waited": 0}
        self.saved: Path | None = None
        self.epochs = self.steps = 0

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Lets dev be scored where ``trainer.max_steps`` ends an epoch before its last batch."""
        trainer.should_stop |= 0 <= trainer.max_steps <= trainer.global_step
        batches = trainer.fit_loop.epoch_loop.batch_progress
        if self.save_every is None or batches.is_last_batch or trainer.should_stop:  # then the epoch ends, and is saved
            return
        stepped = batches.current.ready % trainer.accumulate_grad_batches == 0
        if stepped and trainer.global_step % self.save_every == 0:
            trainer.save_checkpoint(self.folder / LAST, weights_only=False)
            self.saved, self.steps = self.folder / LAST, trainer.global_step

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if (trainer.current_epoch + 1) % (trainer.check_val_every_n_epoch or 1) == 0:
            self._rank(trainer, pl_module)
        trainer.save_checkpoint(self.folder / LAST, weights_only=False)
        self.saved, self.epochs, self.steps = self.folder / LAST, trainer.current_epoch + 1, 0

    def _rank(self, trainer: pl.Trainer, task: Any) -> None:
        if task.monitor not in trainer.callback_metrics:
            raise ConfigError(f"no {task.monitor} was computed, so no epoch is the best: dev must be scored")
        score = float(trainer.callback_metrics[task.monitor])
        before = self.best["score"]
        if before is None or (score > before if task.mode == "max" else score < before):
            trainer.save_checkpoint(self.folder / BEST, weights_only=True)
            weights = {name: value.detach().cpu().clone() for name, value in task.state_dict().items()}
            place = {"epoch": trainer.current_epoch, "global_step": trainer.global_step}
            self.best = {"score": score, "waited": 0, "state_dict": weights, **place}
        else:
            self.best["waited"] += 1
        if self._ends():
            trainer.should_stop = True
            if trainer.is_global_zero and trainer.current_epoch + 1 < (trainer.max_epochs or 0):
                say(
                    f"no better {task.monitor} than epoch {self.best['epoch'] + 1}'s in {self.best['waited']} more "
                    f"(patience={self.patience}): training stops after epoch {trainer.current_epoch + 1}"
                )

    def way_on(self, resumed: str | None) -> str:
        """How a run that ends now can go on, in words; ``resumed`` is the checkpoint that it went on from itself."""
        if self.saved is not None:
            made = "1 epoch is" if self.epochs == 1 else f"{self.epochs} epochs are"
            made = f"{self.steps:,} steps are" if self.steps else made
            return f"{made} saved: go on with the same keys and {quoted('resume', self.saved)}"
        if resumed is not None:
            return f"no further epoch was finished: go on with the same keys and {quoted('resume', resumed)}"
        return "no epoch was finished, so nothing is saved: start again"

    def _ends(self) -> bool:
        return self.patience is not None and self.best["waited"] > 0 and self.best["waited"] >= self.patience

    def on_save_checkpoint(self, trainer: pl.Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        checkpoint["best"] = dict(self.best)
        if self.best.get("epoch") == trainer.current_epoch:  # then these weights are the checkpoint's own
            checkpoint["best"]["state_dict"] = None

    def on_load_checkpoint(self, trainer: pl.Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Takes the best epoch over, with its checkpoint, and ends a run whose patience had ended."""
        self.best = dict(checkpoint["best"])
        if "state_dict" in self.best:
            self.best["state_dict"] = self.best["state_dict"] or checkpoint["state_dict"]
            if trainer.is_global_zero:
                trainer.strategy.checkpoint_io.save_checkpoint(self._without_progress(checkpoint), self.folder / BEST)
        trainer.should_stop = self._ends()

    def _without_progress(self, checkpoint: dict[str, Any]) -> dict[str, Any]:
        """The best epoch's checkpoint, as it was written then."""
        own = {key: value for key, value in checkpoint.items() if key not in RESUMING}
        return own | {key: self.best[key] for key in ("state_dict", "epoch", "global_step")}


def check_resumable(contents: Mapping[str, Any], path: str, epochs: int) -> None:
    """Checks that a run over so many ``epochs`` can go on from the contents of a checkpoint.

    Raises:
        CheckpointError: It holds no state of an unfinished run.
        ConfigError: The run has made more epochs already.
    """
    if "optimizer_states" not in contents:
        raise CheckpointError(
            f"resume={path} holds weights and no more: a run goes on from its {LAST}; "
            f"to start a new run from these weights, give weights={path}"
        )
    if "best" not in contents or "run" not in contents:
        raise CheckpointError(
            f"resume={path} is from an earlier mkgc and does not hold its best epoch: give weights={path} instead"
        )
    made = contents["epoch"] + 1
    if made > epochs:
        raise ConfigError(f"resume={path} has made {made} epochs already: task.epochs={epochs} must be at least {made}")


def place_of(contents: Mapping[str, Any]) -> tuple[int, int]:
    """The epoch that a run goes on with, by its checkpoint's contents, and how many batches of it are made."""
    loop = contents["loops"]["fit_loop"]
    batches = loop["epoch_loop.batch_progress"]
    made = 0 if batches["is_last_batch"] else batches["current"]["processed"]
    return loop["epoch_progress"]["current"]["processed"], made
