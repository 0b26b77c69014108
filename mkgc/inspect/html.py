"""A report as one HTML page that needs nothing else: no script, no font, no address."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, tostring

from mkgc.inspect.report import Cell, Report, Table, shown, verdict

STYLE = """
:root { color-scheme: light dark; --line: #8884; --bar: light-dark(#9ec5fe, #27548a);
  --fatal: light-dark(#b00020, #ff8a80); --warning: light-dark(#8a5a00, #ffd166); --info: light-dark(#555, #aaa); }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem;
  background: light-dark(#fff, #16181c); color: light-dark(#1b1b1b, #e6e6e6); }
h1 { font-size: 1.5rem; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.verdict { font-weight: 600; padding: .6rem 1rem; border-left: .3rem solid var(--info); background: #8881; }
.verdict.fatal { border-color: var(--fatal); }
ul { list-style: none; padding: 0; } li { padding: .15rem 0 .15rem 5.5rem; text-indent: -5.5rem;
  overflow-wrap: anywhere; }
.severity { display: inline-block; width: 5.5rem; text-indent: 0; font-weight: 600; }
.fatal > .severity, .verdict.fatal { color: var(--fatal); } .warning > .severity, .differs { color: var(--warning); }
.info > .severity { color: var(--info); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--line); }
td { white-space: pre-line; overflow-wrap: anywhere; } .number { text-align: right; white-space: nowrap; }
.bar { display: inline-block; width: 5rem; height: .7em; margin-left: .6rem; background: linear-gradient(var(--bar),
  var(--bar)) no-repeat 0 / var(--share) 100%, #8882; }
"""


def page(report: Report) -> str:
    """The page; the tree it is built from escapes whatever the data hold."""
    html = Element("html", lang="en")
    head, body = SubElement(html, "head"), SubElement(html, "body")
    SubElement(head, "meta", charset="utf-8")
    SubElement(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    _text(head, "title", report.title)
    _text(head, "style", STYLE)
    _text(body, "h1", report.title)
    _text(body, "p", verdict(report), "verdict fatal" if report.fatal else "verdict")
    _findings(body, report)
    for table in report.tables:
        _table(body, table)
    return f"<!doctype html>\n{tostring(html, encoding='unicode', method='html')}\n"


def _text(parent: Element, tag: str, text: str, style: str = "") -> Element:
    element = SubElement(parent, tag, {"class": style} if style else {})
    element.text = text
    return element


def _findings(body: Element, report: Report) -> None:
    listed = SubElement(body, "ul")
    for finding in report.findings:
        item = SubElement(listed, "li", {"class": finding.severity})
        _text(item, "span", finding.severity, "severity").tail = finding.text


def _table(body: Element, table: Table) -> None:
    _text(body, "h2", table.title)
    drawn = SubElement(SubElement(body, "div", {"class": "scroll"}), "table")
    top = SubElement(SubElement(drawn, "thead"), "tr")
    numeric = [any(isinstance(row[i], int | float) for row in table.rows) for i in range(len(table.columns))]
    for column, number in zip(table.columns, numeric, strict=True):
        _text(top, "th", column, "number" if number else "").set("scope", "col")
    rows = SubElement(drawn, "tbody")
    for row in table.rows:
        line = SubElement(rows, "tr")
        for cell, number in zip(row, numeric, strict=True):
            _cell(line, cell, number)


def _cell(line: Element, cell: Cell, number: bool) -> None:
    style = "number" if number else "differs" if cell == "differs" else ""
    drawn = _text(line, "td", shown(cell), style)
    if isinstance(cell, float):
        SubElement(drawn, "span", {"class": "bar", "style": f"--share: {cell:.1%}"})
