"""The errors of a run that ranks entities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mkgc.analysis.answers import by_length
from mkgc.analysis.breakdown import breakdown
from mkgc.analysis.confidence import compare
from mkgc.analysis.queries import Queries
from mkgc.data.graph import Graph
from mkgc.errors import DataError, MkgcError
from mkgc.metrics.ranking import TARGETS
from mkgc.reports.comparison import measures_table
from mkgc.reports.error_report import WORST, Case, ErrorReport
from mkgc.reports.relevance import NONE_SHOWN, RESAMPLES, TITLE, tested_without_images
from mkgc.reports.saved import Run
from mkgc.reports.table import Cell, Table
from mkgc.reports.thumbnails import Thumbnail, thumbnail
from mkgc.training.run import BEST

COSTLY = 20
"""Relations that the table has."""

SHOWN = ("mrr", "hits@1", "hits@10")

IMAGES = {
    "none": "the known entity has no image",
    "own": "only the known entity has images",
    "both": "both entities have images",
}
"""The kinds of :data:`mkgc.analysis.queries.PICTURES` in words."""


def ranked_errors(title: str, one: Run, tested: Queries, root: str | None) -> ErrorReport:
    """Tables of groups of queries and of relations, and the queries whose answers have the worst ranks.

    Names and images of entities, and lengths of their texts, are those of the graph that the run's ``best.ckpt`` names.

    Raises:
        MkgcError: The graph at ``root`` is not that of the run.
    """
    notes = ["a smoke run: its ranks mean nothing"] if one.setting("smoke") is True else []
    if not len(tested.table):
        raise DataError("holds no query", one.folder)
    graph = _graph(one, tested, root, notes)
    groups = breakdown(tested)
    relations, images = groups.pop("relation"), groups.pop("images")
    columns = ("group", "queries", *SHOWN)
    costly = sorted(relations.items(), key=lambda item: item[1]["count"] * (item[1]["mrr"] - 1))
    tables = [
        Table("Groups of queries", columns, [_row(*group) for kind in groups.values() for group in kind.items()]),
        Table("Images", columns, [_row(IMAGES[name], found) for name, found in images.items()]),
        Table("Relations that cost most", ("relation", *columns[1:]), [_row(*each) for each in costly[:COSTLY]]),
    ]
    if graph is not None:
        tables.insert(1, _lengths(tested, graph, columns))
    without = None
    if tested.table["images"].any():
        without = tested_without_images(one, tested, root, notes)
    else:
        notes.append(NONE_SHOWN)
    if without is not None:
        tables += [_relevance(tested, without), measures_table(TITLE, compare([without], [tested], RESAMPLES))]
    worst = np.argsort(-tested.table["rank"], kind="stable")[:WORST].tolist()
    blind = {} if without is None else {row: float(without.table["rank"][row]) for row in worst}
    cases = [_case(tested.table[row], tested, graph, blind.get(row)) for row in worst]
    return ErrorReport(title, tables, cases, notes)


def _relevance(tested: Queries, without: Queries) -> Table:
    """Queries whose known entity has an image, by what that does to the answer's rank."""
    shown = tested.table["images"] > 0
    better = without.table["rank"] - tested.table["rank"]
    kinds = {"raise it": shown & (better > 0), "leave it": shown & (better == 0), "lower it": shown & (better < 0)}
    rows: list[tuple[Cell, ...]] = [
        (name, int(mask.sum()), tested.metrics(mask)["mrr"], without.metrics(mask)["mrr"])
        for name, mask in kinds.items()
        if mask.any()
    ]
    columns = ("images", "queries", "mrr", "mrr without images")
    return Table("Relevance of images: what they do to the rank of the answer", columns, rows)


def _row(name: str, found: dict[str, float]) -> tuple[Cell, ...]:
    return name, int(found["count"]), *(found[measure] for measure in SHOWN)


def _lengths(tested: Queries, graph: Graph, columns: tuple[str, ...]) -> Table:
    """The measures by the length of the known entity's text."""
    words = np.array([len(f"{n} {d}".split()) for n, d in zip(graph.names, graph.descriptions, strict=True)])
    known = np.where(tested.table["side"], tested.table["head"], tested.table["tail"])
    masks = by_length(words[known])
    return Table("Length of the known entity's text", columns, [_row(n, tested.metrics(m)) for n, m in masks.items()])


def _graph(one: Run, tested: Queries, root: str | None, notes: list[str]) -> Graph | None:
    """The graph of the run; None where it is not to be had, and a note why."""
    try:
        graph = _read(one.folder, root)
        _check_same(graph, tested)
    except MkgcError as error:
        if root is not None:
            raise
        notes.append(f"entities are numbers, and have no images: {error}")
        return None
    return graph


def _read(folder: Path, root: str | None) -> Graph:
    from mkgc.data.dataset import found_again, naming_root, read_settings, read_source
    from mkgc.data.graph_source import GraphSource
    from mkgc.training.checkpoint import open_trained
    from mkgc.training.trust import Trust

    _, trained = open_trained(folder / BEST, Trust.of(()))
    trained = found_again(trained, root)
    with naming_root(root):
        source = read_source(trained, read_settings(trained))
    if not isinstance(source, GraphSource):
        raise DataError("its best.ckpt is of a task that has no graph", folder)
    return source.graph


def _check_same(graph: Graph, tested: Queries) -> None:
    """Checks that a graph has the queries' triples.

    Raises:
        DataError: It is another one.
    """
    there = {tuple(row) for row in graph.triples["test"].tolist()}
    if graph.relations != tested.relations or not there.issuperset(map(tuple, tested.triples.tolist())):
        raise DataError("the graph is not the one whose test split was ranked: give root=DIR")


def _case(row: np.void, tested: Queries, graph: Graph | None, blind: float | None) -> Case:
    """``blind`` is the rank without images."""
    side, rank, candidates = TARGETS[row["side"]], float(row["rank"]), int(row["candidates"])
    ends = {end: _entity(int(row[end]), graph) for end in TARGETS}
    relation = tested.relations[row["relation"]] if graph is None else graph.relation_names[row["relation"]]
    asked = {**ends, side: "?"}
    known, gold = (int(row[end]) for end in (TARGETS[1 - row["side"]], side))
    facts = [
        ("gold", ends[side]),
        ("rank", f"{_number(rank)} of {candidates:,}" + (f"; without images {_number(blind)}" if blind else "")),
        ("relation", tested.relations[row["relation"]]),
    ]
    words = [(part, "") for part in (asked["head"], relation, asked["tail"])]
    images = [] if graph is None else [*_images(known, "known", graph), *_images(gold, "gold", graph)]
    return Case(f"{side} asked for", facts, words, images)


def _number(rank: float) -> str:
    return f"{rank:,.1f}".removesuffix(".0")


def _entity(number: int, graph: Graph | None) -> str:
    if graph is None:
        return f"entity {number}"
    name, own = graph.names[number], graph.entities[number]
    return name if name == own else f"{name} ({own})"


def _images(number: int, said: str, graph: Graph) -> Sequence[Thumbnail]:
    files = sorted(graph.images[number].get("image", ()))[:1]
    return [thumbnail(path, f"{said}: {path.name}") for path in files]
