"""How many pieces a tokeniser has, and how much of the text it does not know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mkgc.data.tokens import Tokenizer
from mkgc.inspect.report import Finding, Section
from mkgc.reports.table import Cell, Share, Table
from mkgc.terminal import plural

UNKNOWN = 0.01
"""Share of unknown pieces from which they are more than a rare character."""


def measure_vocabulary(tokenizer: Tokenizer, texts: Mapping[str, Sequence[Sequence[int]]]) -> Section:
    """How many pieces there are, and the share of unknown ones in each part of the texts, which are given as pieces."""
    rows: list[tuple[Cell, ...]] = [("vocabulary", tokenizer.size, None, None)]
    findings = []
    for name, part in texts.items():
        pieces = sum(map(len, part))
        unknown = sum(list(ids).count(tokenizer.unknown) for ids in part)
        rows.append((name, pieces, unknown, Share(unknown / max(1, pieces))))
        if unknown:
            known = f"{plural(unknown, 'is', 'are')} unknown to the tokeniser"
            text = f"{unknown:,} of {pieces:,} pieces of {name} ({unknown / pieces:.1%}) {known}"
            findings.append(Finding("warning" if unknown > UNKNOWN * pieces else "info", text))
    if tokenizer.spells:
        text = f"all {tokenizer.size:,} pieces of the vocabulary are single characters"
        findings.append(Finding("info", f"{text}: with a larger task.vocab_size there would be longer ones"))
    return Section((Table("Vocabulary", ("what", "pieces", "unknown", "share"), tuple(rows)),), tuple(findings))
