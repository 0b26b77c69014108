"""What relation extraction says of a sentence for an explanation: its mentions can be left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from mkgc.explanations.contract import Answer, Part, Pass, Shown, TaskExplainer
from mkgc.relations.processor import MARKERS, RelationBatch, RelationFeatures

if TYPE_CHECKING:
    from mkgc.relations.task import RelationTask

NAMED = 10
"""Relations whose probabilities are told."""


class RelationExplainer(TaskExplainer):
    """The best relations; the words of head and tail, and all others, can be left out."""

    def __init__(self, task: RelationTask) -> None:
        self.task = task
        self.names = [*task.processor.tokenizer.names, *MARKERS]

    def question(self, item: RelationFeatures) -> str:
        head, tail = (item.mentions[end]["text"] for end in ("head", "tail"))
        return f"How are {head} (head) and {tail} (tail) related?"

    def passes(self, item: RelationFeatures) -> list[Pass]:
        return [Pass(item, tuple(self.names[i] for i in item.ids))]

    def read(self, batch: RelationBatch) -> list[Float[Tensor, " C"]]:
        """The probabilities of all relations."""
        return [*self.task.scores(batch).float().softmax(-1).cpu()]

    def answers(self, item: RelationFeatures, read: Sequence[Float[Tensor, " C"]]) -> list[Answer]:
        (row,) = read
        best = row.argsort(descending=True, stable=True)[:NAMED].tolist()
        relations = self.task.processor.labels
        return [Answer(relations[i], float(row[i]), place == 0, i) for place, i in enumerate(best)]

    def probability(self, item: RelationFeatures, read: Sequence[Float[Tensor, " C"]], answer: Answer) -> float:
        return float(read[0][answer.key])

    def texts(self, item: RelationFeatures, answers: Sequence[Answer]) -> list[Part]:
        marked = self._marked(item)
        within = {place for places in marked.values() for place in places}
        others = tuple(i for i, word in enumerate(item.words) if word >= 0 and i not in within)
        parts = [*marked.items(), *([("all other words", others)] if others else [])]
        return [Part(name, tokens={0: places}) for name, places in parts]

    def shown(self, item: RelationFeatures, answers: Sequence[Answer]) -> list[Shown]:
        return [Shown(0, self._marked(item))]

    def _marked(self, item: RelationFeatures) -> dict[str, tuple[int, ...]]:
        """The tokens of head and tail."""
        found = {}
        for end in ("head", "tail"):
            span = item.mentions[end]
            words = range(span["start"], span["end"])
            found[f"{end} {span['text']}"] = tuple(i for i, word in enumerate(item.words) if word in words)
        return found
