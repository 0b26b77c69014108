"""Settings, figures and predictions as the Markdown that TensorBoard shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import yaml

from mkgc.errors import printable
from mkgc.reports.table import Table
from mkgc.reports.writers import markdown_table
from mkgc.tracking.facts import Plain
from mkgc.tracking.shown import Shown


def fenced(settings: Mapping[str, Any]) -> str:
    """Settings as YAML in a block of code."""
    text = yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True)
    return "".join(f"    {printable(line)}\n" for line in text.splitlines())


def listed(values: Mapping[str, Plain]) -> str:
    """Names and values as a table of two columns."""
    rows = [(key, str(value)) for key, value in values.items()]
    return markdown_table(Table("", ("name", "value"), rows), escaped)


def tabled(predictions: Sequence[Shown]) -> str:
    """Predictions as a table, each right or wrong."""
    rows = [(one.id, "✓" if one.right else "✗", one.text, one.gold, one.predicted, one.score) for one in predictions]
    return markdown_table(Table("", ("id", "", "text", "gold", "predicted", "score"), rows), escaped)


def escaped(text: str) -> str:
    """Text of the data in which Markdown and HTML find nothing of theirs.

    >>> escaped("<b> a|b *c*")
    '&lt;b&gt; a&#124;b &#42;c&#42;'
    """
    return "".join(f"&#{ord(sign)};" if sign in "|*_`[]!\\" else sign for sign in escape(text, quote=False))
