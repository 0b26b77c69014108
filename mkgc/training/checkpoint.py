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
from omegaconf import DictConfig, OmegaConf, open_dict
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch.nn.modules.module import register_module_parameter_registration_hook

from mkgc.app.sealed import intact, sealed, write_sealed
from mkgc.data.processor import Processor
from mkgc.encoders.text import check_length, text_parts
from mkgc.encoders.words import WordEncoder
from mkgc.errors import CheckpointError, MkgcError
from mkgc.training.run import checkpoint_file
from mkgc.training.smoke import warn_of_smoke
from mkgc.training.task import Task
from mkgc.training.trust import Trust

FORMAT = 3
"""The only one that is read: its files are sealed, and carry no path. (1: neither.)"""

BUILT = ("backbone", "data", "optim", "task")
"""The parts of a checkpoint's configuration that are built, here or where its data are read again."""

DESCRIBED = {
    "config": Mapping,
    "processor": Mapping,
    "processor_kind": str,
    "architecture_configs": Mapping,
    "seed": int,
    "fitted": Mapping,
}
"""The keys of a checkpoint's description, and their types."""

SAID = ("format", "config", "processor_kind", "seed", "fitted")
"""Of these, what the network that is read says again."""

OWN = Trust()
"""In the packages of the distribution alone."""

