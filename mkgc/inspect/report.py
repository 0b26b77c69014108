"""The form of a report: tables, and findings that say whether training may go on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from mkgc.errors import one_line, printable
from mkgc.reports.table import Table
from mkgc.terminal import say

Severity = Literal["fatal", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("fatal", "warning", "info")


@dataclass(frozen=True)
class Finding:
    """``fatal``: training may not go on; ``warning``: its results may mislead; ``info``: good to know."""

    severity: Severity
    text: str

    def say(self) -> None:
        """Prints it as a line."""
        say(one_line(self.text if self.severity == "info" else f"{self.severity}: {self.text}"))


class Section(NamedTuple):
    """One inspection's part of a report."""

    tables: tuple[Table, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Report:
    """All that was found, the gravest findings first."""

    title: str
    tables: tuple[Table, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def fatal(self) -> bool:
        """Whether training may not go on."""
        return any(finding.severity == "fatal" for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for ``report.json``."""
        tables = [{"title": one.title, "columns": one.columns, "rows": one.rows} for one in self.tables]
        findings = [asdict(finding) for finding in self.findings]
        return {"fatal": self.fatal, "title": self.title, "tables": tables, "findings": findings}


def collect(title: str, sections: Iterable[Section]) -> Report:
    """One report of several inspections; tables without rows are left out, and names of the data are cut short."""
    parts = list(sections)
    tables = tuple(_cut(table) for part in parts for table in part.tables if table.rows)
    findings = [Finding(finding.severity, one_line(finding.text)) for part in parts for finding in part.findings]
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return Report(printable(title), tables, tuple(findings))


def _cut(table: Table) -> Table:
    rows = (tuple(one_line(cell, 200) if isinstance(cell, str) else cell for cell in row) for row in table.rows)
    return Table(printable(table.title), tuple(map(printable, table.columns)), tuple(rows))


def verdict(report: Report) -> str:
    """The report in one line."""
    numbers = [sum(f.severity == severity for f in report.findings) for severity in SEVERITIES]
    said = "training may not go on" if report.fatal else "training may go on"
    return f"{said} (fatal: {numbers[0]}, warnings: {numbers[1]}, remarks: {numbers[2]})"
