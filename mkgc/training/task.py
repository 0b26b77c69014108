"""A task: a backbone, a head, a loss and its metrics; the training steps are the same for all of them."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torchmetrics import Metric

from mkgc.batch import Part
from mkgc.data.dataset import Dataset
from mkgc.data.processor import Processor
from mkgc.encoders.frozen import FrozenPrefix
from mkgc.errors import CheckpointError, ConfigError, DivergedError
from mkgc.images.augment import augment
from mkgc.images.loaded import LoadedImages
from mkgc.training.optim import Optim, build_optimizer, linear_schedule
from mkgc.training.recorded import write_predictions
from mkgc.training.samplers import LastBatch, is_spare
from mkgc.training.steps import LargeBatch

NamedRows = dict[re.Pattern[str], tuple[str, int]]
"""By names of tensors: the kind of names that their rows have, and along how many axes they have them."""


@runtime_checkable
class Backbone(Protocol):
    """The model that a task stands on; the configuration's ``backbone``."""

    @property
    def keeps_images(self) -> bool:
        """Whether states of images are kept, so that no image may change."""

    @property
    def frozen_prefixes(self) -> Mapping[str, FrozenPrefix]:
        """The frozen lower parts of encoders whose states may be kept, by what they read: texts, images."""

    def architecture_configs(self) -> dict[str, Any]:
        """Configurations, by key of the backbone's, that build its parts again without weights and without a hub."""


