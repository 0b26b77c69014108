"""The folder of explanations: a page, the numbers, and a picture a record, written whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from mkgc.app.files import json_text
from mkgc.app.scratch import scratch
from mkgc.errors import ConfigError, DataError
from mkgc.explanations.explanation import Explanation

PAGE, NUMBERS = "explanations.html", "explanations.json"
OURS = re.compile(rf"{PAGE}|{NUMBERS}|\d+\.png")

VERSION = 1
"""Of the form of the numbers; docs/explain.md describes it."""


def check_replaceable(folder: Path) -> None:
    """Checks that a folder holds nothing but an earlier explanation, if it is there.

    Raises:
        ConfigError: It holds anything else.
    """
    others = [file.name for file in folder.iterdir() if not OURS.fullmatch(file.name)] if folder.is_dir() else []
    if others:
        raise ConfigError(f"output={folder}: the folder holds other files, such as {min(others)}: give a new one")


class Writer:
    """Writes explanations one after another; of each, only what the page shows is kept in memory."""

    def __init__(self, folder: Path, numbers: TextIO, count: int) -> None:
        self.folder, self.numbers, self.width = folder, numbers, len(str(count))
        self.records: list[dict[str, Any]] = []

    def add(self, name: Any, one: Explanation | DataError) -> None:
        """Writes the numbers and the picture of a record, or what is wrong with it."""
        from mkgc.explanations.page import page_record
        from mkgc.explanations.picture import draw

        begun = f"{len(self.records) + 1:0{self.width}}"
        if isinstance(one, DataError):
            row: dict[str, Any] = {"id": name, "error": str(one)}
            self.records.append({"name": str(name), "error": str(one)})
        else:
            row = {"id": name} | one.as_dict() | {"picture": f"{begun}.png"}
            self.records.append(page_record(str(name), one))
            draw(one, self.folder / f"{begun}.png")
        self.numbers.write(f"{',' if len(self.records) > 1 else ''}\n{json_text(row, ensure_ascii=False)}")


@contextmanager
def writing(target: Path, count: int, checkpoint: str) -> Iterator[Writer]:
    """A writer of so many explanations, whose folder takes the place of ``target`` once all is written.

    An earlier explanation that lies there stays until then, and is replaced.
    """
    from mkgc.explanations.page import STEPS
    from mkgc.reports.pages import render

    target = target.resolve()
    with scratch(target) as beside:
        made, before = beside / "new", beside / "before"
        made.mkdir()
        with (made / NUMBERS).open("w", encoding="utf-8", errors="backslashreplace") as numbers:
            numbers.write(f'{{"version": {VERSION}, "checkpoint": {json_text(checkpoint)}, "records": [')
            writer = Writer(made, numbers, count)
            yield writer
            numbers.write("\n]}\n")
        shown = {"title": "Explanations", "checkpoint": checkpoint, "records": writer.records, "steps": STEPS}
        page = render("explanations.html", **shown)
        (made / PAGE).write_text(page, "utf-8", "backslashreplace")
        check_replaceable(target)
        if target.exists():
            target.rename(before)
        made.rename(target)
