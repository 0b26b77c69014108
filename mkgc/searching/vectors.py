"""FAISS indexes over vectors: exact, or approximate by lists or by a graph, and how much an approximate one finds."""

from __future__ import annotations

import math
from importlib import import_module
from types import ModuleType
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from mkgc.errors import ConfigError

Rows = Float32[np.ndarray, "n W"]
Kind = Literal["flat", "hnsw", "ivf"]

TAUGHT = 64
"""Vectors of each list that say where its centre is: FAISS asks for 39, and takes 256 where it may."""

PROBED, LEAST = 1 / 16, 64
"""Share of the lists that an approximate search looks into, and how many it does at least: of few lists each holds what
is near to several centres."""

NEIGHBOURS, BUILT, LOOKED = 32, 80, 256
"""Of a graph (HNSW): links of each vector, candidates when one is added, and candidates of a search."""

ASKED, FOUND = 1000, 10
"""Vectors that recall is measured with at most, and how many of the nearest each of them asks for."""


def load_faiss(asked: str) -> ModuleType:
    """The library.

    Raises:
        ConfigError: It is not installed; the message begins with what was ``asked``.
    """
    try:
        return import_module("faiss")
    except ImportError as error:
        raise ConfigError(f"{asked} needs FAISS, which is not installed: pip install mkgc[faiss]") from error


def flat(faiss: ModuleType, rows: Rows, metric: int) -> Any:
    """An empty index that compares with every vector."""
    return faiss.IndexFlat(rows.shape[1], metric)


def lists(faiss: ModuleType, rows: Rows, metric: int) -> Any:
    """An empty index of some 4 √N lists around centres of the ``rows``, which looks into a sixteenth of them, or 64."""
    count = max(min(4 * math.isqrt(len(rows)), len(rows) // TAUGHT), 1)
    index = faiss.IndexIVFFlat(flat(faiss, rows, metric), rows.shape[1], count, metric)
    index.nprobe = max(round(PROBED * count), min(LEAST, count))
    index.cp.max_points_per_centroid, index.cp.min_points_per_centroid = TAUGHT, 1
    index.train(rows)
    return index


def graph(faiss: ModuleType, rows: Rows, metric: int) -> Any:
    """An empty index whose vectors will be linked with near ones. Source: HNSW (Malkov and Yashunin, 2018)."""
    index = faiss.IndexHNSWFlat(rows.shape[1], NEIGHBOURS, metric)
    index.hnsw.efConstruction, index.hnsw.efSearch = BUILT, LOOKED
    return index


MAKERS = {"flat": flat, "hnsw": graph, "ivf": lists}


def index_rows(rows: Rows, kind: Kind) -> Any:
    """An index that finds rows by their inner product with a query.

    Raises:
        ConfigError: FAISS is not installed.
    """
    faiss = load_faiss(f"an index of images (kind={kind})")
    index = MAKERS[kind](faiss, rows, faiss.METRIC_INNER_PRODUCT)
    index.add(rows)
    return index


def pack(index: Any) -> UInt8[np.ndarray, " n"]:
    """An index as bytes."""
    return load_faiss("an index of images").serialize_index(index)


def unpack(packed: UInt8[np.ndarray, " n"]) -> Any:
    """Undoes :func:`pack`.

    Raises:
        ConfigError: FAISS is not installed.
    """
    return load_faiss("this index of images").deserialize_index(packed)


def recall(index: Any, rows: Rows) -> float:
    """The share of the nearest rows, by exact search, that an index finds; queries are some of the rows themselves."""
    asked = rows[:: math.ceil(len(rows) / ASKED)]
    most = min(FOUND, len(rows))
    return shared(index.search(asked, most)[1], index_rows(rows, "flat").search(asked, most)[1])


def shared(found: Int64[np.ndarray, "n K"], right: Int64[np.ndarray, "n K"]) -> float:
    """The share of what is right in each row that was found."""
    return float(np.mean([len({*one} & {*other}) / len(other) for one, other in zip(found, right, strict=True)]))
