"""How many examples have images, and what is wrong with those that do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from mkgc.data.examples import ImagePaths
from mkgc.errors import DataError
from mkgc.images.decode import ImageError
from mkgc.reports.console import drawn
from mkgc.reports.table import Table
from mkgc.terminal import plural


@dataclass(frozen=True)
class Row:
    """One group of images in one split; ``broken`` counts the unusable files by kind, a shared file once a use."""

    split: str
    group: str
    examples: int
    covered: int
    named: int
    usable: int
    broken: dict[str, int] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """The share of examples with a usable image; 1 where there are no examples."""
        return self.covered / self.examples if self.examples else 1.0


@dataclass(frozen=True)
class Coverage:
    """A row for each split and group."""

    rows: tuple[Row, ...]

    def table(self) -> Table:
        """As text, which lies on the left."""
        columns = ("split", "images", "examples", "with one", "named", "usable", "missing", "broken")
        return Table("", columns, [_cells(row) for row in self.rows])

    def show(self) -> None:
        """Prints the table, where there are images to speak of."""
        if self.rows:
            Console().print(drawn(self.table()))

    def as_dict(self) -> list[dict[str, Any]]:
        """Plain values, for ``metrics.json``."""
        return [asdict(row) for row in self.rows]


def _cells(row: Row) -> tuple[str, ...]:
    broken = ", ".join(f"{n} {kind}" for kind, n in sorted(row.broken.items()) if kind != "missing")
    counts = (f"{row.examples:,}", f"{row.covered:,} ({row.share:.0%})", f"{row.named:,}", f"{row.usable:,}")
    return row.split, row.group, *counts, f"{row.broken.get('missing', 0):,}", broken or "0"


def count(
    split: str, images: Sequence[ImagePaths], groups: Iterable[str], problems: dict[Path, ImageError]
) -> list[Row]:
    """The rows of one split, for examples (or entities) with these images."""
    rows = []
    for group in groups:
        named = [path for p in images for path in p.get(group, ())]
        covered = sum(any(path not in problems for path in p.get(group, ())) for p in images)
        broken = Counter(problems[path].kind for path in named if path in problems)
        usable = len(named) - broken.total()
        rows.append(Row(split, group, len(images), covered, len(named), usable, dict(broken)))
    return rows


def check_minimum(coverage: Coverage, minimum: float) -> None:
    """Checks that each split has enough images.

    Raises:
        DataError: In some split and group the share of examples with a usable image is lower.
    """
    for row in coverage.rows:
        if row.share < minimum:
            raise DataError(
                f"only {row.covered:,} of {row.examples:,} examples of {row.split} ({row.share:.1%}) "
                f"{plural(row.covered, 'has', 'have')} a usable image in '{row.group}', "
                f"data.min_image_coverage={minimum} asks for more"
            )


def check_none_broken(problems: dict[Path, ImageError]) -> None:
    """Raises as ``bad_images=fail`` asks.

    Raises:
        DataError: Some image cannot be used; names the first and how many there are.
    """
    if problems:
        first = next(iter(problems.values()))
        count = f"{len(problems):,} {plural(len(problems), 'image', 'images')}"
        raise DataError(f"{first}; {count} in all cannot be used, and data.bad_images=fail")
