"""Warnings about a graph before it is used: columns in another order, names that are twins, empty tests."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from mkgc.data.graph import Graph, Triples
from mkgc.inspect.report import Finding
from mkgc.terminal import plural


def note_graph(graph: Graph) -> tuple[Finding, ...]:
    """Warnings about a graph's names before it is used."""
    relations, entities = note_twins("relations", graph.relations), note_twins("entities", graph.entities)
    return (*note_titles(graph), *note_order(graph), *relations, *entities, *note_quotes(graph), *note_tests(graph))


def note_titles(graph: Graph) -> list[Finding]:
    """A warning where a split's first triple is connected with nothing: its names may be titles of columns."""
    notes = []
    rest = np.concatenate([triples[1:] for triples in graph.triples.values()])
    for split, triples in graph.triples.items():
        head, relation, tail = triples[0].tolist()
        if np.isin((head, tail), rest[:, ::2]).any() or (rest[:, 1] == relation).any():
            continue
        said = ", ".join(
            f"'{name:.40}'" for name in (graph.entities[head], graph.relations[relation], graph.entities[tail])
        )
        text = f"nothing in the first triple of {split} ({said}) occurs in any but first triples"
        notes.append(Finding("warning", f"{text}: if these are titles of columns, delete that line"))
    return notes


def note_order(graph: Graph) -> list[Finding]:
    """A warning for train, or for each of the others, if its middle column holds entities by all appearances.

    In train: half of its values occur in the outer columns, or they are as many as half the entities; and an outer
    column has fewer values, which rather do not occur elsewhere. In dev and test: half of its values are entities of
    train, and no relations of it.
    """
    columns = {split: _columns(graph, split) for split in graph.triples}
    heads, relations, tails = columns["train"]
    entities = heads | tails
    notes = []
    for split, (_, middle, _) in columns.items():
        strange = middle & entities if split == "train" else (middle & entities) - relations
        wrong = 2 * len(strange) >= len(middle) > 0
        if split == "train":
            few = [
                len(outer) < len(middle) and 2 * len(outer & (middle | other)) < len(outer)
                for outer, other in ((heads, tails), (tails, heads))
            ]
            many = 2 * len(middle) >= len(entities) and 4 * min(len(heads), len(tails)) <= len(middle)
            wrong = any(few) and (wrong or many)
        if wrong:
            are = plural(len(strange), "is a head or tail", "are heads or tails")
            count = f"{len(strange):,} of its {len(middle):,} values {are}, too"
            text = f"the second column of {split} seems to hold entities ({count})"
            notes.append(Finding("warning", f"{text}: the order must be head, relation, tail"))
            if split == "train":
                break
    return notes


def _columns(graph: Graph, split: str) -> tuple[set[str], set[str], set[str]]:
    heads, relations, tails = (np.unique(column).tolist() for column in graph.triples[split].T)
    return (
        {graph.entities[i] for i in heads},
        {graph.relations[i] for i in relations},
        {graph.entities[i] for i in tails},
    )


def note_twins(what: str, names: Sequence[str]) -> list[Finding]:
    """A warning where names differ in nothing that a reader would see or mean."""
    first: dict[str, str] = {}
    twins = [(first[key], name) for name in names if first.setdefault(key := _plain(name), name) != name]
    if not twins:
        return []
    one, other = twins[0]
    differ = "in case, spaces, quotation marks, invisible characters or Unicode form only"
    verb, as_in = plural(len(twins), "differs", "differ"), f"{ascii(other)[:60]} from {ascii(one)[:60]}"
    text = f"{len(twins):,} of the {what} {verb} from another one {differ}, as {as_in}"
    return [Finding("warning", f"{text}: each stays one of its own")]


def note_quotes(graph: Graph) -> list[Finding]:
    """A remark where a spreadsheet may have put quotation marks around names."""
    quoted = [name for name in (*graph.entities, *graph.relations) if len(name) > 2 and name[0] == name[-1] == '"']
    if not quoted:
        return []
    stand, it = plural(len(quoted), "name stands", "names stand"), plural(len(quoted), "it", "them")
    said = f"{len(quoted):,} {stand} in quotation marks, which are kept as part of {it}, as {quoted[0]:.60}"
    return [Finding("info", said)]


def _plain(name: str) -> str:
    if not name.isascii():
        name = unicodedata.normalize("NFKC", name)
    if not name.isprintable():
        name = "".join(c for c in name if not unicodedata.category(c).startswith("C"))
    return " ".join(name.casefold().strip("\"'").split())


def note_tests(graph: Graph) -> list[Finding]:
    """Warnings for dev and test: all of it in train, a relation that train does not have, triples that come twice."""
    train, notes = graph.triples["train"], []
    for split, triples in graph.triples.items():
        if split == "train" or not len(triples):
            continue
        codes = triple_codes(graph, triples)
        if twice := len(codes) - len(np.unique(codes)):
            repeat = plural(twice, "repeats an earlier one, and counts", "repeat an earlier one, and count")
            text = f"{twice:,} of {len(codes):,} triples of {split} {repeat} as often"
            notes.append(Finding("warning", text))
        if np.isin(codes, triple_codes(graph, train)).all():
            notes.append(Finding("warning", f"every triple of {split} is in train: it measures nothing"))
        new = ~np.isin(triples[:, 1], train[:, 1])
        if new.any():
            name = graph.relations[int(triples[new][0, 1])]
            have = plural(int(new.sum()), f"triple of {split} has", f"triples of {split} have")
            text = f"{int(new.sum()):,} {have} a relation that train does not, as '{name:.60}'"
            notes.append(Finding("warning", f"{text}: nothing is learned of it"))
    return notes


def triple_codes(graph: Graph, triples: Triples) -> Int[np.ndarray, " n"]:
    """One number a triple."""
    head, relation, tail = triples.T
    return (head * len(graph.relations) + relation) * len(graph.entities) + tail
