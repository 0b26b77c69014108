"""The bar of training."""

from __future__ import annotations

from typing import Any

from pytorch_lightning.callbacks import RichProgressBar


class EpochBar(RichProgressBar):
    """Lightning's own, with epochs counted from one (the last of six is "Epoch 6/6"), without a logger's version."""

    def _get_train_description(self, current_epoch: int) -> str:
        description = f"Epoch {current_epoch + 1}/{self.trainer.max_epochs}"
        return description.ljust(len(self.validation_description))  # else the bar would jump

    def get_metrics(self, trainer: Any, pl_module: Any) -> dict[str, Any]:
        return {name: value for name, value in super().get_metrics(trainer, pl_module).items() if name != "v_num"}
