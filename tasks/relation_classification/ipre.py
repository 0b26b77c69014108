"""IPRE: Chinese sentences that name two persons, and how the one is related to the other, of 34 relations or none.

Source: Wang et al., "IPRE: a Dataset for Inter-Personal Relationship Extraction" (2019); SUDA-HLT/IPRE. Words stand
between spaces. A sentence's relations are ids behind its own; a bag is all sentences of an ordered pair of persons, and
its relations are those of its sentences. A person is found at the first word that is the name; a sentence with several
relations stands once for each.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mkgc.data.formats.converted import Placed, drawn
from mkgc.data.formats.text_files import find, read_lines
from mkgc.errors import DataError

NONE = "NA"
SUBSET = "sent_train_subset.txt"

Cells = tuple[list[str], str]
"""The cells of a line, and its place."""


def records(root: Path, split: str) -> Iterator[Placed]:
    """The sentences of a split, each with the bag that ``bag_relation_*.txt`` puts it into.

    Raises:
        DataError: A file is missing or empty, or a line is malformed or names what is not there.
    """
    folders = (root / split, root)
    named = {kind: find(*(folder / f"{kind}_{split}.txt" for folder in folders)) for kind in ("sent", "sent_relation")}
    bags = next((path for folder in folders if (path := folder / f"bag_relation_{split}.txt").is_file()), None)
    of_bag = {} if bags is None else {sentence: bag for bag, _, _, listed, _ in _bags(bags) for sentence in listed}
    for record, place in _records(root, named["sent"], named["sent_relation"]):
        yield record | ({"bag": of_bag[record["id"]]} if record["id"] in of_bag else {}), place


def subset_records(root: Path, split: str) -> list[Placed]:
    """The same of a part of train alone (``sent_train_subset.txt``), of whose pairs a tenth each is dev and test."""
    path = find(root / SUBSET)
    placed = [*_records(root, path, find(root / SUBSET.replace("sent_", "sent_relation_")))]
    return drawn(placed, split, [record["bag"] for record, _ in placed])


def relations(root: Path) -> tuple[str, ...]:
    """The relations in the order of their ids, from ``relation2id.txt``.

    Raises:
        DataError: The file is missing, or does not number relations 0, 1, 2, ….
    """
    path = find(root / "relation2id.txt")
    names: dict[str, str] = {}
    for (name, number), place in _rows(path, 2, "a relation, a tab and its number"):
        if number != str(len(names)) or name in names.values():
            raise DataError(f"relations must be numbered 0, 1, 2, …, each once, not {name!r:.40} {number!r:.20}", place)
        names[number] = name
    if not names:
        raise DataError("is empty", path)
    return tuple(names.values())


def read_bags(path: Path) -> list[tuple[str, str, str, list[str], list[int]]]:
    """The bags of a file: id, head, tail, ids of sentences and numbers of relations; raises as :func:`records` does."""
    return [*_bags(path)]


def _bags(path: Path) -> Iterator[tuple[str, str, str, list[str], list[int]]]:
    for (bag, head, tail, sentences, numbers), place in _rows(path, 5, "bag, head, tail, sentences and relations"):
        yield bag, head, tail, sentences.split(), _numbers(numbers, place)


def _records(root: Path, sentences: Path, labels: Path) -> Iterator[Placed]:
    names = relations(root)
    of_sentence = {
        key: _numbers(cell, place) for (key, cell), place in _rows(labels, 2, "a sentence's id and relations")
    }
    for (key, head, tail, text), place in _rows(sentences, 4, "id, head, tail and sentence"):
        words = text.split()
        if absent := next((name for name in (head, tail) if name not in words), None):
            raise DataError(f"'{absent:.40}' is no word of the sentence", place)
        if key not in of_sentence:
            raise DataError(f"{labels.name} does not say how {key} is labelled", place)
        ends = {role: [words.index(name), words.index(name) + 1] for role, name in (("head", head), ("tail", tail))}
        for number in of_sentence[key]:
            if number >= len(names):
                raise DataError(f"the relation {number} is not among the {len(names)} of relation2id.txt", place)
            yield {"id": key, "tokens": words, **ends, "relation": names[number], "bag": f"{head}\t{tail}"}, place


def _rows(path: Path, count: int, what: str) -> Iterator[Cells]:
    for number, line in read_lines(path):
        if line.strip():
            cells = line.split("\t")
            if len(cells) != count:
                raise DataError(f"a line must be {what}, between tabs", path, number)
            yield cells, f"{path}:{number}"


def _numbers(cell: str, place: str) -> list[int]:
    if not cell.split() or not all(part.isdecimal() for part in cell.split()):
        raise DataError(f"relations must be numbers between spaces, not {cell!r:.40}", place)
    return [*map(int, cell.split())]
