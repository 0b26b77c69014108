"""Which queries are hard: kinds of relations, leaks, and the measures of each group of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int, Integer, Shaped

from mkgc.analysis.queries import PICTURES, Queries, Records, triples
from mkgc.metrics.ranking import TARGETS, ranking_metrics

MANY = 1.5
"""Mean number of partners from which a side counts as N."""

CATEGORIES = ("1-1", "1-N", "N-1", "N-N")
INDUCTIVE = "unseen"
LEAKS = ("leaked", "clean")

Groups = dict[str, dict[str, float]]
"""Measures by the name of the group."""


def relation_categories(train: Integer[np.ndarray, "n 3"], relations: int) -> tuple[str, ...]:
    """The category of each of ``relations`` relations by the training triples; "unseen" if there are none.

    1-N: a head has many tails on average, a tail few heads. Repeated triples count once.

    Source: Bordes et al. (2013), "Translating Embeddings for Modeling Multi-relational Data", section 4.3.
    """
    size = int(train[:, [0, 2]].max(initial=0)) + 1
    head, relation, tail = np.asarray(train, np.int64).T
    relation, ends = np.divmod(np.unique((relation * size + head) * size + tail), size * size)
    counts = np.bincount(relation, minlength=relations)
    sides = []
    for end in (ends % size, ends // size):
        partners = np.bincount(np.unique(relation * size + end) // size, minlength=relations)
        sides.append(counts >= MANY * partners)
    kinds = np.array([*CATEGORIES, INDUCTIVE])
    return tuple(kinds[np.where(counts > 0, 2 * sides[0] + sides[1], len(CATEGORIES))].tolist())


def clean_subset(triples: Integer[np.ndarray, "n 3"], train: Integer[np.ndarray, "k 3"]) -> Bool[np.ndarray, " n"]:
    """Marks the triples whose pair (h, t) training does not have reversed, by whatever relation.

    On the others, a rule that turns triples of train around may answer.

    Source: Toutanova & Chen (2015), "Observed versus latent features for knowledge base and text inference".
    """
    size = 1 + max(int(part[:, [0, 2]].max(initial=0)) for part in (triples, train))
    reversed_pairs = triples[:, 2].astype(np.int64) * size + triples[:, 0]
    return ~np.isin(reversed_pairs, train[:, 0].astype(np.int64) * size + train[:, 2])


def judged(table: Records, relations: tuple[str, ...], train: Integer[np.ndarray, "k 3"]) -> Queries:
    """Ranked queries with what train says of them: the categories of ``relations``, and which queries are clean."""
    clean = clean_subset(triples(table), train)
    return Queries(table, relations, relation_categories(train, len(relations)), clean)


def breakdown(queries: Queries) -> dict[str, Groups]:
    """The measures per relation, category, side, category and side ("1-N/head"), image availability and leak.

    Groups without a query are left out, and leaks where there are none.
    """
    table, kinds = queries.table, (*CATEGORIES, INDUCTIVE)
    category = np.array([kinds.index(name) for name in queries.categories], np.int64)[table["relation"]]
    side = table["side"].astype(np.int64)
    both = [f"{kind}/{name}" for kind in kinds for name in TARGETS]
    leaks = {} if queries.clean.all() else {"leak": _grouped(queries, queries.clean.astype(np.int64), LEAKS)}
    return leaks | {
        "relation": _grouped(queries, table["relation"].astype(np.int64), queries.relations),
        "category": _grouped(queries, category, kinds),
        "side": _grouped(queries, side, TARGETS),
        "category/side": _grouped(queries, category * len(TARGETS) + side, both),
        "images": _grouped(queries, table["images"].astype(np.int64), PICTURES),
    }


class Change(NamedTuple):
    """The main measure of a group of so many queries or examples in two systems."""

    group: str
    size: int
    first: float
    second: float
    difference: float

    @property
    def weight(self) -> float:
        """How far the group moves the measure of all, times their number."""
        return abs(self.difference) * self.size


def changes(first: Sequence[Queries], second: Sequence[Queries]) -> dict[str, list[Change]]:
    """Compares the MRR of two systems, each of one run or more, on the same queries, by :func:`breakdown`'s groups.

    Categories and leaks follow the first run's data. A query has the images that any run saw: one that reads none
    knows of none.

    Raises:
        MetricError: The queries differ.
    """
    systems = [[run.ordered() for run in runs] for runs in (first, second)]
    every, base = [run for runs in systems for run in runs], systems[0][0]
    for run in every:
        base.require_same(run)
    images = np.max([run.table["images"] for run in every], axis=0)
    found, others = ([breakdown(_grouped_alike(base, run.table, images)) for run in runs] for runs in systems)
    return {
        kind: [_change(name, *([run[kind][name] for run in runs] for runs in (found, others))) for name in groups]
        for kind, groups in found[0].items()
    }


def _grouped_alike(first: Queries, ranked: Records, images: Shaped[np.ndarray, " n"]) -> Queries:
    """The first run's queries with those ``images``, and the ranks of another."""
    table = first.table.copy()
    table["images"] = images
    for name in ("rank", "candidates"):
        table[name] = ranked[name]
    return replace(first, table=table)


def _change(group: str, first: Sequence[dict[str, float]], second: Sequence[dict[str, float]]) -> Change:
    one, other = (fmean(run["mrr"] for run in runs) for runs in (first, second))
    return Change(group, int(first[0]["count"]), one, other, other - one)


def _grouped(queries: Queries, group: Int[np.ndarray, " n"], names: Sequence[str]) -> Groups:
    """The measures of each group, whose number is a position in ``names``."""
    totals = np.stack([np.bincount(group, column, len(names)) for column in queries.columns.T], axis=1)
    return {name: ranking_metrics(row.tolist()) for name, row in zip(names, totals, strict=True) if row[0]}
