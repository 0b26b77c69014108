"""Vectors of a graph's entities and relations out of a file, found by their ids."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError, safe_open
from torch import Tensor

from mkgc.errors import DataError
from mkgc.terminal import say

KINDS = ("entities", "relations")
WANTED = (
    "a run or checkpoint of system=transe, or safetensors with the tensors 'entities' and "
    "'relations' and, in their metadata, lists of ids as JSON under the same names"
)


class FoundVectors(NamedTuple):
    """Which of some ids have a vector, and these."""

    rows: Int[Tensor, " K"]
    values: Float[Tensor, "K D"]


class _Table(NamedTuple):
    ids: Sequence[str]
    weight: Float[Tensor, "N D"]


def read_node_vectors(
    place: Path | str, entities: Sequence[str], relations: Sequence[str], width: int
) -> tuple[FoundVectors, FoundVectors]:
    """The vectors of entities and of relations, as far as the file has them, which a line says.

    The file is a checkpoint of a model of vectors (``system=transe``), or safetensors (:data:`WANTED`).

    Raises:
        CheckpointError: It is called a checkpoint, and cannot be read.
        DataError: It holds no vectors, or vectors of another ``width``, or none of the entities.
    """
    from mkgc.training.run import checkpoint_file

    path = checkpoint_file(place)
    tables = _of_safetensors(path) if path.suffix == ".safetensors" else _of_checkpoint(path)
    found = [_find(table, ids, width, path) for table, ids in zip(tables, (entities, relations), strict=True)]
    if not len(found[0].rows):
        raise DataError(f"has a vector for none of the graph's {len(entities):,} entities", path)
    counts = [f"{len(one.rows):,} of {len(ids):,}" for one, ids in zip(found, (entities, relations), strict=True)]
    say(f"{path}: vectors of {counts[0]} entities and {counts[1]} relations; the others begin at random")
    return found[0], found[1]


def _find(table: _Table, ids: Sequence[str], width: int, path: Path) -> FoundVectors:
    if table.weight.shape[1] != width:
        raise DataError(f"has vectors of {table.weight.shape[1]} numbers, for backbone.side.width={width}", path)
    if not table.weight.isfinite().all():
        raise DataError("has vectors that are NaN or infinite", path)
    places = {name: row for row, name in enumerate(table.ids)}
    pairs = [(row, places[name]) for row, name in enumerate(ids) if name in places]
    here, there = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).T
    return FoundVectors(here, table.weight[there].float())


def _of_checkpoint(path: Path) -> list[_Table]:
    from mkgc.training.checkpoint import read  # whose network may itself have an encoder that reads vectors

    contents = read(path)
    processor, state = contents["mkgc"].get("processor"), contents["state_dict"]
    if not isinstance(processor, Mapping):
        raise DataError(f"has no vectors of a graph: give {WANTED}", path)
    return [_table(processor.get(kind), state.get(f"kge.{kind}.weight"), path) for kind in KINDS]


def _of_safetensors(path: Path) -> list[_Table]:
    try:
        with safe_open(path, framework="pt") as file:
            said, there = file.metadata() or {}, {*file.keys()}
            return [_table(_ids(said, kind), file.get_tensor(kind) if kind in there else None, path) for kind in KINDS]
    except (OSError, SafetensorError) as error:
        raise DataError(f"cannot be read: {error}; give {WANTED}", path) from error


def _ids(said: Mapping[str, str], kind: str) -> Any:
    try:
        return json.loads(said.get(kind, "null"))
    except ValueError:
        return None


def _table(ids: Any, weight: Any, path: Path) -> _Table:
    """A table with an id for each of its rows.

    Raises:
        DataError: There is none.
    """
    listed = isinstance(ids, list) and all(isinstance(one, str) for one in ids)
    if not listed or not isinstance(weight, Tensor) or weight.ndim != 2 or len(weight) != len(ids):
        raise DataError(f"has no vectors of a graph, each with its id: give {WANTED}", path)
    return _Table(ids, weight)
