"""States that frozen layers made of inputs: a table in a memory-mapped file, looked up when a batch is made."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from mkgc.app.sealed import SEAL, intact, write_sealed

LENGTH = 8
"""Bytes at the end that say how long the description before them is."""


@dataclass(frozen=True)
class StatesTable:
    """The states of each input, one behind the other; those of row ``i`` lie between two of ``offsets``."""

    rows: Mapping[Hashable, int]
    states: Float[Tensor, "S D"]
    offsets: Int[np.ndarray, " n"]

    def __contains__(self, key: Hashable) -> bool:
        return key in self.rows

    def take(self, keys: Sequence[Hashable]) -> tuple[Float[Tensor, "K S D"], Bool[Tensor, "K S"]]:
        """The states of some inputs, padded to the longest, and where there is one; at least one state wide."""
        rows = np.array([self.rows[key] for key in keys])
        starts, stops = self.offsets[rows], self.offsets[rows + 1]
        states = pad_sequence(
            [self.states[start:stop] for start, stop in zip(starts, stops, strict=True)], batch_first=True
        )
        states = torch.nn.functional.pad(states, (0, 0, 0, max(1 - states.shape[1], 0)))
        return states, torch.arange(states.shape[1]) < torch.from_numpy(stops - starts)[:, None]


def write_states(path: Path, batches: Iterable[Sequence[Float[Tensor, "_ D"]]], room: int) -> None:
    """Writes the states of inputs, as many as fit into ``room`` bytes, whole or not at all.

    Raises:
        OSError: The file cannot be written.
    """
    write_sealed(path, lambda file: _write(file, batches, room))


def _write(file: BinaryIO, batches: Iterable[Sequence[Float[Tensor, "_ D"]]], room: int) -> None:
    offsets, said = [0], {"dtype": "float32", "width": 1}
    for batch in batches:
        for states in batch:
            data = states.contiguous().view(torch.uint8).numpy().tobytes() if len(states) else b""
            if file.tell() + len(data) > room:
                break
            file.write(data)
            offsets.append(offsets[-1] + len(states))
            said = {"dtype": str(states.dtype).removeprefix("torch."), "width": states.shape[1]}
        else:
            continue
        break
    file.write(np.array(offsets).tobytes())
    description = json.dumps({**said, "inputs": len(offsets) - 1}).encode()
    file.write(description + len(description).to_bytes(LENGTH, "little"))


def read_states(path: Path, keys: Sequence[Sequence[Hashable]]) -> StatesTable | None:
    """The table in a file; ``keys`` are those of each input, in the order of writing. None where it is damaged."""
    if not intact(path):
        return None
    end = path.stat().st_size - SEAL
    content = np.memmap(path, np.uint8, mode="c", shape=(end,))
    length = int.from_bytes(content[end - LENGTH :].tobytes(), "little")
    said = json.loads(content[end - LENGTH - length : end - LENGTH].tobytes())
    stop = end - LENGTH - length - 8 * (said["inputs"] + 1)
    offsets = np.frombuffer(content[stop : end - LENGTH - length].tobytes(), np.int64)
    states = torch.from_numpy(content[:stop]).view(getattr(torch, said["dtype"])).view(-1, said["width"])
    rows = {key: row for row, alike in enumerate(keys[: said["inputs"]]) for key in alike}
    return StatesTable(rows, states, offsets)
