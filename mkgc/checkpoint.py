"""Checkpoints: written whole or not at all, read without running code, enough to predict with."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hydra.utils import get_class, instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.plugins.io import TorchCheckpointIO

from mkgc.data.codec import Codec
from mkgc.encoders.text import check_length
from mkgc.errors import CheckpointError
from mkgc.sealed import intact, sealed, write_sealed
from mkgc.task import Task

FORMAT = 2
"""The only one that is read: its files are sealed, and carry no path. (1: neither.)"""

TRUSTED = ("mkgc.", "tasks.")
"""Only these packages are built from a checkpoint's configuration, which may come from strangers."""


BUILT = ("backbone", "data", "optim", "size", "task")
"""The parts of a checkpoint's configuration that are built, here or where its data are read again."""


class WholeCheckpointIO(TorchCheckpointIO):
    """Writes sealed files beside the old ones, then renames: a killed run leaves the old checkpoint or the new one."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_sealed(target, partial(torch.save, checkpoint))

    def load_checkpoint(self, path: Any, *_: Any, **__: Any) -> dict[str, Any]:
        """What a resumed run goes on from, with the errors of :func:`read`."""
        return read(path)


def build_task(config: DictConfig, codec: Codec) -> Task:
    """The network of a configuration, with random or pretrained weights as it says.

    Its text encoder has the vocabulary of the codec's tokeniser.

    Raises:
        ConfigError: The parts do not fit one another.
    """
    check_length(config.backbone, codec.settings.max_length)
    build = instantiate(config.task.model)
    parts = {"text": {"vocabulary": codec.tokenizer.size}} if "text" in config.backbone else {}
    return build(backbone=instantiate(config.backbone, **parts), codec=codec, optim=instantiate(config.optim))


def describe(config: DictConfig, codec: Codec) -> dict[str, Any]:
    """What a checkpoint says of itself beside the weights, as plain values."""
    plain = OmegaConf.to_container(config, resolve=True)
    kind = f"{type(codec).__module__}.{type(codec).__qualname__}"
    return {"format": FORMAT, "config": plain, "codec_kind": kind, "seed": config.seed}


def save(task: Task, path: Path | str) -> None:
    """Writes a network that was not trained here as a checkpoint; :func:`describe` has said what it is."""
    contents: dict[str, Any] = {"state_dict": task.state_dict(), "epoch": 0, "global_step": 0}
    task.on_save_checkpoint(contents)
    WholeCheckpointIO().save_checkpoint(contents, path)


def read(path: Path | str) -> dict[str, Any]:
    """The contents of a checkpoint file.

    Raises:
        CheckpointError: There is none, it is damaged, it is not one of mkgc's, or of another format.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"no checkpoint at '{path}'")
    damaged = f"the checkpoint '{path}' is damaged or not one of mkgc's: it cannot be read"
    closed = sealed(path)
    if closed and not intact(path):
        raise CheckpointError(damaged)
    try:
        contents = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # foreign and damaged bytes make it raise nearly anything
        raise CheckpointError(damaged) from error
    found = _format(contents)
    if found is None:
        raise CheckpointError(f"'{path}' is not a checkpoint of mkgc: train one, or convert it with mkgc.convert")
    if found != FORMAT:
        said = "an older mkgc: train or convert it again" if found < FORMAT else "a newer mkgc: install that"
        raise CheckpointError(f"'{path}' has format {found}, this mkgc reads {FORMAT}; it is of {said}")
    if not closed:
        raise CheckpointError(damaged)
    return dict(contents)


def _format(contents: Any) -> int | None:
    """The number of a checkpoint's format; None for what is no checkpoint of mkgc's."""
    said = contents.get("mkgc") if isinstance(contents, Mapping) and "state_dict" in contents else None
    number = said.get("format") if isinstance(said, Mapping) else None
    return number if type(number) is int else None


def add_fitted(path: Path, fitted: Mapping[str, Any]) -> None:
    """Puts what :meth:`mkgc.task.Task.after_fit` has found into a checkpoint, which is written anew as a whole."""
    contents = read(path)
    contents["mkgc"]["fitted"] = dict(fitted)
    WholeCheckpointIO().save_checkpoint(contents, path)


def restore(contents: Mapping[str, Any]) -> tuple[Task, DictConfig]:
    """The trained network of a checkpoint's contents, in evaluation mode, with its configuration."""
    saved = contents["mkgc"]
    named = [saved["config"][part] for part in BUILT]
    for target in _targets([*named, saved["recipes"]]) | {saved["codec_kind"]}:
        if not target.startswith(TRUSTED):
            raise CheckpointError(f"the checkpoint names '{target}', which is none of mkgc's own parts: not built")
    config = OmegaConf.create(saved["config"])
    for part, recipe in saved["recipes"].items():
        if part in config.backbone:
            config.backbone[part] = recipe
    kind: Any = get_class(saved["codec_kind"])
    codec = kind.from_state(saved["codec"])
    task = build_task(config, codec)
    task.load_state_dict(contents["state_dict"])
    task.saved = {key: saved[key] for key in ("format", "config", "codec_kind", "seed")}
    task.saved["fitted"] = saved.get("fitted", {})
    return task.eval(), config


def _targets(node: Any) -> set[str]:
    """All ``_target_`` values below a node."""
    if isinstance(node, Mapping):
        own = {str(node["_target_"])} if "_target_" in node else set()
        return own.union(*map(_targets, node.values()))
    if isinstance(node, list | tuple):
        return set().union(*map(_targets, node))
    return set()
