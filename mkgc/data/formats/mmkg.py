"""DB15K, MKG-W, MKG-Y and their like, in the three layouts that circulate, with their released features and tokens.

OpenKE's (MMRNS, AdaMF-MAT, NATIVE): ``train2id.txt`` of rows "head tail relation" by number below their count, named in
``entity2id.txt`` and ``relation2id.txt``. MyGO's: ``train.txt`` of rows head, relation, tail between tabs, listed in
``entities.txt`` and ``relations.txt``. MoMoK's: ``train.txt`` of rows "head relation tail ." by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from mkgc.data.formats.entity_images import find_images
from mkgc.data.formats.feature_tables import find_features, find_tokens
from mkgc.data.formats.kg import IMAGES, assemble
from mkgc.data.formats.tables import Row
from mkgc.data.formats.text_files import find, read_lines
from mkgc.data.formats.titles import skip_titles
from mkgc.data.formats.triples import Index, cells, find_splits, read_triples
from mkgc.data.graph import Graph, Triples
from mkgc.errors import DataError
from mkgc.inspect.report import Finding

OPENKE = {"train": ("train2id.txt",), "dev": ("valid2id.txt",), "test": ("test2id.txt",)}
TEXT = {"train": ("train.txt",), "dev": ("valid.txt", "dev.txt"), "test": ("test.txt",)}
"""The files' names for each split."""

Parts = tuple[Index, Index, dict[str, Triples]]
"""Entities, relations and triples."""


def read(root: Path, groups: Collection[str] = ("image",)) -> Graph:
    """The whole graph, in whichever layout its files have; entities are in the order of their numbers.

    Names are the readable part of ids, where no ``entity2text.txt`` gives better ones; images lie in ``images/NAME/``
    (:func:`filed`). Features and tokens lie where :func:`find_features` and
    :func:`find_tokens` look for them.

    Raises:
        DataError: A file is missing, empty or malformed, numbers are not those that are listed, or features are not
            parallel to the entities.
    """
    marks = [root / name for name in ("train2id.txt", "entities.txt", "train.txt")]
    layout = LAYOUTS[find(*marks, why="one of which tells the layout").name]
    notes: list[Finding] = []
    entities, relations, triples = layout(root, notes)
    images = find_images(root, IMAGES, filed(entities.positions), groups)
    graph = assemble(root, entities, relations, triples, images, readable)
    return replace(
        graph,
        features=find_features(root, entities),
        tokens=find_tokens(root, entities),
        notes=(*notes, *graph.notes),
    )


def local(identifier: str) -> str:
    """The last part of a web address, or the identifier where it is none."""
    bare = identifier.removeprefix("<").removesuffix(">")
    return bare if "://" not in bare else bare.rstrip("/#").replace("#", "/").rsplit("/", 1)[-1]


def filed(entities: Collection[str]) -> list[tuple[str, ...]]:
    """The names that images of each entity may have: its id, of a web address what it names, or its last part.

    ``<http://dbpedia.org/resource/Frost/Nixon_(film)>`` is Frost/Nixon_(film); that Nixon_(film) is its last part does
    not count, because it is another's.
    """
    ends = Counter(name for entity in entities for name in {_named(entity), local(entity)})
    last = ((entity, local(entity)) for entity in entities)
    return [(entity, _named(entity), *([end] if ends[end] == 1 else [])) for entity, end in last]


def _named(identifier: str) -> str:
    """The path behind the host of a web address and the first part behind it, or the fragment; else the identifier."""
    bare = identifier.removeprefix("<").removesuffix(">")
    _, fragment, name = bare.partition("#")
    return bare if "://" not in bare else name if fragment and name else bare.split("/", 4)[-1]


def readable(identifier: str) -> str:
    """The readable name: ``<http://dbpedia.org/resource/New_York>`` is New York."""
    return unquote(local(identifier)).replace("_", " ").strip() or identifier


def _openke(root: Path, _: list[Finding]) -> Parts:
    files = find_splits(root, OPENKE)
    listed = {kind: _numbered(find(root / f"{kind}2id.txt")) for kind in ("entity", "relation")}
    entities, relations = (Index(kind, map(str, range(len(n))), f"{kind}2id.txt") for kind, n in listed.items())
    triples = {split: read_triples(path, _counted(path), entities, relations) for split, path in files.items()}
    return _renamed(entities, listed["entity"], root), _renamed(relations, listed["relation"], root), triples


