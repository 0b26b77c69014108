"""What entity typing says of a sentence for an explanation: its mention, and the other words, can be left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from mkgc.explanations.contract import Answer, Part, Pass, Shown, TaskExplainer
from tasks.entity_typing.data import MARKERS, TypingBatch, TypingFeatures

if TYPE_CHECKING:
    from tasks.entity_typing.task import EntityTyping

NAMED = 10
"""Types whose probabilities are told."""


class TypingExplainer(TaskExplainer):
    """The likeliest types; the words of the mention, and all others, can be left out."""

    def __init__(self, task: EntityTyping) -> None:
        self.task = task
        self.names = [*task.processor.tokenizer.names, *MARKERS]

    def question(self, item: TypingFeatures) -> str:
        return f"Which types has {item.mention['text']}?"

    def passes(self, item: TypingFeatures) -> list[Pass]:
        return [Pass(item, tuple(self.names[i] for i in item.ids))]

    def read(self, batch: TypingBatch) -> list[Float[Tensor, " C"]]:
        """The probabilities of all types."""
        return [*self.task.probabilities(self.task.scores(batch)).cpu()]

    def answers(self, item: TypingFeatures, read: Sequence[Float[Tensor, " C"]]) -> list[Answer]:
        (row,) = read
        found = self.task.decide(row[None])[0].tolist()
        best = row.argsort(descending=True, stable=True)[: max(NAMED, sum(found))].tolist()
        return [Answer(self.task.processor.labels[i], float(row[i]), found[i], i) for i in best]

    def probability(self, item: TypingFeatures, read: Sequence[Float[Tensor, " C"]], answer: Answer) -> float:
        return float(read[0][answer.key])

    def texts(self, item: TypingFeatures, answers: Sequence[Answer]) -> list[Part]:
        marked = self._mention(item)
        within = {place for places in marked.values() for place in places}
        others = tuple(i for i, word in enumerate(item.words) if word >= 0 and i not in within)
        parts = [*marked.items(), *([("all other words", others)] if others else [])]
        return [Part(name, tokens={0: places}) for name, places in parts]

    def shown(self, item: TypingFeatures, answers: Sequence[Answer]) -> list[Shown]:
        return [Shown(0, self._mention(item))]

    def _mention(self, item: TypingFeatures) -> dict[str, tuple[int, ...]]:
        """The tokens of the mention."""
        words = range(item.mention["start"], item.mention["end"])
        return {f"mention {item.mention['text']}": tuple(i for i, word in enumerate(item.words) if word in words)}
