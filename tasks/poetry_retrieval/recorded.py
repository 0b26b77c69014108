"""What a test retrieved for each poem and for each picture, for `mkgc.report`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from mkgc.metrics.graded import RELEVANT
from mkgc.metrics.graded_retrieval import FIGURES, places, query_figures
from mkgc.nn.full_products import full_products
from mkgc.training.recorded import short

TOLD = 5
"""What stands first, of which the scores are told."""

UNJUDGED = "nothing judged"
"""Stands for the gold answer of a query for which nothing was judged above 0: it counts in no figure."""

Recorded = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
"""Of a batch: vectors of poems, their numbers, vectors of pictures, judged pairs by a poem's number, and grades."""


@dataclass(frozen=True)
class Answered:
    """The queries of one direction and their candidates, the judgements of each query, and its figures."""

    direction: str
    queries: Float[Tensor, "Q D"]
    candidates: Float[Tensor, "N D"]
    judged: Mapping[int, Mapping[int, float]]
    figures: Float64[Tensor, "Q F"]
    asking: Bool[Tensor, " Q"]
    scale: float

    @classmethod
    def of(
        cls,
        direction: str,
        queries: Float[Tensor, "Q D"],
        candidates: Float[Tensor, "N D"],
        pairs: Int[Tensor, "J 2"],
        grades: Float[Tensor, " J"],
        scale: float,
    ) -> Answered:
        judged: dict[int, dict[int, float]] = {}
        for (query, candidate), grade in zip(pairs.tolist(), grades.tolist(), strict=True):
            judged.setdefault(query, {})[candidate] = grade
        figures = query_figures(queries, candidates, pairs, grades)
        return cls(direction, queries, candidates, judged, *figures, scale)

    def line(self, query: int, names: Sequence[str]) -> dict[str, Any]:
        """What a line of ``predictions.jsonl`` says of a query, by the candidates' names.

        The gold answer is what was judged best, whatever was found, so that runs of other systems have the same. A
        probability is that among all candidates.
        """
        scores, judged = full_products(self.queries[query], self.candidates), self.judged.get(query, {})
        order = scores.argsort(descending=True, stable=True)[:TOLD].tolist()
        found, asks = order[0], bool(self.asking[query])
        right = judged.get(found, 0.0) > RELEVANT
        gold = max(sorted(judged), key=judged.__getitem__) if asks else found
        probabilities = (self.scale * scores).softmax(0)
        line = {
            "direction": self.direction,
            "gold": names[gold] if asks else UNJUDGED,
            "predicted": names[found],
            "score": short(float(probabilities[found])),
            "gold_score": short(float(probabilities[gold])) if asks else 0.0,
            "counts": [int(right), int(asks), int(asks)],
            "retrieved": [{"name": names[i], "score": short(float(scores[i]))} for i in order],
        }
        if asks:
            values = zip(FIGURES, self.figures[query].tolist(), strict=True)
            line["figures"] = {f"{self.direction}/{name}": value for name, value in values}
        return line


@dataclass(frozen=True)
class Tested:
    """A tested split: what its poems found among the pictures, and the pictures among its poems."""

    numbers: Int[Tensor, " T"]
    poems: tuple[str, ...]
    pictures: tuple[str, ...]
    found_by_poems: Answered
    found_by_pictures: Answered

    @classmethod
    def of(
        cls, batches: Sequence[Recorded], titles: Mapping[int, str], pictures: tuple[str, ...], scale: float
    ) -> Tested:
        """``titles`` are those of poems, by their numbers."""
        texts, numbers, _, judged, grades = (torch.cat(parts) for parts in zip(*batches, strict=True))
        candidates = batches[0][2]
        order = numbers.argsort()
        numbers, texts, pairs = numbers[order], texts[order].float(), places(judged, numbers[order])
        return cls(
            numbers,
            tuple(titles[number] for number in numbers.tolist()),
            pictures,
            Answered.of("text_to_image", texts, candidates, pairs, grades, scale),
            Answered.of("image_to_text", candidates, texts, pairs.flip(1), grades, scale),
        )

    def of_poems(self, numbers: Int[Tensor, " B"]) -> list[dict[str, Any]]:
        """A line for each poem, by its number."""
        rows = torch.searchsorted(self.numbers, numbers.contiguous()).tolist()
        return [self.found_by_poems.line(row, self.pictures) for row in rows]

    def of_pictures(self) -> list[dict[str, Any]]:
        """A line for each picture."""
        return [
            {"id": name, "text": name, "images": {}} | self.found_by_pictures.line(row, self.poems)
            for row, name in enumerate(self.pictures)
        ]
