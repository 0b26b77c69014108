"""Computes what frozen layers make of the inputs of a data set, once: the next seed, or run of a sweep, reads it.

A file is named by a digest of all that its contents depend on: weights, architecture, precision and inputs. It is
written whole, by one process at a time, and checked before it is read.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from jaxtyping import Float, UInt8
from rich.console import Console
from rich.progress import track
from torch import Tensor

from mkgc.app.locks import locked
from mkgc.batch import Images, Text
from mkgc.data.dataset import Dataset
from mkgc.data.processor import Shown, image_rows, packed, share, text_batch
from mkgc.data.states import StatesTable, read_states, write_states
from mkgc.encoders.base import Stream
from mkgc.encoders.frozen import FrozenPrefix
from mkgc.terminal import say
from mkgc.training.task import Task

BATCH = 64
"""Inputs that go through the layers at once."""

FORMAT = "mkgc frozen states 1"

CONVERTED = ("bf16-true", "64-true")
"""Precisions in which the weights are not yet those of training when states are computed."""


@dataclass(frozen=True)
class Inputs:
    """The distinct inputs of a kind, in the order of their digests, with the keys by which batches know each.

    ``load`` makes a part of a batch of some of them, ``unpad`` takes the states of each from the encoder's.
    """

    kind: str
    digests: Sequence[bytes]
    keys: Sequence[Sequence[Any]]
    load: Callable[[list[Any]], Text | tuple[Images, ...]]
    unpad: Callable[[list[Any], Stream], list[Tensor]]


def keep_states(task: Task, dataset: Dataset, trainer: pl.Trainer, write: bool = True) -> Dataset:
    """The data set with the states that the task's frozen layers make of it, as far as they are kept or can be.

    What no file has is computed and written first; without ``write`` it is left to each forward pass.
    """
    prefixes = {kind: prefix for kind, prefix in task.backbone.frozen_prefixes.items() if prefix.cache_gib > 0}
    if not prefixes or dataset.store.folder is None or trainer.precision in CONVERTED:
        return dataset
    task.to(trainer.strategy.root_device)
    kept = Kept(dataset.store.folder / "states", trainer, write)
    if "images" in prefixes:
        dataset.store.states = kept.table(prefixes["images"], image_inputs(dataset))
    if "texts" in prefixes:
        dataset = replace(dataset, text_states=kept.table(prefixes["texts"], text_inputs(dataset)))
    return dataset


def image_inputs(dataset: Dataset) -> Inputs:
    """The different images that examples show together, told apart by their pixels."""
    store, settings = dataset.store, dataset.processor.settings
    sizes = settings.images
    shown = image_rows(dataset.processor.illustrations(dataset.features), sizes, settings.max_images, store)
    pixels = {
        (size, row): _digest(store.take([row], size))
        for i, size in enumerate(sizes.values())
        for row in dict.fromkeys(chain.from_iterable(rows[i] for rows in shown))
    }

    def content(rows: Shown) -> bytes:
        groups = zip(sizes.items(), rows, strict=True)
        return json.dumps([[group, [pixels[size, row] for row in part]] for (group, size), part in groups]).encode()

    return _inputs("images", dict.fromkeys(shown), content, lambda part: packed(part, sizes, store, share(part)), _seen)


def _digest(pixels: UInt8[Tensor, "1 3 S S"]) -> str:
    return blake2b(pixels.numpy().data, digest_size=16).hexdigest()


def _seen(_: list[Any], out: Stream) -> list[Tensor]:
    return [states[mask] for states, mask in zip(out.states, out.mask, strict=True)]


def text_inputs(dataset: Dataset) -> Inputs:
    """The different texts."""
    pad, least = dataset.processor.tokenizer.pad, dataset.processor.settings.least_length
    read = dataset.processor.readings
    texts = dict.fromkeys(tuple(ids) for part in dataset.features.values() for ids in read(part))

    def content(ids: tuple[int, ...]) -> bytes:
        return json.dumps([len(ids), least, ids]).encode()

    def unpad(part: list[Any], out: Stream) -> list[Tensor]:
        return [states[: max(len(ids), least)] for states, ids in zip(out.states, part, strict=True)]

    return _inputs("texts", texts, content, lambda part: text_batch(part, pad, least), unpad)


def _inputs(kind: str, found: Any, content: Callable[[Any], bytes], load: Any, unpad: Any) -> Inputs:
    """Inputs by what they contain: those of equal contents are one."""
    alike: dict[tuple[int, bytes], list[Hashable]] = {}
    for key in found:
        text = content(key)
        alike.setdefault((len(text), blake2b(text, digest_size=16).digest()), []).append(key)
    order = sorted(alike)  # by length, so that batches need little padding
    return Inputs(kind, [digest for _, digest in order], [alike[place] for place in order], load, unpad)


@dataclass(frozen=True)
class Kept:
    """The files of a folder."""

    folder: Path
    trainer: pl.Trainer
    write: bool

    def table(self, prefix: FrozenPrefix, inputs: Inputs) -> StatesTable | None:
        """The states of the inputs, from their file or computed into it; None where there is none."""
        path = self.folder / f"{self._name(prefix, inputs)}.{inputs.kind}"
        if not self.write:
            return self._read(path, inputs)
        try:
            with locked(self.folder):  # another run may be computing them now
                return self._read(path, inputs) or self._computed(path, prefix, inputs)
        except OSError as error:
            self._say(f"{inputs.kind}: what frozen layers make of them cannot be kept, and is computed again: {error}")
            return None

    def _name(self, prefix: FrozenPrefix, inputs: Inputs) -> str:
        """A digest of all that the contents depend on."""
        encoder, name = prefix.encoder, blake2b(digest_size=16)
        upper = tuple(f"layers.{i}." for i in range(prefix.count, len(encoder.layers)))
        device = self.trainer.strategy.root_device.type
        name.update(json.dumps([FORMAT, device, str(self.trainer.precision), *prefix.fingerprint()]).encode())
        name.update(json.dumps(_said(encoder.architecture_config()), sort_keys=True).encode())
        for key, value in chain(encoder.named_parameters(), encoder.named_buffers()):
            if not key.startswith(upper):
                name.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
                name.update(value.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
        name.update(b"".join(inputs.digests))
        return name.hexdigest()

    def _read(self, path: Path, inputs: Inputs) -> StatesTable | None:
        if not path.is_file():
            return None
        table = read_states(path, inputs.keys)
        said = "is damaged, and made anew" if table is None else "has what frozen layers make of them"
        self._say(f"{inputs.kind}: {path} {said}")
        return table

    def _computed(self, path: Path, prefix: FrozenPrefix, inputs: Inputs) -> StatesTable | None:
        began = time.monotonic()
        write_states(path, self._states(prefix, inputs), int(prefix.cache_gib * 2**30))
        table = read_states(path, inputs.keys)
        if table is not None:
            count, all_ = len(table.offsets) - 1, len(inputs.keys)
            over = f"; cache_gib={prefix.cache_gib} has no room for the others" if count < all_ else ""
            took = f"{time.monotonic() - began:.0f} s"
            self._say(f"{inputs.kind}: frozen layers have read {count:,} of {all_:,} in {took}, into {path}{over}")
        return table

    @torch.no_grad()
    def _states(self, prefix: FrozenPrefix, inputs: Inputs) -> Iterator[list[Float[Tensor, "_ D"]]]:
        keys = [alike[0] for alike in inputs.keys]
        parts = [keys[start : start + BATCH] for start in range(0, len(keys), BATCH)]
        hidden = not Console().is_terminal
        for part in track(parts, f"Frozen layers: reading {inputs.kind}", transient=True, disable=hidden):
            loaded, device = inputs.load(part), self.trainer.strategy.root_device
            moved = loaded.to(device) if isinstance(loaded, Text) else tuple(group.to(device) for group in loaded)
            with self.trainer.precision_plugin.forward_context():
                out = prefix.compute(moved)
            yield [states.cpu() for states in inputs.unpad(part, out)]

    def _say(self, line: str) -> None:
        if self.trainer.is_global_zero:
            say(line)


def _said(value: Any) -> Any:
    """A configuration in plain values: a key without a value is as good as none."""
    return {k: _said(v) for k, v in value.items() if v is not None} if isinstance(value, Mapping) else value