def _mygo(root: Path, notes: list[Finding]) -> Parts:
    files = find_splits(root, TEXT)
    entities = Index.of_file("entity", root / "entities.txt")
    relations = Index.of_file("relation", find(root / "relations.txt"))
    rows = {split: skip_titles(cells(path, 3), path, notes) for split, path in files.items()}
    triples = {split: read_triples(files[split], part, entities, relations) for split, part in rows.items()}
    entities, relations = (_renamed(index, _listed(root, index.kind), root) for index in (entities, relations))
    return entities, relations, triples


def _momok(root: Path, notes: list[Finding]) -> Parts:
    files = find_splits(root, TEXT)
    listed = {kind: _listed(root, kind) for kind in ("entity", "relation")}
    entities, relations = (Index(kind, n, f"{kind}2id.txt" if n else None) for kind, n in listed.items())
    rows = {split: skip_titles(_dotted(path), path, notes) for split, path in files.items()}
    triples = {split: read_triples(files[split], part, entities, relations) for split, part in rows.items()}
    return entities, relations, triples


LAYOUTS: dict[str, Callable[[Path, list[Finding]], Parts]] = {
    "train2id.txt": _openke,
    "entities.txt": _mygo,
    "train.txt": _momok,
}
"""The file that only a layout has (MoMoK's: once the others are ruled out), and how that is read."""


def _listed(root: Path, kind: str) -> list[str]:
    path = root / f"{kind}2id.txt"
    return _numbered(path) if path.is_file() else []


def _numbered(path: Path) -> list[str]:
    """Names in the order of the numbers behind them. The first line may be their count; names may hold spaces."""
    names: dict[int, str] = {}
    count = None
    for number, line in read_lines(path):
        name, _, digits = line.replace("\t", " ").strip().rpartition(" ")
        if not digits:
            continue
        if not digits.isdecimal() or (not name and number > 1) or int(digits) in names:
            raise DataError(f"must be a name and a number of its own, not {line.strip():.40}", path, number)
        if name:
            names[int(digits)] = name.strip()
        else:
            count = int(digits)
    _complete(path, names, count)
    return [names[i] for i in range(len(names))]


def _complete(path: Path, names: Mapping[int, str], count: int | None) -> None:
    if not names:
        raise DataError("is empty", path)
    if count is not None and count != len(names):
        raise DataError(f"begins with the count {count}, but there are {len(names)} lines", path)
    if max(names) != len(names) - 1:
        raise DataError(f"must number its {len(names)} names from 0 to {len(names) - 1}", path)
    if len(twice := Counter(names.values())) != len(names):
        raise DataError(f"numbers '{twice.most_common(1)[0][0]}' twice", path)


def _renamed(index: Index, names: Sequence[str], root: Path) -> Index:
    """An index over numbers as one over the names that these number; as it is where there are no names."""
    if not names:
        return index
    source = f"{index.kind}2id.txt"
    for key in index.positions:
        if not key.isdecimal() or int(key) >= len(names):
            raise DataError(f"does not number the {index.kind} '{key}'", root / source)
    return Index(index.kind, (names[int(key)] for key in index.positions), source)


def _counted(path: Path) -> Iterator[Row]:
    """Rows below their count. A row is head, tail, relation."""
    count, seen = None, 0
    for number, line in read_lines(path):
        row = line.split()
        if count is None:
            count = _count(row, path)
        elif row:
            if len(row) != 3:
                raise DataError(f"{len(row)} columns instead of head, tail and relation as numbers", path, number)
            seen += 1
            yield number, (row[0], row[2], row[1])
    if seen != (count or 0):
        raise DataError(f"begins with the count {count}, but there are {seen} triples: fetch it again", path)


def _count(row: Sequence[str], path: Path) -> int:
    if len(row) != 1 or not row[0].isdecimal():
        raise DataError(f"must begin with the count of its triples, not {' '.join(row):.40}", path, 1)
    return int(row[0])


def _dotted(path: Path) -> Iterator[Row]:
    """Rows of head, relation and tail between spaces, with a full stop behind them or without."""
    for number, line in read_lines(path):
        row = line.split()
        row = row[:3] if row[3:] == ["."] else row
        if row and len(row) != 3:
            raise DataError(f"{len(row)} columns instead of head, relation, tail and a full stop", path, number)
        if row:
            yield number, row
