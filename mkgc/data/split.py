"""Train, dev and test out of one set, drawn by a seed: no pair of entities, and no sentence, stands in two of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b

import numpy as np

from mkgc.data.graph import Graph, Triples
from mkgc.errors import DataError
from mkgc.inspect.report import Finding

WHOLE = "all"
"""The key of triples that are still to be split."""

DRAWN = ("test", "dev")
"""The splits that are drawn, in this order; the rest is train."""


TENTHS: Mapping[str, float] = {"dev": 0.1, "test": 0.1, "seed": 0}


def split_graph(graph: Graph, split: Mapping[str, float]) -> Graph:
    """The graph with its triples split as ``split`` says: the shares ``dev`` and ``test``, and the ``seed``.

    All triples between two entities, in whichever direction and of whatever relation, go into one split: read the
    other way around, or with another relation, one would answer the other. Of every entity and relation at least one
    triple stays in train. Which pairs are drawn depends on the seed and on their own ids, on nothing else: neither on
    the order of the lines nor on the machine; of a graph that has grown, most pairs stay where they were.

    Raises:
        DataError: Nothing can be drawn.
    """
    triples = graph.triples[WHOLE]
    drawn = _draw(graph, triples, split)
    for name, taken in drawn.items():
        if not taken:
            raise DataError(
                f"no triple of {len(triples):,} can go into {name}: each entity and relation keeps one in train, and "
                "all between two entities stay together; write train.tsv, dev.tsv and test.tsv yourself (data=tsv)"
            )
    rest = np.setdiff1d(np.arange(len(triples)), [row for rows in drawn.values() for row in rows])
    parts = {"train": rest, **{name: np.array(sorted(drawn[name]), dtype=np.int64) for name in reversed(DRAWN)}}
    notes = _notes({name: len(rows) for name, rows in parts.items()}, split)
    return replace(graph, triples={name: triples[rows] for name, rows in parts.items()}).noted(*notes)


def split_rows(keys: Sequence[str], split: Mapping[str, float] = TENTHS) -> tuple[list[int], list[int], list[int]]:
    """The rows of train, dev and test, in their order; the shares of the latter two are about those of ``split``.

    Rows of one key stay together. What is drawn depends on the seed of ``split`` and the keys alone.
    """
    sizes = Counter(keys)
    wanted = {2: round(split["test"] * len(keys)), 1: round(split["dev"] * len(keys))}
    parts: dict[str, int] = {}
    taken = [0, 0, 0]
    for key in sorted(sizes, key=lambda key: _number([key], int(split["seed"]))):
        part = next((place for place, count in wanted.items() if taken[place] < count), 0)
        parts[key] = part
        taken[part] += sizes[key]
    train, dev, test = ([row for row, key in enumerate(keys) if parts[key] == part] for part in range(3))
    return train, dev, test


def _draw(graph: Graph, triples: Triples, split: Mapping[str, float]) -> dict[str, list[int]]:
    """The rows of dev and test: pair by pair, each to the one that lacks more of its share."""
    rows = triples.tolist()
    pairs: dict[tuple[int, int], list[int]] = {}
    for row, (head, _, tail) in enumerate(rows):
        pairs.setdefault((min(head, tail), max(head, tail)), []).append(row)
    wanted = {name: round(split[name] * len(rows)) for name in DRAWN}
    drawn: dict[str, list[int]] = {name: [] for name in DRAWN}
    left = Counter(key for row in rows for key in _parts(row))
    for pair in sorted(pairs, key=lambda pair: _number([graph.entities[end] for end in pair], int(split["seed"]))):
        name = max(DRAWN, key=lambda name: 1 - len(drawn[name]) / max(1, wanted[name]))
        if len(drawn[name]) >= wanted[name]:
            break
        needed = Counter(key for row in pairs[pair] for key in _parts(rows[row]))
        fits = len(drawn[name]) + len(pairs[pair]) <= wanted[name]
        if fits and all(left[key] > count for key, count in needed.items()):  # train keeps one of each
            left.subtract(needed)
            drawn[name] += pairs[pair]
    return drawn


def _parts(triple: list[int]) -> list[tuple[str, int]]:
    """The entities and the relation of a triple, each once."""
    head, relation, tail = triple
    return [("relation", relation), *(("entity", end) for end in {head, tail})]


def _number(ids: Iterable[str], seed: int) -> bytes:
    """A draw that is the same on every machine."""
    return blake2b("\t".join((str(seed), *sorted(ids))).encode(), digest_size=16).digest()


def _notes(counts: Mapping[str, int], split: Mapping[str, float]) -> list[Finding]:
    """The sizes of the splits, and warnings of those that have clearly less than their share."""
    sizes = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    notes = [Finding("info", f"triples split with seed {int(split['seed'])}: {sizes}")]
    for name in DRAWN:
        wanted = round(split[name] * sum(counts.values()))
        if counts[name] < 0.9 * wanted - 1:
            text = f"{name} has {counts[name]:,} triples instead of {wanted:,}"
            notes.append(Finding("warning", f"{text}: of each entity and relation, train keeps one"))
    return notes
