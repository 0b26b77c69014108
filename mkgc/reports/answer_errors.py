"""The errors of a run that predicts labels, or the entities of sentences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from mkgc.analysis.answers import class_counts, compare, confusions, groups, measures, uncounted
from mkgc.analysis.predictions import Answer, Entity, Prediction, Predictions, answers
from mkgc.metrics import precision_recall_f1
from mkgc.reports.comparison import measures_table
from mkgc.reports.error_report import WORST, Case, ErrorReport
from mkgc.reports.relevance import NONE_SHOWN, RESAMPLES, TITLE, tested_without_images
from mkgc.reports.saved import Run
from mkgc.reports.table import Cell, Table
from mkgc.reports.thumbnails import Thumbnail, thumbnail

CONFUSIONS = 20
"""Pairs that the table has."""

RELEVANT = 0.1
"""How far the probability of the gold answer must change without the images for these to be relevant."""

LEGEND = "Underlined: gold entities. On a ground: predicted ones, green where they are right, red where not."


def answer_errors(title: str, one: Run, tested: Predictions, root: str | None) -> ErrorReport:
    """Tables of classes, confusions, lengths and images, and the worst examples.

    The worst are those whose gold label is the least probable, or the sentences with most wrong and missed entities,
    of equally many the least certain. An image is as relevant as the probability of the gold answer changes when the
    trained model is tested without any: that takes the run's ``best.ckpt`` and its data.

    Raises:
        MkgcError: The data at ``root`` are not those of the run.
    """
    notes = ["a smoke run: what it predicts means nothing"] if one.setting("smoke") is True else []
    place = Path(root if root is not None else str(one.setting("data.root") or one.folder))
    without = None
    if any(row.illustrated for row in tested.rows):
        without = tested_without_images(one, tested, root, notes)
        notes += _absent(place)
    else:
        notes.append(NONE_SHOWN)
    worst = _worst(tested)
    cases = [_case(tested.rows[i], None if without is None else without.rows[i], place) for i in worst]
    tables = [_classes(tested), _confusions(tested), *_groups(tested)]
    if without is not None:
        tables += [_relevance(tested, without), measures_table(TITLE, compare([without], [tested], RESAMPLES))]
    return ErrorReport(title, tables, cases, notes, "" if tested.labels else LEGEND)


def _absent(place: Path) -> list[str]:
    if place.is_dir():
        return []
    return [f"no image can be shown: the data are not at '{place}', seen from '{Path.cwd()}': give root=DIR"]


def _worst(tested: Predictions) -> list[int]:
    if tested.labels:
        order = sorted(range(len(tested.rows)), key=lambda i: tested.rows[i].gold_score)
    else:
        order = sorted(range(len(tested.rows)), key=lambda i: (-tested.rows[i].wrong, tested.rows[i].score))
    return order[:WORST]


def _classes(tested: Predictions) -> Table:
    left, rows = uncounted(tested.rows), class_counts(tested.rows)
    columns = ("class", "precision", "recall", "f1", "support", "predicted")
    cells: list[tuple[Cell, ...]] = [
        (name, *precision_recall_f1(*counts).values(), counts.gold, counts.predicted)
        for name, counts in sorted(rows.items(), key=lambda item: -item[1].gold)
    ]
    said = f" ({', '.join(sorted(left))}: not counted in F1)" if left else ""
    return Table(f"Classes{said}", columns, cells)


def _confusions(tested: Predictions) -> Table:
    pairs = confusions(tested.rows)
    more = f", the {CONFUSIONS} most frequent of {len(pairs)} pairs" if len(pairs) > CONFUSIONS else ""
    return Table(f"What was taken for what{more}", ("gold", "predicted", "times"), pairs[:CONFUSIONS])


def _groups(tested: Predictions) -> list[Table]:
    masks, names = groups([tested]), measures(tested.labels).names
    images = {name: mask for name, mask in masks.items() if name.endswith("images")}
    lengths = {name: mask for name, mask in masks.items() if name not in images}
    columns = ("group", "examples", *names)
    return [
        Table(title, columns, [(name, int(mask.sum()), *_measured(tested, mask)) for name, mask in part.items()])
        for title, part in (("Length", lengths), ("Images", images))
    ]


def _measured(tested: Predictions, mask: Bool[np.ndarray, " n"]) -> list[float]:
    found: list[float] = measures(tested.labels).of(tested.sums[mask].sum(0)).tolist()
    return found


def _relevance(tested: Predictions, without: Predictions) -> Table:
    """Examples by what their images do to the probability of the gold answer."""
    shown = np.array([row.illustrated for row in tested.rows])
    sure, blind = (np.array([row.gold_score for row in run.rows]) for run in (tested, without))
    change = sure - blind
    kinds = {
        f"raise it by more than {RELEVANT}": shown & (change > RELEVANT),
        f"change it by {RELEVANT} at most": shown & (np.abs(change) <= RELEVANT),
        f"lower it by more than {RELEVANT}": shown & (change < -RELEVANT),
    }
    names = measures(tested.labels).names
    rows: list[tuple[Cell, ...]] = [
        (name, int(mask.sum()), *_measured(tested, mask)[2:], float(sure[mask].mean()), float(blind[mask].mean()))
        for name, mask in kinds.items()
        if mask.any()
    ]
    columns = ("images", "examples", *names[2:], "P(gold)", "P(gold) without images")
    return Table("Relevance of images: what they do to the probability of the gold answer", columns, rows)


def _case(row: Prediction, blind: Prediction | None, place: Path) -> Case:
    facts = [*row.details.items()]
    facts.append(("gold", f"{_told(row.gold, row.words)}, probability {row.gold_score:.4f}"))
    facts.append(("predicted", f"{_told(row.predicted, row.words)}, probability {row.score:.4f}"))
    if blind is not None and row.illustrated:
        said = f"{_told(blind.predicted, blind.words)}; probability of gold {blind.gold_score:.4f}"
        facts.append(("without images", said))
    return Case(f"example {row.id}", facts, [*zip(row.words, _marks(row), strict=True)], _shown(row, place))


def _told(answer: Answer, words: Sequence[str]) -> str:
    """The label, or entities by their words."""
    if isinstance(answer, str):
        return answer
    return ", ".join(f"{' '.join(words[one.start : one.end])} [{one.type}]" for one in answer) or "no entity"


def _marks(row: Prediction) -> list[str]:
    """For each word the classes of what it belongs to: a gold entity, a right or a wrong predicted one."""
    marks: list[list[str]] = [[] for _ in row.words]
    gold = {*answers(row.gold)}
    for name, part in (("gold", row.gold), ("predicted", row.predicted)):
        for one in part:
            if isinstance(one, Entity):
                kind = name if name == "gold" else "right" if one in gold else "wrong"
                for word in range(one.start, one.end):
                    marks[word].append(kind)
    return [" ".join(kinds) for kinds in marks]


def _shown(row: Prediction, place: Path) -> list[Thumbnail]:
    return [thumbnail(place / name, name) for paths in row.images.values() for name in paths]
