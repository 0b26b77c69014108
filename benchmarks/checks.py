"""`python -m benchmarks.checks ARCHIVES`: the check reports of public data sets, as pages and JSON in ``docs/checks``.

``ARCHIVES`` is a folder of ``NAME.tar.xz``, each with a folder of that name inside. An archive that is not there is
named and its pages stay as they are.
"""

from __future__ import annotations

import json
import sys
import tarfile
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.runs import composed, fill
from mkgc.check import check_data
from mkgc.inspect.report import Report, verdict
from mkgc.reports.writers import markdown_table

PAGES = Path("docs/checks").resolve()
BEGIN, END = "<!-- table: python -m benchmarks.checks -->", "<!-- end of table -->"


class Checked(NamedTuple):
    """A data set: its page, the archive and the folder inside it, the task, and how it is read."""

    page: str
    archive: str
    folder: str
    task: str
    overrides: tuple[str, ...]

    @property
    def command(self) -> str:
        """The command as a user types it."""
        return f"python -m mkgc.check {' '.join(self.arguments('DIR'))}"

    def arguments(self, root: str) -> list[str]:
        """The overrides for data in ``root``; the archives hold no images."""
        return [f"task={self.task}", *self.overrides, f"data.root={root}", "~data.images"]


def _graph(page: str, archive: str, folder: str, *overrides: str) -> Checked:
    return Checked(page, archive, folder, "link_prediction", (*overrides, "data.max_length=64"))


def _small(name: str) -> Checked:
    return _graph(name, "small", f"small/{name}", "data=tsv")


CHECKED = (
    Checked("mnre", "mnre", "mnre", "mre", ("data=mnre",)),
    Checked("twitter2015", "twitter2015", "twitter2015", "mner", ("data=twitter2015",)),
    Checked("twitter2017", "twitter2017", "twitter2017", "mner", ("data=twitter2017",)),
    _graph("fb15k237", "fb15k237", "fb15k237", "data=fb15k237_img"),
    _graph("wn18", "wn18", "wn18", "data=wn18_img"),
    _graph("wn18rr", "wn18rr", "wn18rr", "data=wn18rr"),
    _graph("umls", "small", "small/umls_kgbert", "data=wn18rr", "data.name=umls"),
    _graph("db15k", "mmkg", "mmkg/DB15K", "data=mmkg", "data.name=db15k"),
    _graph("mkg_w", "mmkg", "mmkg/MKG-W", "data=mmkg", "data.name=mkg_w"),
    _graph("mkg_y", "mmkg", "mmkg/MKG-Y", "data=mmkg", "data.name=mkg_y"),
    _graph("tiva", "mmkg", "mmkg/TIVA", "data=mmkg"),
    _graph("codex_s", "codex_s", "codex_s/triples/codex-s", "data=tsv"),
    *map(_small, ("nations", "kinships", "countries_S1", "countries_S2", "countries_S3")),
)


def checked(archives: Path) -> Iterator[tuple[Checked, Report]]:
    """The report of each data set whose archive is there."""
    with TemporaryDirectory() as folder, chdir(folder):
        for data in CHECKED:
            archive = archives / f"{data.archive}.tar.xz"
            if not archive.is_file():
                print(f"{archive} is not there: docs/checks/{data.page}.md stays as it is")
                continue
            if not Path(data.folder).is_dir():
                with tarfile.open(archive) as tar:
                    tar.extractall(filter="data")
            print(f"{data.page} …", flush=True)
            yield data, check_data(composed(*data.arguments(data.folder), name="check"))


def page(data: Checked, report: Report) -> str:
    """The report in Markdown, with the command that makes it."""
    findings = "\n".join(f"- **{finding.severity}** {_escaped(finding.text)}" for finding in report.findings)
    tables = "\n".join(f"## {_escaped(table.title)}\n\n{markdown_table(table, _escaped)}" for table in report.tables)
    made = f"    {data.command}"
    return f"# {_escaped(report.title)}\n\n{made}\n\n**{verdict(report)}**\n\n{findings}\n\n{tables}"


def _escaped(text: str) -> str:
    for mark in "\\|`*_<[":
        text = text.replace(mark, f"\\{mark}")
    return text.replace("\n", "<br>")


def overview(reports: Path) -> str:
    """One line for each page that is there."""
    lines = ["| data set | command | fatal | warnings |", "| --- | --- | --- | --- |"]
    for data in CHECKED:
        file = reports / f"{data.page}.json"
        if file.is_file():
            found = [finding["severity"] for finding in json.loads(file.read_text())["findings"]]
            counts = f"{found.count('fatal')} | {found.count('warning')}"
            lines.append(f"| [{data.page}]({data.page}.md) | `{data.command}` | {counts} |")
    return "\n".join(lines)


def main() -> None:
    """The command."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m benchmarks.checks ARCHIVES")
    for data, report in checked(Path(sys.argv[1]).resolve()):
        (PAGES / f"{data.page}.md").write_text(page(data, report), encoding="utf-8")
        plain = json.dumps(report.as_dict(), indent=1, ensure_ascii=False)
        (PAGES / f"{data.page}.json").write_text(f"{plain}\n", encoding="utf-8")
    fill(PAGES / "README.md", BEGIN, END, overview(PAGES))


if __name__ == "__main__":
    main()
