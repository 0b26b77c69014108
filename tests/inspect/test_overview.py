import dataclasses
from pathlib import Path
from typing import Any

from mkgc.check import check_data
from mkgc.inspect.report import Report
from tests.conftest import composed


def umls(root: Path, *overrides: str) -> Report:
    given = ["task=link_prediction", "data=folder", f"data.root={root}", "~data.images.image", "data.max_length=64"]
    return check_data(composed(*given, *overrides, name="check"))


def rows(report: Report, title: str) -> list[tuple[Any, ...]]:
    return [row for table in report.tables if table.title == title for row in table.rows]


def test_a_real_graph_is_held_against_its_published_counts(real: Any) -> None:
    report = umls(real("small") / "umls_kgbert", "++data.name=umls")
    assert rows(report, "Counts")[0] == ("triples", 5216, 652, 661, "5,216 / 652 / 661", "equal")
    assert rows(report, "Sizes") == [("entities", 135, "135", "equal"), ("relations", 46, "46", "equal")]
    assert {row[-1] for row in rows(report, "Files")} == {"UMLS"}
    assert not report.fatal
    assert report.findings[-1].severity == "info"


def test_without_a_name_nothing_is_published(real: Any) -> None:
    report = umls(real("small") / "umls_kgbert")
    assert rows(report, "Counts")[0] == ("triples", 5216, 652, 661)
    assert "held against" not in str([dataclasses.astuple(finding) for finding in report.findings])
