import io
import json
from html.parser import HTMLParser

from rich.console import Console

from mkgc.inspect.render import page, show
from mkgc.inspect.report import Finding, Report, Section, collect, verdict
from mkgc.reports.table import Share, Table, shown

EVIL = "<script>alert('&')</script>"
REPORT = Report(
    EVIL,
    (Table("[bold]Counts", (EVIL, "n", "share"), ((EVIL, 1234, Share(0.5)), ("[red]x[/red]", None, None))),),
    (Finding("fatal", EVIL), Finding("info", "fine")),
)


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_what_the_data_hold_is_text_on_the_page_and_never_a_tag() -> None:
    read = Page(page(REPORT))
    assert "script" not in read.tags
    assert read.words.count(EVIL) == 5  # title, heading, finding, column and cell
    assert "1,234" in read.words


def test_the_page_needs_nothing_from_elsewhere() -> None:
    read = Page(page(REPORT))
    assert not {"script", "link", "img", "iframe", "object"} & set(read.tags)
    assert not {"src", "href"} & {name for name, _ in read.attributes}
    assert "url(" not in page(REPORT)
    assert "@import" not in page(REPORT)


def test_a_share_is_drawn_as_a_bar_of_that_width() -> None:
    assert ("style", "--share: 50.0%") in Page(page(REPORT)).attributes


def test_the_terminal_takes_no_word_of_the_data_for_markup() -> None:
    out = io.StringIO()
    show(REPORT, Console(file=out, width=120))
    printed = out.getvalue()
    assert "[red]x[/red]" in printed
    assert "[bold]Counts" in printed
    assert EVIL in printed
    assert "training may not go on (fatal: 1, warnings: 0, remarks: 1)" in printed


def test_the_report_is_plain_values() -> None:
    again = json.loads(json.dumps(REPORT.as_dict()))
    assert again["fatal"] is True
    assert again["findings"][0] == {"severity": "fatal", "text": EVIL}
    assert again["tables"][0]["rows"][0] == [EVIL, 1234, 0.5]


def test_the_gravest_finding_comes_first_and_empty_tables_are_left_out() -> None:
    info, warning, fatal = (Finding(severity, severity) for severity in ("info", "warning", "fatal"))
    report = collect("t", [Section((Table("none", ("a",), ()),), (info, fatal)), Section((), (warning,))])
    assert report == Report("t", (), (fatal, warning, info))
    assert verdict(collect("t", [])) == "training may go on (fatal: 0, warnings: 0, remarks: 0)"


def test_cells_are_shown_as_a_reader_expects() -> None:
    cells = (1234, Share(0.939), "x", None, 0, Share(0))
    assert [shown(cell) for cell in cells] == ["1,234", "93.9 %", "x", "", "0", "0.0 %"]