SPARE = 1_000_000
"""Numbers that a network may have while it is built and not afterwards: heads of encoders, layers that are left out."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes sealed files beside the old ones, then renames: a killed run leaves the old checkpoint or the new one."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_sealed(target, partial(torch.save, checkpoint))

    def load_checkpoint(self, path: Any, *_: Any, **__: Any) -> dict[str, Any]:
        """Reads what a resumed run goes on from, with the errors of :func:`read`."""
        return read(path)


def build_task(config: DictConfig, processor: Processor, metadata: dict[str, Any] | None = None) -> Task:
    """The network of a configuration, with random or pretrained weights as it says.

    Its text encoder has the vocabulary of the processor's tokeniser. ``metadata`` is what its checkpoints say of
    themselves; :func:`describe` makes it where none is given.

    Raises:
        ConfigError: The parts do not fit one another.
    """
    check_length(config.backbone, processor.settings.max_length)
    build = instantiate(config.task.model)
    parts = {key: {"vocabulary": processor.tokenizer.size} for key in text_parts(config.backbone)}
    backbone = build_backbone(config, **parts)
    for encoder in (getattr(backbone, key) for key in parts):
        if isinstance(encoder, WordEncoder):
            encoder.load_vectors(processor.tokenizer.names)
    metadata = describe(config, processor) if metadata is None else metadata
    return build(backbone=backbone, processor=processor, optim=instantiate(config.optim), metadata=metadata)


def build_backbone(config: DictConfig, **parts: Any) -> Any:
    """The network that a task stands on; ``parts`` add to the keys of its parts."""
    backbone = config.backbone.copy()
    with open_dict(backbone):
        backbone.pop("inputs", None)
    return instantiate(backbone, **parts)


def describe(config: DictConfig, processor: Processor) -> dict[str, Any]:
    """The description in a checkpoint beside the weights, as plain values."""
    plain = OmegaConf.to_container(config, resolve=True)
    kind = f"{type(processor).__module__}.{type(processor).__qualname__}"
    return {"format": FORMAT, "config": plain, "processor_kind": kind, "seed": config.seed}


def save(task: Task, path: Path | str) -> None:
    """Writes a network that was not trained here as a checkpoint."""
    contents: dict[str, Any] = {"state_dict": task.state_dict(), "epoch": 0, "global_step": 0}
    task.on_save_checkpoint(contents)
    AtomicCheckpointIO().save_checkpoint(contents, path)


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
    """Puts what :meth:`mkgc.training.task.Task.after_fit` has found into a checkpoint, written anew as a whole."""
    contents = read(path)
    contents["mkgc"]["fitted"] = dict(fitted)
    AtomicCheckpointIO().save_checkpoint(contents, path)


def open_trained(path: Path | str, trust: Trust = OWN) -> tuple[Task, DictConfig]:
    """The trained network of a checkpoint file or a run's folder, as :func:`restore` makes it; errors name the file.

    Raises:
        CheckpointError: It cannot be read or built.
    """
    path = checkpoint_file(path)
    contents = read(path)
    with naming(path):
        task, config = restore(contents, trust)
    if task.smoke:
        warn_of_smoke(path)
    return task, config


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Puts the file's name before what is said of its contents."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"'{path}': {error}") from error


def restore(contents: Mapping[str, Any], trust: Trust = OWN) -> tuple[Task, DictConfig]:
    """The trained network of a checkpoint's contents, in evaluation mode, with what of its configuration is built.

    It has the precision that it was trained in.

    Raises:
        CheckpointError: The contents are incomplete, of the wrong types, or name what is not built from a checkpoint.
    """
    try:
        return _restored(contents["mkgc"], contents["state_dict"], trust)
    except CheckpointError:
        raise
    except Exception as error:  # what is built of wrong values may raise anything
        raise CheckpointError(f"the checkpoint describes no network that can be built: {_innermost(error)}") from error


def described(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """Checks that a checkpoint's description is complete and of the right types.

    Raises:
        CheckpointError: It is not.
    """
    for key, kind in DESCRIBED.items():
        if not isinstance(metadata.get(key, {} if key == "fitted" else None), kind):
            raise CheckpointError(f"the checkpoint has no usable '{key}': train or convert it again")
    return {"fitted": {}, **metadata}


def carried_processor(metadata: Mapping[str, Any], trust: Trust) -> Processor:
    """The processor that a checkpoint carries.

    Raises:
        CheckpointError: It carries none.
    """
    try:
        return trust.processor_kind(metadata.get("processor_kind")).from_state(dict(metadata["processor"]))
    except CheckpointError:
        raise
    except Exception as error:  # as in :func:`restore`
        raise CheckpointError(f"the checkpoint carries no processor that can be used: {_innermost(error)}") from error


def _restored(metadata: Mapping[str, Any], state: Mapping[str, Any], trust: Trust) -> tuple[Task, DictConfig]:
    metadata = described(metadata)
    parts = _parts(metadata)
    trust.check_description(parts)
    processor = carried_processor(metadata, trust)
    storages = {value.untyped_storage().data_ptr(): value.untyped_storage().nbytes() for value in state.values()}
    with no_larger_than(sum(storages.values()) + SPARE):
        config = OmegaConf.create(parts)
        task = build_task(config, processor, {key: metadata[key] for key in SAID})
    task.to(_precision(state))
    task.load_state_dict(state)
    if diverged := next((name for name, value in task.named_parameters() if not value.isfinite().all()), None):
        raise CheckpointError(f"the checkpoint's weights are NaN or infinite ('{diverged}'): its training diverged")
    return task.eval(), config


def _precision(state: Mapping[str, Any]) -> torch.dtype:
    """Of the weights; those of most numbers decide where some have another, as sums do."""
    sizes: Counter[torch.dtype] = Counter()
    for value in state.values():
        sizes[value.dtype] += value.numel() if value.is_floating_point() else 0
    return max(sizes, key=sizes.__getitem__, default=torch.float32)


def _parts(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a checkpoint's configuration that are built, encoders by configurations that need no weights."""
    parts = {part: metadata["config"].get(part) for part in BUILT} | {"seed": metadata["seed"]}
    if isinstance(parts["backbone"], Mapping):
        known = {
            part: architecture_config
            for part, architecture_config in metadata["architecture_configs"].items()
            if part in parts["backbone"]
        }
        parts["backbone"] = {**parts["backbone"], **known}
    return parts


def _innermost(error: BaseException) -> str:
    """The first cause of an error, in one sentence."""
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
