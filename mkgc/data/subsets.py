"""Low-resource splits: a few training examples of each class, or a share of them, drawn by a seed or read from a file.

The file lies in the data set's folder, named by size and seed: `8shot-42-train.tsv`, `10percent-42-train.rows`. The
source says what its lines are: triples of a graph (as MKGformer publishes them), or rows of train counted from 0.
A file that is there decides; without one the same seed gives the same examples on any machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mkgc.app.files import atomic_write
from mkgc.data.dataset import DataSource
from mkgc.data.formats.text_files import read_lines
from mkgc.data.settings import DataSettings
from mkgc.errors import DataError


def subset_rows(source: DataSource, settings: DataSettings) -> list[int] | None:
    """The rows of train that the settings leave, in the order of the split's file; None: all of them.

    Raises:
        DataError: The file of the split cannot be used.
    """
    if settings.shots is None and settings.fraction is None:
        return None
    path = subset_path(settings, source.subset_suffix)
    lines = source.subset_lines()
    return _read(path, lines) if path.is_file() else _draw(source, lines, settings)


def write_subsets(source: DataSource, settings: DataSettings, subset_seeds: Iterable[int]) -> list[Path]:
    """Writes the file of each split, atomically, and says which; one that is there, as a published one, is left.

    Raises:
        DataError: A file cannot be written.
    """
    drawn = [replace(settings, subset_seed=subset_seed) for subset_seed in subset_seeds]
    missing = {path: one for one in drawn if not (path := subset_path(one, source.subset_suffix)).exists()}
    lines = source.subset_lines() if missing else ()
    for path, one in missing.items():
        _write(path, [lines[row] for row in _draw(source, lines, one)])
    return [*missing]


def subset_path(settings: DataSettings, suffix: str) -> Path:
    """Where the file of the draw lies, if there is one."""
    size = f"{settings.shots}shot" if settings.fraction is None else f"{settings.fraction * 100:.10g}percent"
    return Path(settings.root) / f"{size}-{settings.subset_seed}-train.{suffix}"


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


def _draw(source: DataSource, lines: Sequence[str], settings: DataSettings) -> list[int]:
    """The rows that are drawn, of train's distinct examples; ``lines`` tell which are equal."""
    rows = [*_first_rows(lines).values()]
    train = source.examples()["train"]
    return [rows[i] for i in draw_rows([source.classes(train[row]) for row in rows], settings)]


def _first_rows(lines: Iterable[str]) -> dict[str, int]:
    rows: dict[str, int] = {}
    for row, line in enumerate(lines):
        rows.setdefault(line, row)
    return rows


def _read(path: Path, lines: Sequence[str]) -> list[int]:
    """The rows that a file names, each by its line.

    Raises:
        DataError: The file is empty, or a line stands for no example of train or repeats one.
    """
    known = _first_rows(lines)
    found: dict[str, int] = {}
    for number, line in read_lines(path):
        if not line.strip():
            continue
        if line not in known:
            raise DataError(f"train has no such example: {line[:80]!r}", path, number)
        if line in found:
            raise DataError(f"the example comes twice: {line[:80]!r}", path, number)
        found[line] = known[line]
    if not found:
        raise DataError("is empty", path)
    return [*found.values()]


def _write(path: Path, lines: Iterable[str]) -> None:
    try:
        with atomic_write(path) as beside:
            beside.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
    except OSError as error:
        raise DataError(f"cannot be written: {error.strerror}", path) from error
