"""Vectors that a teacher makes of inputs, computed once: a memory-mapped file that the next run reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mkgc.app.locks import locked
from mkgc.app.signals import is_first
from mkgc.data.states import read_states, write_states
from mkgc.terminal import say

FORMAT = b"mkgc vectors 1"

ROOM = 2**62
"""Bytes that a file may have: all vectors are kept."""


@dataclass(frozen=True)
class Vectors:
    """A vector for each input: those that differ, and which of them each input has."""

    distinct: Float[Tensor, "U D"]
    place: Int[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.place)

    def of(self, row: int) -> Float[Tensor, " D"]:
        """The vector of an input."""
        return self.distinct[int(self.place[row])]

    def all(self) -> Float[Tensor, "n D"]:
        """Those of all inputs."""
        return self.distinct[torch.from_numpy(self.place)]


def kept_vectors(
    folder: Path | None,
    kind: str,
    model: str,
    inputs: Sequence[bytes],
    compute: Callable[[Sequence[int]], Float[Tensor, "U D"]],
) -> Vectors:
    """The vectors of inputs that are told apart by their digests, from a file of the folder, or computed into it.

    The file is named by a digest of what its contents depend on: a digest of the ``model`` and the inputs. ``compute``
    makes the vectors of the inputs in some rows. Without a folder, or where nothing can be written, they are computed
    for this run alone.
    """
    first: dict[bytes, int] = {}
    for row, digest in enumerate(inputs):
        first.setdefault(digest, row)
    order = sorted(first)
    number = {digest: i for i, digest in enumerate(order)}
    place = np.array([number[digest] for digest in inputs], dtype=np.int64)
    rows = [first[digest] for digest in order]
    if folder is None or not rows:
        return Vectors(compute(rows), place)
    path = folder / f"{_name(model, order)}.teacher_{kind}"
    try:
        with locked(folder):  # another run may be computing them now
            found = _read(path, kind, len(rows))
            return Vectors(_written(path, kind, compute(rows)) if found is None else found, place)
    except OSError as error:
        _tell(f"{kind}: the teacher's vectors cannot be kept, and are computed for this run alone: {error}")
        return Vectors(compute(rows), place)


def _name(model: str, inputs: Sequence[bytes]) -> str:
    return blake2b(b"\0".join((FORMAT, model.encode(), *inputs)), digest_size=16).hexdigest()


def _read(path: Path, kind: str, size: int) -> Float[Tensor, "U D"] | None:
    """The vectors in a file; None where there is none, or it is damaged."""
    if not path.is_file():
        return None
    table = read_states(path, [(row,) for row in range(size)])
    _tell(f"{kind}: {path} {'is damaged, and made anew' if table is None else 'has the vectors of the teacher'}")
    return None if table is None else table.states


def _written(path: Path, kind: str, vectors: Float[Tensor, "U D"]) -> Float[Tensor, "U D"]:
    write_states(path, [[*vectors.split(1)]], ROOM)
    _tell(f"{kind}: the teacher has read {len(vectors):,}, into {path}")
    return vectors


def _tell(line: str) -> None:
    if is_first():
        say(line)
