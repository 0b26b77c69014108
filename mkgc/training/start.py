"""The checkpoint that a run starts from (``weights``) or goes on from (``resume``), held against the run's settings.

Equal sizes say little: another vocabulary, or labels in another order, fit a network in silence and mean other things.
So what rows of its tensors stand for is compared by name, and weights find their rows by it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from mkgc.data.processor import Processor
from mkgc.data.tokens import Tokenizer
from mkgc.errors import CheckpointError, ConfigError
from mkgc.training.checkpoint import carried_processor, described, read
from mkgc.training.run import BEST, LAST, checkpoint_file
from mkgc.training.task import NamedRows, Task
from mkgc.training.trust import Trust

FREE = frozenset({
    "_convert_", "name", "file", "vocab_size", "vocabulary", "trainable_layers", "side_trainable_layers", "cache_gib",
    "vision_trainable_layers", "lock_projections", "checkpointing", "space", "weights",
    "hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "position_std", "init_std", "margin", "chunk",
    "negatives", "reconstruction_weight", "transformers_version", "use_cache", "dtype", "initializer_range",
    "pad_token_id", "inputs", "vectors", "learn_vectors", "outputs",
})  # fmt: skip
"""Keys of a backbone that may change between two runs: its weights mean the same, or their names and sizes tell."""

CHANGEABLE = FREE - {
    "vocab_size", "vocabulary", "trainable_layers", "side_trainable_layers", "vision_trainable_layers", "position_std",
    "init_std", "lock_projections", "initializer_range", "learn_vectors", "outputs",
} | {
    "epochs", "top_k", "root", "store", "workers", "bad_images", "min_image_coverage",
}  # fmt: skip
"""Keys that a run may change where it goes on: it reads them then, and its state does not depend on them."""

ENCODERS = ("mkgc.encoders.", "mkgc.released.vision.", "mkgc.released.chinese_clip.")
"""Where what makes encoders is defined: with weights or without them, it makes the same."""

NODES = ("entity", "graph relation")
"""Names of the rows that a graph around texts has: another task may read another graph."""

GROWING = ("word piece", *NODES)
"""Names of which a run may have others than its weights: rows of their own, which begin anew."""

BACKBONE, NEW_TOKENS = "backbone.", ".new_tokens."
"""How the names of a backbone's tensors begin, and what those of new tokens' have in them, which belong to a task."""


@dataclass(frozen=True)
class Start:
    """The contents of a checkpoint, and the key that names it."""

    key: Literal["weights", "resume"]
    path: str
    contents: Mapping[str, Any]
    task: str
    """The task of the run."""
    package: str = "tasks"
    """The package that the run's settings take its task from: trusted, whoever wrote the checkpoint."""

    @classmethod
    def of(cls, config: DictConfig) -> Start | None:
        """The checkpoint that a run starts or goes on from, if any, once its network is that of the settings.

        Raises:
            ConfigError: Both keys are given.
            CheckpointError: There is no such checkpoint, or it is of another task or network.
        """
        if config.weights is not None and config.resume is not None:
            raise ConfigError("weights and resume are two different things: give one")
        key: Literal["weights", "resume"] = "weights" if config.resume is None else "resume"
        if config[key] is None:
            return None
        path = checkpoint_file(config[key], BEST if key == "weights" else LAST)
        package = str(config.task.data["_target_"]).partition(".")[0]
        start = cls(key, str(path), read(path), config.task.name, package)
        saved = described(start.contents["mkgc"])["config"]
        if start.foreign and key == "resume":
            raise CheckpointError(f"{start} is a run of task={start.trained}, not of task={config.task.name}")
        own: Any = OmegaConf.to_container(config, resolve=True)
        start._require_none(differences(saved.get("backbone"), own["backbone"], "backbone"))
        if key == "resume":
            start._require_same(saved, own)
        return start

    def __str__(self) -> str:
        return f"{self.key}={self.path}"

    @property
    def trained(self) -> str | None:
        """The task that the checkpoint is of."""
        task = self.contents["mkgc"]["config"].get("task")
        return task.get("name") if isinstance(task, Mapping) else None

    @property
    def foreign(self) -> bool:
        """Whether the checkpoint is of another task, so that its backbone alone is of use."""
        return self.trained != self.task

    @property
    def tokenizer(self) -> Tokenizer | None:
        """The tokeniser of another task's checkpoint: the backbone goes on with the word pieces that it has learned."""
        return self._processor().tokenizer if self.foreign else None

    def _processor(self) -> Processor:
        return carried_processor(self.contents["mkgc"], Trust((self.package,)))

    def enter(self, task: Task) -> list[str]:
        """Gives the task the weights, row by row where rows have names; a run that goes on must have the same names.

        Returns:
            What begins anew, in a sentence a kind of names.

        Raises:
            CheckpointError: They are of another network, or of other names.
        """
        saved = self.contents["mkgc"]
        self._require_none(
            differences(saved.get("architecture_configs"), task.backbone.architecture_configs(), "backbone")
        )
        theirs, ours = self._names(task)
        for kind in ours:
            self._compare(kind, theirs.get(kind, ()), ours[kind])
        state, own = self.contents["state_dict"], task.state_dict()
        found = by_name(state, own, task.rows, theirs, ours)
        task.load_state_dict(self._of_backbone(found, own) if self.foreign else found)
        anew = [f"{self}: {said}" for kind in ours if (said := _anew(kind, theirs.get(kind, ()), ours[kind]))]
        begun = [f"{self} is a run of task={self.trained}: the backbone begins with its weights"]
        return [*(begun if self.foreign else ()), *anew]

    def _names(self, task: Task) -> tuple[Mapping[str, Sequence[str]], Mapping[str, Sequence[str]]]:
        """The names behind rows of the checkpoint's tensors and of the task's; of another task's, of the backbone's."""
        if not self.foreign:
            return task.named(self._processor()), task.named(task.processor)
        theirs, ours = self._processor().named(), task.processor.named()
        return theirs, {kind: ours[kind] for kind in GROWING if kind in ours}

    def _of_backbone(self, found: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The weights with those of another task's backbone in their place; new tokens of the task stay its own.

        Raises:
            CheckpointError: The backbone has others.
        """
        taken = {
            name: value
            for name, value in found.items()
            if name.startswith(BACKBONE) and name in own and value.shape == own[name].shape
        }
        lacking = [name for name in own if name.startswith(BACKBONE) and name not in taken and NEW_TOKENS not in name]
        if lacking:
            raise CheckpointError(
                f"{self} is of another network than the settings make: it has no {lacking[0]} like it"
            )
        return {**own, **taken}

    def _compare(self, kind: str, theirs: Sequence[str], ours: Sequence[str]) -> None:
        """Weights may find rows in another order, and of some kinds lack some; a run may not."""
        growing, known = kind in GROWING, set(theirs)
        if list(theirs) == list(ours) or (self.key == "weights" and known == set(ours)):
            return
        if self.key == "weights" and growing and (not known.isdisjoint(ours) or (self.foreign and kind in NODES)):
            return
        raise CheckpointError(f"{self} has other names: {_difference(kind, theirs, ours)}")

    def _require_same(self, saved: Mapping[str, Any], own: Mapping[str, Any]) -> None:
        """Checks the settings that a run took up when it began: others would have no effect, or undo what is there."""
        found = [
            one
            for key in ("backbone", "optim", "data", "task", "seed", "protocol", "smoke")
            for one in differences(saved.get(key), own.get(key), key, CHANGEABLE, strict=True)
        ]
        theirs, ours = (_steps(config) for config in (saved, own))
        found += differences(theirs, ours, "trainer.max_steps")
        if found:
            raise CheckpointError(
                f"{self} was trained with {_first(found)}: a run goes on with its own settings; "
                f"for other ones, give weights={self.path}"
            )

    def _require_none(self, found: Iterator[str]) -> None:
        if listed := list(found):
            raise CheckpointError(f"{self} is of another network than the settings make: {_first(listed)}")


def differences(theirs: Any, ours: Any, path: str, free: frozenset[str] = FREE, strict: bool = False) -> Iterator[str]:
    """In what two descriptions of networks differ; nodes that are made in another way are compared when they are.

    A key that one of them lacks is a difference if it is of a node, or if the other says something and all is to be
    the same (``strict``).
    """
    if not isinstance(theirs, Mapping) or not isinstance(ours, Mapping):
        if theirs != ours:
            yield f"{path}={_short(theirs)} there, {_short(ours)} here"
        return
    there, here = theirs.get("_target_"), ours.get("_target_")
    if there != here:
        if not all(str(target).startswith(ENCODERS) for target in (there, here)):
            yield f"{path} is {there} there, {here} here"
        return
    for key in sorted(theirs.keys() & ours.keys() - free):
        yield from differences(theirs[key], ours[key], f"{path}.{key}", free, strict)
    for key in sorted((theirs.keys() ^ ours.keys()) - free):
        value = {**theirs, **ours}[key]
        if "_target_" in _keys(value) or (strict and value is not None):
            yield f"{path}.{key} is {'there' if key in theirs else 'here'} only"


def _steps(config: Mapping[str, Any]) -> Any:
    """The step that a run ends with, whatever its epochs."""
    return config.get("trainer", {}).get("max_steps", -1)


def _keys(node: Any) -> Collection[Any]:
    return node.keys() if isinstance(node, Mapping) else ()


def by_name(
    state: Mapping[str, Tensor],
    own: Mapping[str, Tensor],
    rows: NamedRows,
    theirs: Mapping[str, Sequence[str]],
    ours: Mapping[str, Sequence[str]],
) -> dict[str, Tensor]:
    """The weights with their rows where a network has those of the same names; its other rows stay its own.

    ``rows`` says of which tensors; ``theirs`` and ``ours`` are the names of each kind, in order.
    """
    out = dict(state)
    for name, value in state.items():
        kind, axes = next((found for pattern, found in rows.items() if pattern.search(name)), ("", 0))
        if not axes or name not in own or value.shape[:axes] != (len(theirs.get(kind, ())),) * axes:
            continue
        if value.shape[axes:] == own[name].shape[axes:]:
            places = {key: i for i, key in enumerate(theirs.get(kind, ()))}
            pairs = [(i, places[key]) for i, key in enumerate(ours.get(kind, ())) if key in places]
            here, there = torch.tensor(pairs, dtype=torch.long).view(-1, 2).T
            out[name] = _placed(own[name], value, here, there, axes)
    return out


def _placed(own: Tensor, value: Tensor, here: Tensor, there: Tensor, axes: int) -> Tensor:
    out = own.clone()
    if axes == 1:
        out[here] = value[there].to(out)
    else:
        out[here[:, None], here] = value[there[:, None], there].to(out)
    return out


def _anew(kind: str, theirs: Sequence[str], ours: Sequence[str]) -> str:
    new = len(set(ours) - set(theirs))
    return f"{new:,} of {len(ours):,} rows of names ({kind}) are not there and begin anew" if new else ""


def _difference(kind: str, theirs: Sequence[str], ours: Sequence[str]) -> str:
    """The first thing in which two lists of names differ."""
    lacking = [name for name in ours if name not in set(theirs)]
    surplus = [name for name in theirs if name not in set(ours)]
    if lacking or surplus:
        said = [f"the {kind} '{lacking[0]}' is here only"] if lacking else []
        said += [f"the {kind} '{surplus[0]}' is there only"] if surplus else []
        return (
            f"{' and '.join(said)} ({len(surplus):,} of {len(theirs):,} there, {len(lacking):,} of {len(ours):,} here)"
        )
    place = next(i for i, (a, b) in enumerate(zip(theirs, ours, strict=True)) if a != b)
    return (
        f"each {kind} is there, but in another order: number {place} is '{theirs[place]}' there, '{ours[place]}' here"
    )


def _first(found: Sequence[str]) -> str:
    """The first three."""
    return "; ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")


def _short(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_short, value))
    return "a section" if isinstance(value, Mapping) else str(value)
