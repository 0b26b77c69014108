"""Low-resource splits: a few training examples of each class, or a share of them, drawn by a seed or read from a file.

The file lies in the data set's folder, `8shot-42-train.tsv` or `10percent-42-train.tsv` for a graph (its triples, as
MKGformer publishes them), `8shot-42-train.rows` for sentences (a row of train in each line, counted from 0). A file
that is there decides; without one the same seed gives the same examples on any machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from mkgc.app.files import atomic_write
from mkgc.data.examples import RelationExample, Sentences, TaggedExample
from mkgc.data.formats.files import read_lines
from mkgc.data.graph import Graph, Triples
from mkgc.data.settings import DataSettings
from mkgc.errors import DataError

Example = TypeVar("Example", RelationExample, TaggedExample)


def cut_sentences(train: Sequence[Example], settings: DataSettings) -> Sequence[Example]:
    """The examples of train that the settings leave, in the order of the file.

    Raises:
        DataError: The file of the draw cannot be used.
    """
    if _whole(settings):
        return train
    path = subset_path(settings, "rows")
    rows = read_rows(path, len(train)) if path.is_file() else draw_rows([*map(classes, train)], settings)
    return [train[row] for row in rows]


def cut_graph(graph: Graph, settings: DataSettings) -> Graph:
    """The graph with the triples of train that the settings leave; its entities and relations stay.

    What is left out counts as unknown when answers are filtered, too: as in MKGformer's code, where the file of the
    draw takes the place of the whole one.

    Raises:
        DataError: The file of the draw cannot be used.
    """
    if _whole(settings):
        return graph
    path = subset_path(settings, "tsv")
    train = read_triples(path, graph) if path.is_file() else graph.triples["train"][_triple_rows(graph, settings)]
    return replace(graph, triples={**graph.triples, "train": train})


def write_subsets(source: Sentences | Graph, settings: DataSettings, subset_seeds: Iterable[int]) -> list[Path]:
    """Writes the file of each draw, atomically, and says which; one that is there, as a published one, is left.

    Raises:
        DataError: A file cannot be written.
    """
    written = []
    suffix = "tsv" if isinstance(source, Graph) else "rows"
    for one in (replace(settings, subset_seed=subset_seed) for subset_seed in subset_seeds):
        path = subset_path(one, suffix)
        if not path.exists():
            _write(path, _lines(source, one))
            written.append(path)
    return written


def subset_path(settings: DataSettings, suffix: str) -> Path:
    """Where the file of the draw lies, if there is one."""
    size = f"{settings.shots}shot" if settings.fraction is None else f"{settings.fraction * 100:.10g}percent"
    return Path(settings.root) / f"{size}-{settings.subset_seed}-train.{suffix}"


def classes(example: RelationExample | TaggedExample) -> frozenset[str]:
    """The relation of an example, or the entity types that occur in it."""
    if isinstance(example, RelationExample):
        return frozenset() if example.relation is None else frozenset({example.relation})
    return frozenset(tag[2:] for tag in example.tags or () if tag != "O")


def draw_rows(examples: Sequence[Collection[str]], settings: DataSettings) -> list[int]:
    """The numbers, in order, of the examples that are drawn, given the classes of each.

    Shots: examples are gone through in random order, and one is taken if a class of its own has not been taken often
    enough. So a relation gets exactly its shots (or all it has), an entity type at least these many sentences.
    Fraction: the share is taken of all examples with the same classes, rounded, but at least one. With one seed a
    larger draw holds a smaller one.
    """
    # The raw numbers of the generator: unlike what is made of them, they are the same in every version of numpy.
    order = np.argsort(np.random.PCG64(settings.subset_seed).random_raw(len(examples)), kind="stable").tolist()
    if settings.fraction is None:
        return sorted(_shots(examples, order, settings.shots or 0))
    return sorted(_share(examples, order, settings.fraction))


def _shots(examples: Sequence[Collection[str]], order: Iterable[int], shots: int) -> list[int]:
    taken: Counter[str] = Counter()
    rows = []
    for row in order:
        if any(taken[name] < shots for name in examples[row]):
            taken.update(examples[row])
            rows.append(row)
    return rows


def _share(examples: Sequence[Collection[str]], order: Iterable[int], fraction: float) -> list[int]:
    strata: dict[frozenset[str], list[int]] = {}
    for row in order:
        strata.setdefault(frozenset(examples[row]), []).append(row)
    return [row for rows in strata.values() for row in rows[: max(1, round(fraction * len(rows)))]]


def read_rows(path: Path, count: int) -> list[int]:
    """Row numbers, in order, each one of ``count``.

    Raises:
        DataError: The file is empty, or a line is no such number or repeats one.
    """
    rows: set[int] = set()
    for number, line in _filled(path):
        if not (line.isascii() and line.isdigit()) or int(line) >= count:
            raise DataError(f"'{line[:40]}' is no row of train: they are 0 to {count - 1}", path, number)
        if int(line) in rows:
            raise DataError(f"the row {line} comes twice", path, number)
        rows.add(int(line))
    if not rows:
        raise DataError("is empty", path)
    return sorted(rows)


def read_triples(path: Path, graph: Graph) -> Triples:
    """The triples of a file, in its order, as the graph numbers them.

    Raises:
        DataError: The file is empty, or a line is no triple of train or repeats one.
    """
    known = {_line(graph, triple): triple for triple in graph.triples["train"].tolist()}
    found: dict[str, list[int]] = {}
    for number, line in _filled(path):
        if line not in known:
            raise DataError(f"train has no such triple: {line[:80]!r}", path, number)
        if line in found:
            raise DataError(f"the triple comes twice: {line[:80]!r}", path, number)
        found[line] = known[line]
    if not found:
        raise DataError("is empty", path)
    return np.array([*found.values()], dtype=np.int64)


def _filled(path: Path) -> Iterator[tuple[int, str]]:
    return ((number, line) for number, line in read_lines(path) if line.strip())


def _whole(settings: DataSettings) -> bool:
    return settings.shots is None and settings.fraction is None


def _triple_rows(graph: Graph, settings: DataSettings) -> list[int]:
    """The rows of the triples that are drawn; what train repeats can be drawn but once."""
    first = np.sort(np.unique(graph.triples["train"], axis=0, return_index=True)[1])
    relations = [{str(relation)} for relation in graph.triples["train"][first, 1]]
    return first[draw_rows(relations, settings)].tolist()


def _line(graph: Graph, triple: Sequence[int]) -> str:
    head, relation, tail = triple
    return f"{graph.entities[head]}\t{graph.relations[relation]}\t{graph.entities[tail]}"


def _lines(source: Sentences | Graph, settings: DataSettings) -> list[str]:
    if isinstance(source, Graph):
        train = source.triples["train"]
        return [_line(source, train[row].tolist()) for row in _triple_rows(source, settings)]
    return [str(row) for row in draw_rows([*map(classes, source.splits["train"])], settings)]


def _write(path: Path, lines: Iterable[str]) -> None:
    try:
        with atomic_write(path) as beside:
            beside.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
    except OSError as error:
        raise DataError(f"cannot be written: {error.strerror}", path) from error
