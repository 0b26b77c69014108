"""HTML pages from the templates beside; whatever the data hold is escaped, as text and for the eye."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from mkgc.errors import printable
from mkgc.reports.table import Share, shown

if TYPE_CHECKING:
    from jinja2 import Environment


def render(name: str, **values: Any) -> str:
    """The page that a template makes of values; a name that it does not know is an error."""
    page: str = _pages().get_template(name).render(values)
    return page


@cache
def _pages() -> Environment:
    """The templates, each parsed when it is first asked for."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(
        loader=PackageLoader("mkgc.reports"), autoescape=True, undefined=StrictUndefined, finalize=_visible
    )
    pages.filters["shown"] = shown
    pages.tests["share"] = lambda cell: isinstance(cell, Share)
    return pages


def _visible(value: Any) -> Any:
    """A value of the data without signs that turn text around or are none; what a template itself has made stays."""
    return printable(value) if type(value) is str else value
