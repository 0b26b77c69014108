"""Images and texts of entities as others have released them: one vector an entity, or tokens of a codebook."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file
from torch import Tensor

from mkgc.app.sealed import check_sums
from mkgc.data.formats.triples import Index
from mkgc.data.graph import Tokens
from mkgc.data.near import suggest
from mkgc.errors import DataError

SUFFIXES = (".pth", ".pt", ".npy", ".safetensors")
KINDS = {"visual": ("visual", "img_features"), "textual": ("textual", "text_features")}
"""Names of feature files in the folder of a graph: plainly, and by MoMoK."""


def find_features(root: Path, entities: Index) -> dict[str, Float[Tensor, "E D"]]:
    """The features that lie in the folder of a graph, or (AdaMF-MAT, NATIVE) as ``embeddings/NAME-visual.pth`` above.

    Raises:
        DataError: They are not parallel to the entities, or these have no order.
    """
    found: dict[str, Float[Tensor, "E D"]] = {}
    for kind, stems in KINDS.items():
        places = [root / stem for stem in stems]
        places += [up / "embeddings" / f"{root.resolve().name}-{kind}" for up in _above(root)]
        if path := _first(place.with_name(place.name + suffix) for place in places for suffix in SUFFIXES):
            if entities.source is None:
                raise DataError("has rows in the order of entity2id.txt, and there is no such file", path)
            found[kind] = read_features(path, len(entities.positions))
    return found


def find_tokens(root: Path, entities: Index) -> dict[str, Tokens]:
    """The tokens of a graph (MyGO): ``tokens/NAME-visual.json`` with the codebook ``tokens/visual.pth``.

    The folder ``tokens`` lies in that of the graph, beside it or one above.

    Raises:
        DataError: They are damaged, or name an entity that the graph does not have.
    """
    found: dict[str, Tokens] = {}
    # Released dictionaries name entities, or number them (DB15K).
    positions = {str(i): i for i in range(len(entities.positions))} | entities.positions
    for kind in KINDS:
        for folder in (up / "tokens" for up in (root, *_above(root))):
            names = (folder / f"{root.resolve().name}-{kind}{version}.json" for version in ("", "-v2"))
            if path := _first(names):
                codebook = _first([folder / f"{kind}.pth"])
                found.setdefault(kind, read_tokens(path, positions, len(entities.positions), codebook))
    return found


def read_features(path: Path, entities: int | None = None) -> Float[Tensor, "E D"]:
    """The vectors in a ``.pth``, ``.pt``, ``.npy`` or ``.safetensors`` file, one a row; nothing in it is executed.

    Raises:
        DataError: The file is damaged or holds anything but one table of finite numbers, or has not a row an entity.
    """
    table = _load(path)
    if isinstance(table, dict) and len(table) == 1:
        table = next(iter(table.values()))
    if isinstance(table, np.ndarray) and table.dtype.kind in "fiu":
        table = torch.from_numpy(np.ascontiguousarray(table))
    if not isinstance(table, Tensor) or table.ndim != 2 or table.is_complex() or table.dtype == torch.bool:
        raise DataError(f"holds {_said(table)} where a table of numbers is wanted, one row an entity", path)
    if entities is not None and len(table) != entities:
        raise DataError(f"has {len(table)} rows, but there are {entities} entities", path)
    table = table.detach().float()
    if bad := int((~table.isfinite()).any(1).sum()):
        raise DataError(f"{bad} of {len(table)} rows hold numbers that are not finite", path)
    return table


def read_tokens(path: Path, positions: Mapping[str, int], entities: int, codebook: Path | None = None) -> Tokens:
    """A JSON dictionary {entity: [code, …]} with the codebook's vectors; ``positions`` says where an entity belongs.

    Raises:
        DataError: A file is damaged, an entity unknown, or a code no number of a row of the codebook.
    """
    content = _json(path)
    vectors = None if codebook is None else read_features(codebook)
    codes = [torch.zeros(0, dtype=torch.long)] * entities
    for name, value in content.items():
        if name not in positions:
            raise DataError(f"the entity '{name}' is not in the graph{suggest(name, positions)}", path)
        codes[positions[name]] = _codes(name, value, None if vectors is None else len(vectors), path)
    return Tokens(tuple(codes), vectors)


def _codes(name: str, value: Any, size: int | None, path: Path) -> Int[Tensor, " _"]:
    if not isinstance(value, list) or not all(type(code) is int and code >= 0 for code in value):
        raise DataError(f"the tokens of '{name}' must be a list of whole numbers from 0, not {value!r:.40}", path)
    if size is not None and value and max(value) >= size:
        raise DataError(f"'{name}' has the token {max(value)}, but the codebook {size} rows", path)
    return torch.tensor(value, dtype=torch.long)


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataError(f"is not JSON: {error}", path) from None
    if not isinstance(content, dict):
        raise DataError("must map entities to lists of tokens", path)
    return content


def _load(path: Path) -> Any:
    try:
        if path.suffix == ".npy":
            return np.load(path, allow_pickle=False)
        if path.suffix == ".safetensors":
            return load_file(path)
        check_sums(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes each of the three raise nearly anything
        raise DataError("was not loaded: it is damaged, or holds more than plain numbers", path) from error


def _said(table: Any) -> str:
    if isinstance(table, dict):
        return f"a dictionary of {len(table)}"
    if isinstance(table, Tensor | np.ndarray):
        return f"numbers of shape {tuple(table.shape)} and type {str(table.dtype).removeprefix('torch.')}"
    return f"a {type(table).__name__}"


def _above(root: Path) -> tuple[Path, Path]:
    return root.resolve().parent, root.resolve().parent.parent


def _first(paths: Iterable[Path]) -> Path | None:
    return next((path for path in paths if path.is_file()), None)
