"""What a run predicted of each example of its test split, read from ``predictions.jsonl``.

:mod:`mkgc.training.recorded` says what a line of it holds. The file may be damaged, or a stranger's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from jaxtyping import Float64

from mkgc.errors import DataError
from mkgc.metrics import MetricError


class Entity(NamedTuple):
    """A span of words, ``[start, end)``, with its type."""

    type: str
    start: int
    end: int


Answer = str | tuple[Entity, ...]
"""A label, or the entities of a sentence in their order."""


@dataclass(frozen=True)
class Prediction:
    """An example of the test split with what was predicted; ``details`` are texts that only its task knows.

    ``figures`` are those of a single query, where a task counts such (:mod:`mkgc.analysis.figures`).
    """

    id: str
    words: tuple[str, ...]
    images: Mapping[str, tuple[str, ...]]
    gold: Answer
    predicted: Answer
    score: float
    gold_score: float
    counts: tuple[int, int, int]
    details: Mapping[str, str]
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def asked(self) -> tuple[Any, ...]:
        """What tells one example from another: its name may be its place in a file, which may have moved."""
        return self.words, tuple(sorted(self.details.items())), self.gold

    @property
    def illustrated(self) -> bool:
        """Whether the model was shown an image."""
        return any(self.images.values())

    @property
    def wrong(self) -> int:
        """How many answers were predicted wrongly or missed."""
        return len({*answers(self.gold)} ^ {*answers(self.predicted)})


def answers(answer: Answer) -> tuple[str, ...] | tuple[Entity, ...]:
    """The single answers: the label, or each entity."""
    return (answer,) if isinstance(answer, str) else answer


@dataclass(frozen=True)
class Predictions:
    """All of a test, in the order of the data set; one at least."""

    rows: tuple[Prediction, ...]
    unit: ClassVar[str] = "examples"

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def labels(self) -> bool:
        """Whether a label was predicted of each example, and not entities."""
        return isinstance(self.rows[0].gold, str)

    @property
    def sums(self) -> Float64[np.ndarray, "n 5"]:
        """Of each example the true positives, predictions, gold answers, whether all of it is right, and 1."""
        return np.array([(*row.counts, row.gold == row.predicted, 1) for row in self.rows], np.float64)

    def require_same(self, other: Predictions) -> None:
        """Checks that both are of the same examples in the same order.

        Raises:
            MetricError: They are not.
        """
        if self.labels != other.labels:
            raise MetricError("the runs are of different tasks: one predicts labels, the other entities")
        numbers = len(self.rows), len(other.rows)
        if numbers[0] != numbers[1]:
            raise MetricError(f"the runs were tested on different examples: {numbers[0]:,} and {numbers[1]:,} of them")
        differ = sum(one.asked != another.asked for one, another in zip(self.rows, other.rows, strict=True))
        if differ:
            raise MetricError(
                f"the runs were tested on different examples: {differ:,} of {numbers[0]:,} are not the same"
            )

    @classmethod
    def load(cls, path: Path) -> Predictions:
        """Reads the predictions that a test has left at ``path``.

        Raises:
            DataError: There is no such file, or it holds something else.
        """
        if not path.is_file():  # a pipe would be waited for
            raise DataError("is not there: no predictions were recorded", path)
        rows = tuple(_read(path))
        if not rows:
            raise DataError("is empty: no predictions were recorded", path)
        if len({isinstance(row.gold, str) for row in rows}) > 1:
            raise DataError("has labels and entities, as no test leaves them", path)
        return cls(rows)


def _read(path: Path) -> Iterator[Prediction]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield _prediction(json.loads(line, parse_constant=_refuse))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                raise DataError("is no prediction as a test records them: test the run anew", path, number) from error


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")


def _prediction(row: dict[str, Any]) -> Prediction:
    """A line's prediction; one of another form raises some error of Python's own."""
    words = _texts(row.get("tokens", row["text"].split(" ")))
    texts = {key: value for key, value in row.items() if isinstance(value, str)}
    details = {key: value for key, value in texts.items() if key not in ("id", "text", "gold", "predicted")}
    gold, predicted = (_answer(row[key], len(words)) for key in ("gold", "predicted"))
    if isinstance(gold, str) != isinstance(predicted, str):
        raise ValueError("a label and entities")
    return Prediction(
        texts["id"],
        words,
        {str(group): _texts(paths) for group, paths in row["images"].items()},
        gold,
        predicted,
        _share(row["score"]),
        _share(row["gold_score"]),
        _counts(row["counts"]),
        details,
        {str(name): _share(value) for name, value in row.get("figures", {}).items()},
    )


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise TypeError("no list of texts")
    return tuple(value)


def _share(value: Any) -> float:
    if isinstance(value, bool) or not 0 <= value <= 1:
        raise ValueError("no probability")
    return float(value)


def _answer(value: Any, words: int) -> Answer:
    if isinstance(value, str):
        return value
    found = [Entity(one["type"], one["start"], one["end"]) for one in value]
    for one in found:
        if not isinstance(one.type, str) or not all(type(end) is int for end in one[1:]):
            raise TypeError("no entity")
        if not 0 <= one.start < one.end <= words:
            raise ValueError("no span of the words")
    return tuple(found)


def _counts(value: Sequence[Any]) -> tuple[int, int, int]:
    right, predicted, gold = value
    if not all(type(one) is int for one in value) or not 0 <= right <= min(predicted, gold):
        raise ValueError("no counts")
    if max(predicted, gold) > 1 << 32:
        raise ValueError("more than any example has")
    return right, predicted, gold