class Task(pl.LightningModule, ABC):
    """Loss, predictions and metrics are the task's; the steps below are final.

    ``metadata`` is what a checkpoint says of itself (:func:`mkgc.training.checkpoint.describe`): of the one that it was
    read from also what was ``fitted``, which a constructor may check; values that cannot be used raise anything.

    The checkpoint with the best ``monitor`` on dev is the one that is tested; test is read once.
    """

    monitor: ClassVar[str]
    """Chooses the checkpoint, ends training and comes first in reports: a figure of dev, ``dev/NAME``."""
    mode: ClassVar[Literal["max", "min"]] = "max"
    """Whether more of what is monitored is better, or less."""
    loss_weights: ClassVar[Mapping[str, float]] = {}
    """Weights of the loss' parts; 1 where nothing is said."""
    rows: ClassVar[NamedRows] = {
        re.compile(r"\.word_embeddings\.(words\.)?weight$"): ("word piece", 1),
        re.compile(r"^backbone\.side\.entities\.weight$"): ("entity", 1),
        re.compile(r"^backbone\.side\.relations\.weight$"): ("graph relation", 1),
    }
    """Of which tensors the rows have names (:meth:`named`), and along how many axes."""

    last_batch: LastBatch | None = None
    """Of a task whose loss compares the examples of a batch: all are of one size, and this becomes of the last one."""

    backbone: Any
    metrics: Any

    def __init__(self, backbone: Backbone, processor: Processor, optim: Optim, metadata: dict[str, Any]) -> None:
        super().__init__()
        if backbone.keeps_images and (processor.settings.flip or processor.settings.translate):
            raise ConfigError(
                "data.flip and data.translate make every image a new one, and this backbone looks at each but once: "
                "unset them, or backbone.side_trainable_layers (vision_trainable_layers of two towers) where it is set"
            )
        self.backbone, self.processor, self.optim, self.metadata = backbone, processor, optim, metadata
        self.smoke = bool(metadata.get("config", {}).get("smoke"))  # each step is done to a handful of things
        self.large_batch = LargeBatch()
        self.recorded: list[Any] = []  # of each batch of the last test what :meth:`record` returned

    def build_metrics(self) -> None:
        """To be called at the end of a subclass's constructor, when :meth:`make_metric` has what it needs."""
        self.metrics = nn.ModuleDict({split: self.make_metric() for split in ("dev", "test")})

    @abstractmethod
    def make_metric(self) -> Metric:
        """An empty metric; what it computes is logged under its split's name."""

    @abstractmethod
    def losses(self, batch: Any) -> dict[str, Tensor]:
        """The parts of what is minimised, by name: each a mean over what :meth:`weight` counts."""

    @abstractmethod
    def scores(self, batch: Any) -> Any:
        """The scores that metrics and predictions are made of: tensors of the batch's examples and what they can be."""

    @abstractmethod
    def weight(self, batch: Any) -> Tensor:
        """How much a batch counts beside others of the same step: what :meth:`losses` are means over."""

    @abstractmethod
    def update_metric(self, batch: Any, metric: Any) -> Any:
        """Predicts the batch and updates the metric with the outcome; returns that, if :meth:`record` reads it."""

    def record(self, batch: Any, outcome: Any) -> Any:
        """The tensors that a test keeps of a batch, of the outcome that :meth:`update_metric` has returned; or None."""
        return None

    def describe(self, recorded: Any, examples: Sequence[Any]) -> list[dict[str, Any]]:
        """What was predicted of each example of a batch, of which :meth:`record` has kept tensors: plain values.

        They are lines of ``predictions.jsonl`` (:mod:`mkgc.training.recorded` says what these hold), which a task that
        records nothing does not leave.
        """
        raise NotImplementedError(f"{type(self).__name__} records tests, and does not describe them")

    @abstractmethod
    def predict(self, batch: Any) -> list[dict[str, Any]]:
        """One prediction an example, as plain values with scores."""

    def named(self, processor: Processor) -> dict[str, Sequence[str]]:
        """Names of rows of tensors, kind by kind, if this network is to be used with a processor."""
        return processor.named()

    def before_fit(self, dataset: Dataset, resumed: bool = False) -> dict[str, Any]:
        """The stage before gradient training of the network, with its figures; most tasks have nothing to do here.

        ``resumed``: the weights will be those of an interrupted run, so that none need to be learned.

        No hook of Lightning serves: what is learned here must be there before the weights of a resumed run are read
        and an optimiser is built, which leaves ``setup``; that is called for each of fit, validate and test, also by
        `mkgc.evaluate`, where nothing is to be learned. A task that has nothing else to learn is never fitted.
        """
        return {}

    def after_fit(self, dataset: Dataset) -> dict[str, Any]:
        """Fits what the best weights need beside them on dev, as plain values: kept in the checkpoint and the figures.

        Called in every process with the whole data set, which must give all of them the same. It is no hook of
        Lightning's, as in ``on_fit_end`` the weights are the last epoch's, and a task that has only
        :meth:`before_fit` is never fitted.
        """
        return {}

    def predict_items(self, features: Sequence[Any], store: LoadedImages, size: int) -> list[dict[str, Any]]:
        """One prediction an item of the user's, in order; ``size`` of them go through the network at once."""
        parts = (features[start : start + size] for start in range(0, len(features), size))
        batches = (self.processor.collate(part, store).to(self.device) for part in parts)
        return [answer for batch in batches for answer in self.predict(batch)]

    def after_test(self, dataset: Dataset, folder: Path) -> None:
        """Keeps what was predicted in a test beside the figures; called in every process.

        ``on_test_end`` would be called by `mkgc.evaluate`, too, which has no run to keep anything of.
        """
        write_predictions(self, dataset, folder)

    @property
    def trains(self) -> bool:
        """Whether there is a network to be trained after :meth:`before_fit`."""
        return True

    def loss(self, batch: Any) -> Tensor:
        """The scalar to be minimised: the weighted sum of its parts."""
        return self._total(self.losses(batch))

    def _total(self, parts: Mapping[str, Tensor]) -> Tensor:
        return torch.stack([self.loss_weights.get(name, 1.0) * part for name, part in parts.items()]).sum()

    def compile_methods(self) -> None:
        """Compiles losses and scores, for batches of any size; what else calls them calls the compiled ones."""
        self.losses, self.scores = (torch.compile(one, dynamic=True) for one in (self.losses, self.scores))  # type: ignore[method-assign]

    def training_step(self, batch: Any, _: int) -> Tensor:
        parts = self.losses(self._varied(batch))
        loss = self._total(parts)
        self.log("train/loss", loss, prog_bar=True)
        if len(parts) > 1:
            self.log_dict({f"train/{name}": part for name, part in parts.items()})
        return self.large_batch.summed(loss, self.weight(batch), self._batches_of_a_step())

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        everywhere = partial(self.trainer.strategy.reduce, reduce_op="sum")
        self.large_batch.divide(self.parameters(), self._batches_of_a_step(), everywhere)

    def _batches_of_a_step(self) -> int:
        return self.trainer.accumulate_grad_batches * self.trainer.world_size

    def _varied(self, batch: Any) -> Any:
        """The batch with its images augmented, as the settings ask for."""
        settings = self.processor.settings
        if not (settings.flip or settings.translate):
            return batch
        return replace(batch, images=tuple(augment(g, settings.flip, settings.translate) for g in batch.images))

    def validation_step(self, batch: Part, _: int) -> None:
        if not is_spare(self.trainer.val_dataloaders):
            self.update_metric(batch, self.metrics["dev"])

    def test_step(self, batch: Part, _: int) -> None:
        if is_spare(self.trainer.test_dataloaders):
            return
        recorded = self.record(batch, self.update_metric(batch, self.metrics["test"]))
        if recorded is not None:
            self.recorded.append(recorded)

    def on_test_start(self) -> None:
        self.recorded = []

    def on_train_batch_start(self, batch: Part, batch_idx: int) -> None:
        # Dropout then depends on seed and place alone, so that a resumed run equals an uninterrupted one.
        place = (int(self.metadata["seed"]), self.current_epoch, batch_idx, self.global_rank)
        torch.manual_seed(hash(place) % 2**31)

    def on_validation_epoch_end(self) -> None:
        self._log_scores("dev", bar=True)

    def on_test_epoch_end(self) -> None:
        self._log_scores("test", bar=False)

    def _log_scores(self, split: str, bar: bool) -> None:
        metric = self.metrics[split]
        if self.trainer.sanity_checking:
            metric.reset()
            return
        for name, value in metric.compute().items():
            key = f"{split}/{name}"
            if not math.isfinite(value):
                epoch = f" after epoch {self.current_epoch + 1}" if self.trainer.state.fn == "fit" else ""
                raise DivergedError(f"{key} is {float(value)}{epoch}")
            self.log(key, float(value), prog_bar=bar and key == self.monitor, rank_zero_only=True)
        metric.reset()

    def configure_optimizers(self) -> Any:
        optimizer = build_optimizer(
            self.optim,
            self.named_parameters(),
            is_head=lambda name: not name.startswith("backbone.") or ".new_tokens." in name,
            mixed="mixed" in self.trainer.precision,
        )
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = linear_schedule(optimizer, steps, self.optim.warmup, self.optim.warmup_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """As ever.

        Raises:
            CheckpointError: The weights are of another network.
        """
        try:
            return super().load_state_dict(state_dict, *args, **kwargs)
        except RuntimeError as error:  # its first line says so, each other one what does not fit
            first, *others = [" ".join(line.split())[:200] for line in str(error).splitlines()[1:]]
            more = f" and {len(others)} more" if others else ""
            raise CheckpointError(
                f"the weights are of another network than the settings make: {first}{more}"
            ) from error

    def transfer_batch_to_device(self, batch: Part, device: torch.device, dataloader_idx: int) -> Part:
        return batch.to(device)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["mkgc"] = self.metadata | {
            "processor": self.processor.state(),
            "architecture_configs": self.backbone.architecture_configs(),
        }
