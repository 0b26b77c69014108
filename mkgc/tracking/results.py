"""What a tracker is shown of a tested run: its figures, some predictions with their images, and what was confused."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkgc.errors import printable
from mkgc.training.smoke import spread

if TYPE_CHECKING:
    from mkgc.data.dataset import DataSource

SHOWN = 48
"""Predictions that are shown, spread over the test split."""

CLASSES = 20
"""Classes of a confusion matrix; the rarer ones are one."""

NONE, OTHERS = "(none)", "(others)"
"""What a missed or an invented mention is confused with, and the name of the rarer classes."""

RECORDED, QUERIES = "predictions.jsonl", "queries.npz"
"""The files of a run that hold its test predictions, a line each, or its ranked queries."""


@dataclass(frozen=True)
class Prediction:
    """A test example as it is shown."""

    id: str
    text: str
    gold: str
    predicted: str
    score: float | None
    images: tuple[Path, ...]

    @property
    def right(self) -> bool:
        """Whether it was predicted as it should be."""
        return self.gold == self.predicted


@dataclass(frozen=True)
class Confusion:
    """Pairs of classes, (gold, predicted), as numbers of ``classes``: one for each example or mention."""

    classes: tuple[str, ...]
    pairs: Sequence[tuple[int, int]]

    def counts(self) -> list[list[int]]:
        """A row for each gold class, a column for each predicted one."""
        found = Counter(self.pairs)
        numbers = range(len(self.classes))
        return [[found[gold, predicted] for predicted in numbers] for gold in numbers]


@dataclass(frozen=True)
class Results:
    """``figures`` are those of ``metrics.json``; ``panels`` are pictures that explain predictions, by name."""

    figures: Mapping[str, Any]
    predictions: Sequence[Prediction] = ()
    confusion: Confusion | None = None
    panels: Mapping[str, Path] | None = None


def gather_results(folder: Path, figures: Mapping[str, Any], task: Any, source: DataSource) -> Results:
    """What the folder of a tested run holds of its predictions: recorded ones, or ranked queries of a graph."""
    from mkgc.data.graph_source import GraphSource
    from mkgc.tracking.ranked import shown_queries

    if isinstance(source, GraphSource) and (folder / QUERIES).is_file():
        named = task.named(task.processor)
        graph = source.ordered(named["entity"], named["relation"]).graph
        return Results(figures, shown_queries(folder / QUERIES, graph))
    rows = read_rows(folder / RECORDED)
    return Results(figures, shown(rows, Path(source.settings.root)), confused(rows))


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The recorded predictions; none where none are."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def shown(rows: Sequence[Mapping[str, Any]], root: Path) -> list[Prediction]:
    """Some of the recorded predictions, spread over all of them; their images lie below ``root``."""
    return [_shown(rows[i], root) for i in spread(len(rows), SHOWN).tolist()]


def _shown(row: Mapping[str, Any], root: Path) -> Prediction:
    words = row["tokens"] if "tokens" in row else str(row["text"]).split(" ")
    files = [root / file for group in (row.get("images") or {}).values() for file in group]
    gold, predicted = (_said(row[key], words) for key in ("gold", "predicted"))
    score = row.get("score")
    text = " ".join(str(word) for word in words)
    ends = [f"{key}: {row[key]}" for key in ("head", "tail") if key in row]
    return Prediction(
        str(row.get("id", "")), printable(" | ".join([text, *ends])), gold, predicted, score, tuple(files)
    )


def _said(answer: Any, words: Sequence[str]) -> str:
    """A class, or mentions as ``PER Ada Lovelace; LOC London``."""
    if isinstance(answer, str):
        return printable(answer)
    spans = [f"{one['type']} {' '.join(words[one['start'] : one['end']])}" for one in answer]
    return printable("; ".join(spans)) or NONE


def confused(rows: Sequence[Mapping[str, Any]]) -> Confusion | None:
    """What was taken for what; mentions are the same where their words are. None where there is nothing to compare."""
    named = [pair for row in rows for pair in _pairs(row["gold"], row["predicted"])]
    if not named:
        return None
    often = Counter(name for pair in named for name in pair if name != NONE)
    kept = sorted(name for name, _ in often.most_common(CLASSES if len(often) <= CLASSES else CLASSES - 1))
    classes = [*kept, *([OTHERS] if len(often) > len(kept) else []), *([NONE] if _has(named, NONE) else [])]
    place = {name: i for i, name in enumerate(classes)}
    numbers = [(place.get(g, place.get(OTHERS, 0)), place.get(p, place.get(OTHERS, 0))) for g, p in named]
    return Confusion(tuple(map(printable, classes)), numbers)


def _pairs(gold: Any, predicted: Any) -> list[tuple[str, str]]:
    if isinstance(gold, str):
        return [(gold, str(predicted))]
    there, here = ({(one["start"], one["end"]): str(one["type"]) for one in answer} for answer in (gold, predicted))
    return [(there.get(place, NONE), here.get(place, NONE)) for place in {**there, **here}]


def _has(pairs: Sequence[tuple[str, str]], name: str) -> bool:
    return any(name in pair for pair in pairs)
