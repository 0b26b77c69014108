"""What entity recognition says of a sentence for an explanation: the words of what it found can be left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from jaxtyping import Float
from torch import Tensor

from mkgc.data.examples import Span
from mkgc.data.words import show_words
from mkgc.explanations.contract import Answer, Part, Pass, Shown, TaskExplainer
from mkgc.metrics.spans import bio_spans
from tasks.mner.data import TaggedBatch, TaggedFeatures, TaggedQuery
from tasks.mner.windows import Entity, join_windows

if TYPE_CHECKING:
    from tasks.mner.task import EntityRecognition


@dataclass(frozen=True)
class Tags:
    """The tags of a window's words, by number, and the probabilities of all."""

    tags: tuple[int, ...]
    probabilities: Float[Tensor, "W C"]

    def mean(self, start: int, tags: Sequence[int]) -> float:
        """The mean probability of these tags from a word on."""
        found = [float(self.probabilities[start + i, tag]) for i, tag in enumerate(tags)]
        return sum(found) / len(found)


class Found(NamedTuple):
    """An entity: its words ``[start, end)`` of the sentence, and its tags, with the window that names them."""

    start: int
    end: int
    window: int
    tags: tuple[int, ...]


class EntityExplainer(TaskExplainer):
    """The entities of a sentence, each a prediction of its own; a long sentence is read in several windows."""

    def __init__(self, task: EntityRecognition) -> None:
        self.task, self.processor = task, task.processor

    def question(self, item: TaggedQuery) -> str:
        return "Which entities does the sentence mention?"

    def passes(self, item: TaggedQuery) -> list[Pass]:
        names = self.processor.tokenizer.names
        return [Pass(features, tuple(names[i] for i in features.ids)) for _, features in item.windows]

    def read(self, batch: TaggedBatch) -> list[Tags]:
        decoded, probabilities = self.task.tagged(batch)
        rows = zip(decoded.tolist(), probabilities.float().cpu(), batch.words, strict=True)
        return [Tags(tuple(tags[: len(words)]), sure[: len(words)]) for tags, sure, words in rows]

    def answers(self, item: TaggedQuery, read: Sequence[Tags]) -> list[Answer]:
        words, raw = item.example.tokens, item.example.raw
        named = join_windows(zip([window for window, _ in item.windows], map(self._entities, read), strict=True))
        return [
            Answer(f"{kind} {show_words(words, raw, Span(start, end))} [{start}, {end})", score, True, key)
            for kind, start, end, score in named
            for key in [self._found(item, read, start, end)]
        ]

    def _entities(self, of_window: Tags) -> list[Entity]:
        names = self.processor.tags
        spans = bio_spans([names[tag] for tag in of_window.tags])
        return [(kind, start, end, of_window.mean(start, of_window.tags[start:end])) for kind, start, end in spans]

    def _found(self, item: TaggedQuery, read: Sequence[Tags], start: int, end: int) -> Found:
        number = next(i for i, (window, _) in enumerate(item.windows) if start in window.names)
        first = item.windows[number][0].read.start
        return Found(start, end, number, read[number].tags[start - first : end - first])

    def probability(self, item: TaggedQuery, read: Sequence[Tags], answer: Answer) -> float:
        """The mean marginal probability of the tags that the answer stands for, as predictions have it."""
        found: Found = answer.key
        return read[found.window].mean(found.start - item.windows[found.window][0].read.start, found.tags)

    def texts(self, item: TaggedQuery, answers: Sequence[Answer]) -> list[Part]:
        """The words of each entity, in every window that has them, and all that belong to none."""
        spans = [range(answer.key.start, answer.key.end) for answer in answers]
        parts = [
            Part(answer.name, tokens=self._everywhere(item, span)) for answer, span in zip(answers, spans, strict=True)
        ]
        rest = [i for i in range(len(item.example.tokens)) if not any(i in span for span in spans)]
        return [*parts, *([Part("all other words", tokens=self._everywhere(item, rest))] if answers and rest else [])]

    def shown(self, item: TaggedQuery, answers: Sequence[Answer]) -> list[Shown]:
        found = []
        for number in range(len(item.windows)):
            own = {a.name: self._tokens(item, number, range(a.key.start, a.key.end)) for a in answers}
            found.append(Shown(number, {name: places for name, places in own.items() if places}))
        return found

    def _everywhere(self, item: TaggedQuery, words: Sequence[int]) -> dict[int, tuple[int, ...]]:
        places = {number: self._tokens(item, number, words) for number in range(len(item.windows))}
        return {number: found for number, found in places.items() if found}

    def _tokens(self, item: TaggedQuery, number: int, words: Sequence[int]) -> tuple[int, ...]:
        """The tokens of some words of the sentence in a window."""
        window, features = item.windows[number]
        return tuple(i for word in words if word in window.read for i in _pieces(features, word - window.read.start))


def _pieces(features: TaggedFeatures, word: int) -> range:
    """The positions of a word's pieces, which reach to the next word or to the mark at the end."""
    ends = (*features.positions[1:], len(features.ids) - 1)
    return range(features.positions[word], ends[word])
