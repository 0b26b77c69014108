"""Images: how many examples have a usable one, what is wrong with the others, and what the user allows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mkgc.data.examples import Illustrated
from mkgc.data.settings import DataSettings
from mkgc.images.coverage import Coverage
from mkgc.images.decode import KINDS, ImageError
from mkgc.inspect.report import Finding, Section
from mkgc.reports.table import Cell, Share, Table
from mkgc.terminal import plural

NAMED = 5
"""Broken files that are named, of each kind."""

Problems = Mapping[Path, ImageError]


def inspect_images(coverage: Coverage, problems: Problems, settings: DataSettings) -> Section:
    """Coverage of each split and group, and broken files by kind, judged by what the settings ask for."""
    findings = [*_too_few(coverage, settings), *_broken(problems, settings)]
    return Section((cover(coverage), list_broken(problems, Path(settings.root))), tuple(findings))


def cover(coverage: Coverage) -> Table:
    """How many examples (or entities) have a usable image, and how many images are there at all."""
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (row.split, row.group, row.examples, row.covered, Share(row.share), row.named, row.usable)
        for row in coverage.rows
    )
    columns = ("of", "images", "examples", "with one", "share", "named", "usable")
    return Table("Images", columns, rows)


def list_broken(problems: Problems, root: Path) -> Table:
    """Broken files by kind, the first few by name."""
    found: dict[str, list[str]] = defaultdict(list)
    for path, problem in sorted(problems.items()):
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
        found[problem.kind].append(f"{name} ({problem.detail})" if problem.detail else name)
    rows = tuple((kind, len(found[kind]), "\n".join(_first(found[kind]))) for kind in KINDS if kind in found)
    return Table("Broken images", ("kind", "files", "such as"), rows)


def _first(names: Sequence[str]) -> Iterable[str]:
    yield from names[:NAMED]
    if len(names) > NAMED:
        yield f"… {len(names) - NAMED:,} more"


def _too_few(coverage: Coverage, settings: DataSettings) -> Iterable[Finding]:
    least = settings.min_image_coverage
    for row in coverage.rows:
        what = row.split if row.split == "entities" else f"examples of {row.split}"
        counted = f"{row.covered:,} of {row.examples:,} {what} ({row.share:.1%})"
        text = f"{counted} {plural(row.covered, 'has', 'have')} a usable image in '{row.group}'"
        if row.share < least:
            yield Finding("fatal", f"{text}, data.min_image_coverage={least} asks for more")
        elif row.covered < row.examples:
            yield Finding("warning", f"{text}; the others go without")


def _broken(problems: Problems, settings: DataSettings) -> Iterable[Finding]:
    if problems and settings.bad_images == "fail":
        yield Finding(
            "fatal",
            f"{len(problems):,} {plural(len(problems), 'image', 'images')} cannot be used, and data.bad_images=fail",
        )


def judge_skipping(splits: Mapping[str, Sequence[Illustrated]], problems: Problems, settings: DataSettings) -> Section:
    """With ``bad_images=skip``, how many examples of each split are left."""
    if settings.bad_images != "skip":
        return Section()
    findings = []
    for split, part in splits.items():
        left = sum(not any(path in problems for path in _used(e, settings)) for e in part)
        if left < len(part):
            lost = len(part) - left
            text = f"{lost:,} of {len(part):,} examples of {split} {plural(lost, 'is', 'are')} left out"
            text += ": data.bad_images=skip"
            findings.append(Finding("warning" if left else "fatal", text))
    return Section((), tuple(findings))


def _used(example: Illustrated, settings: DataSettings) -> Iterable[Path]:
    return (path for group in settings.images for path in example.images.get(group, ())[: settings.max_images])
