"""What a tracker is shown of a tested run: its figures, some predictions with their images, and what was confused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8

from mkgc.analysis.predictions import Answer
from mkgc.analysis.predictions import Prediction as Recorded
from mkgc.errors import printable
from mkgc.tracking.shown import SHOWN, Shown
from mkgc.training.run import PREDICTIONS, QUERIES
from mkgc.training.smoke import spread

if TYPE_CHECKING:
    from mkgc.data.dataset import Dataset

CLASSES = 20
"""Classes of a confusion matrix; the rarer ones are one."""

NONE, OTHERS = "(none)", "(others)"
"""What a missed or an invented mention is confused with, and the name of the rarer classes."""


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
    """``figures`` are those of ``metrics.json``; ``panels`` are pictures that explain some predictions."""

    figures: Mapping[str, Any]
    predictions: Sequence[Shown] = ()
    confusion: Confusion | None = None
    panels: Sequence[UInt8[np.ndarray, "H W 3"]] = ()


def gather_results(folder: Path, figures: Mapping[str, Any], task: Any, dataset: Dataset) -> Results:
    """What the folder of a tested run holds of its predictions: recorded ones, or ranked queries of a graph."""
    from mkgc.analysis.predictions import Predictions
    from mkgc.data.graph_source import GraphSource
    from mkgc.tracking.panels import explained
    from mkgc.tracking.ranked import shown_queries

    source = dataset.source
    if isinstance(source, GraphSource) and (folder / QUERIES).is_file():
        named = task.named(task.processor)
        graph = source.ordered(named["entity"], named["relation"]).graph
        return Results(figures, shown_queries(folder / QUERIES, graph))
    if not (folder / PREDICTIONS).is_file():  # a task may record none
        return Results(figures)
    rows = Predictions.load(folder / PREDICTIONS).rows
    examples = shown(rows, Path(source.settings.root))
    return Results(figures, examples, confused(rows), explained(task, dataset, rows))


def shown(rows: Sequence[Recorded], root: Path) -> list[Shown]:
    """Some of the recorded predictions, spread over all of them; their images lie below ``root``."""
    return [_shown(rows[i], root) for i in spread(len(rows), SHOWN).tolist()]


def _shown(row: Recorded, root: Path) -> Shown:
    details = [f"{key}: {value}" for key, value in row.details.items()]
    text = printable(" | ".join([" ".join(row.words), *details]))
    files = tuple(root / file for group in row.images.values() for file in group)
    gold, predicted = (_said(answer, row.words) for answer in (row.gold, row.predicted))
    return Shown(row.id, text, gold, predicted, row.score, files)


def _said(answer: Answer, words: Sequence[str]) -> str:
    """A class, or mentions as ``PER Ada Lovelace; LOC London``."""
    if isinstance(answer, str):
        return printable(answer)
    return printable("; ".join(f"{one.type} {' '.join(words[one.start : one.end])}" for one in answer)) or NONE


def confused(rows: Sequence[Recorded]) -> Confusion | None:
    """What was taken for what; mentions are the same where their words are. None where there is nothing to compare."""
    named = [pair for row in rows for pair in _pairs(row.gold, row.predicted)]
    if not named:
        return None
    often = Counter(name for pair in named for name in pair if name != NONE)
    kept = sorted(name for name, _ in often.most_common(CLASSES if len(often) <= CLASSES else CLASSES - 1))
    none = any(NONE in pair for pair in named)
    classes = [*kept, *([OTHERS] if len(often) > len(kept) else []), *([NONE] if none else [])]
    place = {name: i for i, name in enumerate(classes)}
    numbers = [(place.get(g, place.get(OTHERS, 0)), place.get(p, place.get(OTHERS, 0))) for g, p in named]
    return Confusion(tuple(map(printable, classes)), numbers)


def _pairs(gold: Answer, predicted: Answer) -> list[tuple[str, str]]:
    if isinstance(gold, str) or isinstance(predicted, str):
        return [(str(gold), str(predicted))]
    there, here = ({(one.start, one.end): one.type for one in answer} for answer in (gold, predicted))
    return [(there.get(place, NONE), here.get(place, NONE)) for place in {**there, **here}]
