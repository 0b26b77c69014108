"""`python -m mkgc.tools.keys_page docs/keys.md`: every key of every command, out of comments of YAML and docstrings."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from inspect import getdoc
from pathlib import Path
from typing import Any

from hydra.utils import get_object

from mkgc.app import keys
from mkgc.app.config import said, signature_types
from mkgc.app.explained import Explained, header, read_keys
from mkgc.app.files import write_whole
from mkgc.app.help import COMPOSED, VERBS, choices, options, purpose
from mkgc.app.packages import CONF, own_tasks

PLACES = {
    "task": "",
    "model": "task.model.",
    "data": "data.",
    "knowledge": "data.knowledge.",
    "backbone": "backbone.",
    "size": "size.",
    "text": "size.text.",
    "tokens": "size.tokenizer.",
    "vision": "size.vision.",
    "trainer": "trainer.",
    "logger": "logger.",
    "launcher": "launcher.",
    "search": "search.",
    "graph": "graph.",
}
"""Where a group's keys stand, whose files explain them; of others, such as experiments, they are settings of these."""

FIRST = ("folder", "mkgformer", "small", "cpu")
"""The options of their groups whose comments come first."""

OWN = ("mkgc.", "tasks.")

INHERITED = ("data", "trainer")
"""Groups whose options all have the keys of the first."""

INTRODUCTION = """# Keys

Every key of every command, with its default (… where it must be given), the values that it may have, and what it is. A
key is given as `key=value`. A choice brings keys of its own; where not all options of a choice have a key, those that
do stand in brackets, and `python -m mkgc.train task=NAME … --cfg job` prints what a choice has, with its values.
`hydra.run.dir=DIR` names the folder of a run.

<!-- Written by `make keys` out of conf/ and docstrings. -->
"""


@dataclass
class Row:
    """A key of the page, with the names of the files that have it."""

    key: str
    value: str
    text: str = ""
    values: str = ""
    files: list[str] = field(default_factory=list)


def page() -> str:
    """The whole page."""
    with own_tasks():
        parts = [INTRODUCTION, *map(_verb, VERBS)]
        parts.insert(2, _choices())
        parts.insert(3, "\n".join(_group(*group) for group in PLACES.items()))
    return "\n".join(parts)


def rows() -> list[Row]:
    """All keys of the page."""
    with own_tasks():
        found = [row for verb in VERBS for row in _own(verb)]
        return found + [row for group in PLACES.items() for row in _merged(*group)]


def _verb(verb: str) -> str:
    more = " It has the choices and keys of `train`, too." if verb in COMPOSED and verb != "train" else ""
    return f"## {verb}\n\n{purpose(verb)}{more}\n\n{_table(_own(verb))}"


def _own(verb: str) -> list[Row]:
    declared: Mapping[str, Any] = getattr(keys, verb.upper())
    return [_row(one, "", declared) for one in read_keys(CONF / f"{verb}.yaml")]


def _choices() -> str:
    """The groups of `train` with their options, each with the comment at the top of its file."""
    parts = ["### Choices\n"]
    for one in choices():
        parts.append(f"`{one.group}`: {one.text}\n")
        heads = ((name, " ".join(header(CONF / one.group / f"{name}.yaml"))) for name in options(one.group))
        parts += [f"- `{name}`: {text}" if text else f"- `{name}`" for name, text in heads]
        parts.append("")
    return "\n".join(parts)


def _group(group: str, place: str) -> str:
    title = f"`{place}*`" if place else "`task.*`, `optim.*`"
    found = _merged(group, place)
    return f"### {title}\n\n{_table(found, 0 if group in INHERITED else len(options(group)))}" if found else ""


def _merged(group: str, place: str) -> list[Row]:
    """The keys of a group's files, each once: as the first file has it, with the first comment that there is."""
    found: dict[str, Row] = {}
    files = sorted((CONF / group).rglob("*.yaml"), key=lambda file: (file.stem not in FIRST, file))
    for file in files:
        name = str(file.relative_to(CONF / group).with_suffix(""))
        at = "" if "@package _global_" in file.read_text("utf-8") else place
        for one in read_keys(file):
            row = _row(one, at, keys.TRAIN)
            if row.key.startswith(place):
                known = found.setdefault(row.key, row)
                known.files.append(name)
                known.text, known.values = known.text or row.text, known.values or row.values
    return [*found.values()]


def _row(one: Explained, place: str, declared: Mapping[str, Any]) -> Row:
    key = f"{place}{one.key}"
    target = get_object(one.target) if one.target.startswith(OWN) else None
    name = one.key.rpartition(".")[2]
    hint = declared.get(key, signature_types(target).get(name) if target else None)
    text = one.text or _sentence(getdoc(target) or "", name)
    return Row(key, one.value, text, said(hint) if _is_plain(hint) else "")


def _is_plain(hint: Any) -> bool:
    """Whether a type is one that a value can be written of, rather than what is built."""
    words = said(hint)
    return hint is not None and "node" not in words and not re.search(r"\b[A-Z]\w+\b", words)


def _sentence(docstring: str, name: str) -> str:
    """What a docstring says of a parameter: the sentence that names it."""
    text = " ".join(docstring.split())
    found = next((part for part in re.split(r"(?<=\.) ", text) if f"``{name}``" in part), "")
    return found.replace("``", "`")


def _table(found: Iterable[Row], of: int = 0) -> str:
    """Where not all ``of`` a group have a key, those that do are named."""
    return "\n".join(["| key | default | values | what |", "| --- | --- | --- | --- |", *_lines(found, of), ""])


def _lines(found: Iterable[Row], of: int) -> Iterator[str]:
    for row in found:
        only = f" ({', '.join(row.files)})" if len(row.files) < of else ""
        value = "…" if row.value == "???" else f"`{row.value}`" if row.value else ""
        cells = [f"`{row.key}`", value, row.values, row.text + only]
        yield "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("give the file that the page is written to")
    write_whole(Path(sys.argv[1]), page())
