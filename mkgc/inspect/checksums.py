"""The label files of a data set by their sha256: which published version each is."""

from __future__ import annotations

import hashlib
from pathlib import Path

from mkgc.inspect.published import PUBLISHED, Published
from mkgc.inspect.report import Finding, Section
from mkgc.reports.table import Table

SUFFIXES = (".txt", ".tsv", ".json", ".jsonl")


def find_files(root: Path) -> list[Path]:
    """The text files of a data set, in its folder and in ``txt``; MNRE's relations may lie one folder above."""
    here = [path for folder in (root, root / "txt") if folder.is_dir() for path in sorted(folder.iterdir())]
    above = [] if (root / "ours_rel2id.json").is_file() else [root.parent / "ours_rel2id.json"]
    return [path for path in (*here, *above) if path.suffix in SUFFIXES and path.is_file()]


def name_files(root: Path, published: Published | None) -> Section:
    """Each file with its checksum and the release that it belongs to; a warning for one of another version."""
    rows, findings = [], []
    for path in find_files(root):
        checksum = digest(path)
        release = _release(checksum, published)
        rows.append((_name(path, root), path.stat().st_size, checksum, release or "not known here"))
        if published and checksum != published.files.get(path.name, checksum):
            findings.append(_differs(path.name, published))
    return Section((Table("Files", ("file", "bytes", "sha256", "known as"), tuple(rows)),), tuple(findings))


def digest(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _release(checksum: str, published: Published | None) -> str | None:
    """The release's title; the expected one first, because releases share files."""
    for release in (*([published] if published else []), *PUBLISHED.values()):
        if checksum in release.files.values():
            return release.title
    return None


def _differs(name: str, published: Published) -> Finding:
    text = f"{name} is another version than that of {published.title} (sha256 differs)"
    return Finding("warning", f"{text}: {published.note or 'scores on the two may not be comparable'}")


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else f"../{path.name}"
