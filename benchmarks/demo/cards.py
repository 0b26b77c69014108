"""A question with its picture and the model's answers, each marked as right or wrong: what the demo shows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from mkgc.app.files import write_whole

Mark = Literal["", "right", "wrong", "known", "missed"]
"""``known``: true, but a training triple says so; ``missed``: true, and not among the answers."""

SIGNS: dict[Mark, str] = {"": "", "right": "✓", "wrong": "✗", "known": "·", "missed": "→"}
"""What stands before an answer, so that colours are not all that tells them apart."""


class Answer(NamedTuple):
    """A piece of text and what the truth says of it."""

    text: str
    mark: Mark = ""


@dataclass(frozen=True)
class Card:
    """``lines`` say below the question what the model answers."""

    image: str
    question: str
    lines: Sequence[Sequence[Answer]]


def save(cards: Sequence[Card], path: Path) -> None:
    """Writes cards as JSON, whole or not at all."""
    write_whole(path, json.dumps([asdict(card) for card in cards], ensure_ascii=False, indent=1))


def load(path: Path) -> list[Card]:
    """The cards that :func:`save` wrote."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    return [Card(r["image"], r["question"], [[Answer(*each) for each in line] for line in r["lines"]]) for r in rows]
