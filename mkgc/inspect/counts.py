"""Counts of each split beside those that were published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mkgc.data.examples import SPLITS
from mkgc.inspect.published import Published
from mkgc.inspect.report import Finding, Section
from mkgc.reports.table import Cell, Table

MOST = 30
"""Classes that are listed one by one."""

Counts = Mapping[str, Sequence[int]]
"""Counts by what is counted, one for each split."""


def compare_counts(title: str, what: str, found: Counts, published: Published | None) -> Section:
    """A row for each thing that was counted, beside the published counts of that name, if there are any."""
    known = published.counts if published else {}
    names = [*found, *(name for name in known if name not in found)]
    full = {name: tuple(found.get(name, (0,) * len(SPLITS))) for name in names}
    rows = tuple((name, *numbers, *_beside(numbers, known.get(name))) for name, numbers in _listed(full, known))
    columns = (what, *SPLITS, "published", "")
    if not known:
        rows, columns = tuple(row[:-2] for row in rows), columns[:-2]
    findings = [
        Finding("warning", f"{name}: found {_joined(full[name])}, published {_joined(known[name])}")
        for name in names
        if name in known and full[name] != known[name]
    ]
    return Section((Table(title, columns, rows),), tuple(findings))


def compare_sizes(found: Mapping[str, int], published: Published | None) -> Section:
    """The same for what is counted once for the whole data set."""
    known = published.sizes if published else {}
    rows = tuple((name, size, *_beside((size,), _one(known.get(name)))) for name, size in found.items())
    findings = tuple(
        Finding("warning", f"{name}: found {size:,}, published {known[name]:,}")
        for name, size in found.items()
        if known.get(name, size) != size
    )
    return Section((Table("Sizes", ("what", "found", "published", ""), rows),), findings)


def _listed(counts: Counts, known: Counts) -> Iterable[tuple[str, Sequence[int]]]:
    """The first ones and those that were published; what is left as one sum."""
    chosen = [name for i, name in enumerate(counts) if i <= MOST or name in known]
    yield from ((name, counts[name]) for name in chosen)
    rest = [numbers for name, numbers in counts.items() if name not in chosen]
    if rest:
        yield f"{len(rest):,} others", tuple(sum(column) for column in zip(*rest, strict=True))


def _one(size: int | None) -> tuple[int, ...] | None:
    return None if size is None else (size,)


def _beside(found: Sequence[int], known: Sequence[int] | None) -> tuple[Cell, Cell]:
    if known is None:
        return None, None
    return _joined(known), "equal" if tuple(found) == tuple(known) else "differs"


def _joined(numbers: Sequence[int]) -> str:
    return " / ".join(f"{number:,}" for number in numbers)
