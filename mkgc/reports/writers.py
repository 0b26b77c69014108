"""The forms that tables are written in: Markdown, LaTeX, CSV and JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from mkgc.app.files import is_plain, json_text, write_whole
from mkgc.errors import ConfigError, printable
from mkgc.reports.table import Cell, Table, shown

TEX = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "−": "$-$"}
)


def texts(table: Table, escape: Callable[[str], str], emphasis: str) -> list[list[str]]:
    """The rows' cells as text; ``emphasis`` has the place, ``{}``, of a cell that stands out."""
    rows = [[escape(shown(cell)) for cell in row] for row in table.rows]
    for row, column in table.best:
        rows[row][column] = emphasis.format(rows[row][column])
    return rows


def markdown(tables: list[Table]) -> str:
    """The tables under their titles, each with its notes below."""
    return "\n".join(f"{printable(t.title)}\n\n{markdown_table(t)}{_listed(t.notes)}" for t in tables)


def _listed(notes: Sequence[str]) -> str:
    return "".join(f"{'' if i else chr(10)}- {printable(note)}\n" for i, note in enumerate(notes))


def markdown_table(table: Table, escape: Callable[[str], str] = lambda text: text.replace("|", "\\|")) -> str:
    """One table without its title; ``escape`` is for text in cells."""
    cells, head = texts(table, escape, "**{}**"), map(printable, table.columns)
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * len(table.columns), *cells))


def latex(tables: list[Table]) -> str:
    """The tables as tabulars of the booktabs package, each under its title and its notes as comments."""
    return "\n".join(f"{_comments(table.title, *table.notes)}{_tabular(table)}" for table in tables)


def _comments(*lines: str) -> str:
    return "".join(f"% {printable(line)}\n" for line in lines)


def _tabular(table: Table) -> str:
    sides = "".join("r" if table.numeric(i) else "l" for i in range(len(table.columns)))
    head, *body = (
        " & ".join(row) + r" \\" for row in (map(_tex, table.columns), *texts(table, _tex, r"\textbf{{{}}}"))
    )
    lines = [rf"\begin{{tabular}}{{{sides}}}", r"\toprule", head, r"\midrule", *body, r"\bottomrule", r"\end{tabular}"]
    return "".join(f"{line}\n" for line in lines)


def _tex(text: str) -> str:
    return printable(text).translate(TEX)


def as_json(tables: list[Table]) -> str:
    """The tables with their numbers unrounded."""
    rows = [[dict(zip(t.columns, map(_plain, row), strict=True)) for row in t.rows] for t in tables]
    plain = [
        {"title": table.title, "rows": part} | ({"notes": [*table.notes]} if table.notes else {})
        for table, part in zip(tables, rows, strict=True)
    ]
    return json_text(plain, indent=2, ensure_ascii=False) + "\n"


def _plain(cell: Cell) -> Any:
    return getattr(cell, "_asdict", lambda: cell)()


def as_csv(tables: list[Table]) -> str:
    """Tables with their numbers unrounded, deviations and bounds in columns of their own.

    Of several tables, the first column is their title, and a row has nothing in the columns of others.
    """
    if len(tables) > 1:
        tables = [replace(t, columns=("table", *t.columns), rows=[(t.title, *row) for row in t.rows]) for t in tables]
    rows = [_flat(dict(zip(table.columns, row, strict=True))) for table in tables for row in table.rows]
    out = io.StringIO()
    writer = csv.DictWriter(out, [*dict.fromkeys(chain.from_iterable(rows))], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _flat(row: dict[str, Cell]) -> dict[str, Cell]:
    out: dict[str, Cell] = {}
    for name, cell in row.items():
        out[name], *parts = cell if isinstance(cell, tuple) else (cell,)
        out |= zip((f"{name} {part}" for part in getattr(cell, "_fields", ())[1:]), parts, strict=True)
    return out


WRITERS: dict[str, Callable[[list[Table]], str]] = {
    ".md": markdown,
    ".json": as_json,
    ".csv": as_csv,
    ".tex": latex,
}


def check_form(output: Path) -> None:
    """Checks that there is a form for a file of that name; what has no suffix, as a pipe, gets Markdown.

    Raises:
        ConfigError: There is none.
    """
    if output.suffix not in WRITERS and (output.suffix or is_plain(output)):
        raise ConfigError(f"output={output}: must end with {', '.join(WRITERS)}")


def write(tables: list[Table], output: Path) -> None:
    """Writes the tables in the form that the file's name ends with.

    Raises:
        ConfigError: There is no such form.
    """
    check_form(output)
    write_whole(output, WRITERS.get(output.suffix, markdown)(tables))
