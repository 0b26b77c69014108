"""Knowledge graphs: relations, repetitions, leaks from train, texts, and how connected the entities are."""

from __future__ import annotations

from collections import Counter

import numpy as np
from jaxtyping import Int

from mkgc.data.examples import SPLITS
from mkgc.data.graph import Graph, Triples
from mkgc.data.notes import triple_codes
from mkgc.inspect.counts import compare_counts, compare_sizes
from mkgc.inspect.overlap import find_overlap
from mkgc.inspect.published import Published
from mkgc.inspect.report import Finding, Section
from mkgc.inspect.sentence_checks import spread
from mkgc.reports.table import Cell, Share, Table
from mkgc.terminal import plural

INVERSE_LEAK = 0.1
"""Share of reversed pairs from which a rule that turns triples around beats many models."""


def inspect_graph(graph: Graph, published: Published | None) -> list[Section]:
    """All there is to say of a graph, but for its images and prompts."""
    return [
        count_relations(graph, published),
        find_overlap(
            {"triple": {split: triple_codes(graph, triples).tolist() for split, triples in graph.triples.items()}}
        ),
        find_leaks(graph),
        find_unseen(graph),
        look_at_texts(graph),
        measure_degrees(graph),
    ]


def count_relations(graph: Graph, published: Published | None) -> Section:
    """Triples of each split and relation, and the sizes of the graph."""
    triples = [graph.triples[split] for split in SPLITS]
    counted = [np.bincount(part[:, 1], minlength=len(graph.relations)).tolist() for part in triples]
    by_relation = dict(zip(graph.relations, zip(*counted, strict=True), strict=True))
    ordered = dict(sorted(by_relation.items(), key=lambda item: -item[1][0]))
    tables, findings = compare_counts("Counts", "relations", {"triples": [*map(len, triples)], **ordered}, published)
    sizes, differing = compare_sizes(
        {"entities": len(graph.entities), "relations": len(graph.relations)},
        published,
    )
    empty = [Finding("fatal", f"{s} has no triple") for s, part in zip(SPLITS, triples, strict=True) if not len(part)]
    return Section((*tables, *sizes), (*findings, *differing, *empty))


def find_leaks(graph: Graph) -> Section:
    """How many pairs (h, t) of dev and test occur in train, as they are or reversed; and self-loops."""
    forward = _pairs(graph, graph.triples["train"])
    rows: list[tuple[Cell, ...]] = []
    findings = []
    for split, triples in graph.triples.items():
        loops = int((triples[:, 0] == triples[:, 2]).sum())
        if split == "train":
            rows.append((split, len(triples), loops, None, None, None, None))
            continue
        same = int(np.isin(_pairs(graph, triples), forward).sum())
        back = int(np.isin(_pairs(graph, triples[:, ::-1]), forward).sum())
        rows.append((split, len(triples), loops, same, _share(same, len(triples)), back, _share(back, len(triples))))
        if back:
            findings.append(_inverse(split, back, len(triples)))
    columns = ("split", "triples", "self-loops", "(h, t) in train", "share", "(t, h) in train", "share")
    return Section((Table("Leaks", columns, tuple(rows)),), tuple(findings))


def _pairs(graph: Graph, triples: Triples) -> Int[np.ndarray, " n"]:
    return triples[:, 0] * len(graph.entities) + triples[:, 2]


def _share(part: int, whole: int) -> Share:
    return Share(part / max(1, whole))


def _inverse(split: str, back: int, of: int) -> Finding:
    occur = plural(back, "occurs", "occur")
    text = f"{back:,} of {of:,} pairs (h, t) of {split} ({back / of:.1%}) {occur} in train as (t, h)"
    if back < INVERSE_LEAK * of:
        return Finding("info", text)
    return Finding("warning", f"{text}: turning triples of train around answers them")


def find_unseen(graph: Graph) -> Section:
    """Entities and relations of dev and test that train does not have: what is learned of them is nothing."""
    train = graph.triples["train"]
    rows: list[tuple[Cell, ...]] = []
    findings = []
    for split, triples in graph.triples.items():
        if split == "train":
            continue
        ends, kinds = triples[:, [0, 2]], triples[:, 1]
        unseen, strange = ~np.isin(ends, train[:, [0, 2]]), ~np.isin(kinds, train[:, 1])
        entities, relations = len(np.unique(ends[unseen])), len(np.unique(kinds[strange]))
        touched = int((unseen.any(1) | strange).sum())
        rows.append((split, entities, relations, touched, _share(touched, len(triples))))
        if touched:
            new = f"entities {entities:,}, relations {relations:,}"
            name = plural(touched, f"triple of {split} names", f"triples of {split} name")
            findings.append(Finding("warning", f"{touched:,} {name} what train does not have: {new}"))
    columns = ("split", "entities", "relations", "triples with one", "share")
    return Section((Table("Unseen in train", columns, tuple(rows)),), tuple(findings))


def look_at_texts(graph: Graph) -> Section:
    """Entities without a text, with a name only, and with a name that others have, too."""
    named = [len({*names}) > 1 for names in graph.synonyms()]
    told = [bool(text) for text in graph.descriptions]
    bare = sum(not name and not text for name, text in zip(named, told, strict=True))
    short = sum(name and not text for name, text in zip(named, told, strict=True))
    shared, sharing = _shared(graph.names)
    _, meaning = _shared(graph.relation_names)
    rows: tuple[tuple[Cell, ...], ...] = (
        ("entities without a text", bare, _share(bare, len(named))),
        ("entities with a name only", short, _share(short, len(named))),
        ("entities whose name others have, too", sharing, _share(sharing, len(named))),
        ("relations whose text others have, too", meaning, _share(meaning, len(graph.relations))),
    )
    findings = []
    if bare:
        have = plural(bare, "entity has no text: its", "entities have no text: their")
        findings.append(Finding("warning", f"{bare:,} {have} id stands in for it"))
    if short:
        have = plural(short, "entity has", "entities have")
        findings.append(Finding("info", f"{short:,} {have} a name, but no description"))
    if sharing:
        names = f"{shared:,} {plural(shared, 'name', 'names')}"
        findings.append(Finding("info", f"{sharing:,} entities share {names}: the text alone cannot tell them"))
    return Section((Table("Texts", ("what", "number", "share"), rows),), tuple(findings))


def _shared(names: tuple[str, ...]) -> tuple[int, int]:
    """How many names several have, and how many have them."""
    counts = [count for count in Counter(names).values() if count > 1]
    return len(counts), sum(counts)


def measure_degrees(graph: Graph) -> Section:
    """Triples of train that an entity or a relation is in."""
    train = graph.triples["train"]
    entities = np.bincount(train[:, [0, 2]].ravel(), minlength=len(graph.entities))
    relations = np.bincount(train[:, 1], minlength=len(graph.relations))
    rows: list[tuple[Cell, ...]] = []
    for what, names, degrees in (("entity", graph.names, entities), ("relation", graph.relations, relations)):
        if len(degrees):
            rows.append((what, *spread(degrees.tolist()), names[int(degrees.argmax())], int((degrees == 0).sum())))
    columns = ("triples of train of one", "median", "90th percentile", "most", "which", "with none")
    return Section((Table("Degrees", columns, tuple(rows)),))
