"""The keys of a YAML file with what their comments say: behind the value, and going on below it, or above the key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

COMMENT = re.compile(r"(\s*)#\s?(.*)")
"""A line that is nothing but a comment."""


class Explained(NamedTuple):
    """A dotted key with its value as it is written (empty, where it holds further keys) and its comment.

    ``target`` is what the node builds that it is a setting of.
    """

    key: str
    value: str
    text: str
    target: str


class Choice(NamedTuple):
    """An entry of a defaults list: a group, what is chosen of it, and its comment."""

    group: str
    chosen: str
    text: str


def header(path: Path) -> list[str]:
    """The lines of the comment at the top of a file, without Hydra's own."""
    lines = path.read_text("utf-8").splitlines()
    found = (line.lstrip("#").strip() for line in lines[: _header_end(lines)])
    return [line for line in found if not line.startswith("@package")]


def read_keys(path: Path) -> list[Explained]:
    """The keys in their order, without Hydra's own."""
    source = path.read_text("utf-8")
    root = yaml.compose(source, yaml.SafeLoader)
    return [] if root is None else [*_keys(root, "", source, source.splitlines())]


def read_choices(path: Path) -> list[Choice]:
    """The groups of which a file's defaults list chooses."""
    source = path.read_text("utf-8")
    root = yaml.compose(source, yaml.SafeLoader)
    found = []
    for name, entries in root.value if root else ():
        for entry in entries.value if name.value == "defaults" else ():
            if isinstance(entry, yaml.MappingNode) and not (group := entry.value[0][0]).value.startswith("override"):
                value = entry.value[0][1]
                found.append(Choice(group.value, value.value, _behind(value.end_mark, source.splitlines())))
    return found


def _keys(node: yaml.MappingNode, above: str, source: str, lines: Sequence[str]) -> Iterator[Explained]:
    target = next((value.value for name, value in node.value if name.value == "_target_"), "")
    for name, value in node.value:
        if name.value.startswith("_") or (not above and name.value in ("defaults", "hydra")):
            continue
        key = f"{above}{name.value}"
        section = isinstance(value, yaml.MappingNode) and not value.flow_style
        text = _behind(name.end_mark if section else value.end_mark, lines)
        text = text or _over(name.start_mark, lines)
        written = "" if section else " ".join(source[value.start_mark.index : value.end_mark.index].split())
        if text or not section:
            yield Explained(key, written, text, target)
        if section:
            yield from _keys(value, f"{key}.", source, lines)


def _behind(mark: yaml.Mark, lines: Sequence[str]) -> str:
    """The comment behind a place, with the lines below that go on in its column."""
    found = re.match(r":?\s+#\s?(.*)", lines[mark.line][mark.column :]) if mark.line < len(lines) else None
    if found is None:
        return ""
    column = lines[mark.line].index("#", mark.column)
    parts = [found[1]]
    for line in lines[mark.line + 1 :]:
        below = COMMENT.fullmatch(line)
        if below is None or len(below[1]) != column:
            break
        parts.append(below[2])
    return " ".join(parts).strip()


def _over(mark: yaml.Mark, lines: Sequence[str]) -> str:
    """The comment in the lines above a key, in its column."""
    parts: list[str] = []
    for line in reversed(lines[_header_end(lines) : mark.line]):
        above = COMMENT.fullmatch(line)
        if above is None or len(above[1]) != mark.column:
            break
        parts.insert(0, above[2])
    return " ".join(parts).strip()


def _header_end(lines: Sequence[str]) -> int:
    return next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
