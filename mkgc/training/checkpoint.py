"""Checkpoints: written whole or not at all, read without running code, enough to predict with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch.nn.modules.module import register_module_parameter_registration_hook

from mkgc.app.sealed import intact, sealed, write_sealed
from mkgc.data.processor import Codec
from mkgc.encoders.text import check_length
from mkgc.errors import CheckpointError, MkgcError
from mkgc.training.task import Task
from mkgc.training.trust import check_description, codec_kind

FORMAT = 2
"""The only one that is read: its files are sealed, and carry no path. (1: neither.)"""

BUILT = ("backbone", "data", "optim", "task")
"""The parts of a checkpoint's configuration that are built, here or where its data are read again."""

DESCRIBED = {"config": Mapping, "codec": Mapping, "codec_kind": str, "recipes": Mapping, "seed": int, "fitted": Mapping}
"""What a checkpoint says of itself, and how."""

SPARE = 1_000_000
"""Numbers that a network may have while it is built and not afterwards: heads of encoders, layers that are left out."""


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
    """Puts what :meth:`mkgc.training.task.Task.after_fit` has found into a checkpoint, which is written anew as a whole."""
    contents = read(path)
    contents["mkgc"]["fitted"] = dict(fitted)
    WholeCheckpointIO().save_checkpoint(contents, path)


def open_trained(path: Path | str) -> tuple[Task, DictConfig]:
    """The trained network of a checkpoint file, as :func:`restore` makes it; errors name the file.

    Raises:
        CheckpointError: It cannot be read or built.
    """
    contents = read(path)
    with naming(path):
        return restore(contents)


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Puts the file's name before what is said of its contents."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"'{path}': {error}") from error


def restore(contents: Mapping[str, Any]) -> tuple[Task, DictConfig]:
    """The trained network of a checkpoint's contents, in evaluation mode, with what of its configuration is built.

    It has the precision that it was trained in.

    Raises:
        CheckpointError: The contents are incomplete, of the wrong types, or name what is not built from a checkpoint.
    """
    try:
        return _restored(contents["mkgc"], contents["state_dict"])
    except CheckpointError:
        raise
    except Exception as error:  # what is built of wrong values may raise anything
        raise CheckpointError(f"the checkpoint describes no network that can be built: {_innermost(error)}") from error


def described(saved: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a checkpoint says of itself, once it is complete and of the right types.

    Raises:
        CheckpointError: It is not.
    """
    for key, kind in DESCRIBED.items():
        if not isinstance(saved.get(key, {} if key == "fitted" else None), kind):
            raise CheckpointError(f"the checkpoint has no usable '{key}': train or convert it again")
    return {"fitted": {}, **saved}


def carried_codec(saved: Mapping[str, Any]) -> Codec:
    """The codec that a checkpoint carries.

    Raises:
        CheckpointError: It carries none.
    """
    try:
        return codec_kind(saved.get("codec_kind")).from_state(dict(saved["codec"]))
    except CheckpointError:
        raise
    except Exception as error:  # as in :func:`restore`
        raise CheckpointError(f"the checkpoint carries no codec that can be used: {_innermost(error)}") from error


def _restored(saved: Mapping[str, Any], state: Mapping[str, Any]) -> tuple[Task, DictConfig]:
    saved = described(saved)
    parts = _parts(saved)
    check_description(parts)
    codec = carried_codec(saved)
    storages = {value.untyped_storage().data_ptr(): value.untyped_storage().nbytes() for value in state.values()}
    with no_larger_than(sum(storages.values()) + SPARE):
        config = OmegaConf.create(parts)
        task = build_task(config, codec)
    task.to(_precision(state))
    task.load_state_dict(state)
    if diverged := next((name for name, value in task.named_parameters() if not value.isfinite().all()), None):
        raise CheckpointError(f"the checkpoint's weights are NaN or infinite ('{diverged}'): its training diverged")
    task.take_fitted(saved["fitted"])
    task.saved |= {key: saved[key] for key in ("format", "config", "codec_kind", "seed")}
    return task.eval(), config


def _precision(state: Mapping[str, Any]) -> torch.dtype:
    """Of the weights; those of most numbers decide where some have another, as sums do."""
    sizes: Counter[torch.dtype] = Counter()
    for value in state.values():
        sizes[value.dtype] += value.numel() if value.is_floating_point() else 0
    return max(sizes, key=sizes.__getitem__, default=torch.float32)


def _parts(saved: Mapping[str, Any]) -> dict[str, Any]:
    """What is built of a checkpoint's configuration, with encoders by the recipes that need no weights."""
    parts = {part: saved["config"].get(part) for part in BUILT} | {"seed": saved["seed"]}
    if isinstance(parts["backbone"], Mapping):
        known = {part: recipe for part, recipe in saved["recipes"].items() if part in parts["backbone"]}
        parts["backbone"] = {**parts["backbone"], **known}
    return parts


def _innermost(error: BaseException) -> str:
    """What went wrong first, in one sentence."""
    while (cause := error.__cause__ or error.__context__) is not None and not isinstance(error, MkgcError):
        error = cause
    return str(error) if isinstance(error, MkgcError) else f"{type(error).__name__}: {error}"


@contextmanager
def no_larger_than(numbers: int) -> Iterator[None]:
    """Ends the building of a network as soon as it has more numbers, most often before they take up memory."""
    left = numbers

    def count(module: Any, name: str, parameter: Any) -> None:
        nonlocal left
        left -= 0 if parameter is None else parameter.numel()
        if left < 0:
            raise CheckpointError("the checkpoint describes a network many times larger than the weights that it has")

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()
