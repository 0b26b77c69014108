"""Classification of the relation between two mentions of a sentence, whatever its network is given beside the words."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

from jaxtyping import Float, Int
from torch import Tensor

from mkgc.heads.pair import PairClassifier, Pooling
from mkgc.images.loaded import LoadedImages
from mkgc.models.fusion_encoder import FusionEncoder
from mkgc.models.nodes import add_nodes
from mkgc.relations.example import RelationExample
from mkgc.relations.explained import RelationExplainer
from mkgc.relations.processor import PairProcessor, RelationBatch
from mkgc.relations.recorded import describe
from mkgc.training.optim import Optim
from mkgc.training.task import Task


class RelationTask(Task):
    """Scores every relation for each example; a task says what the backbone is given, and what is learned of it.

    ``pooling`` and ``dropout`` are those of :class:`mkgc.heads.pair.PairClassifier`.
    """

    rows = Task.rows | {re.compile(r"^head\.classifier\."): ("relation", 1)}
    processor: PairProcessor

    def __init__(
        self,
        backbone: FusionEncoder,
        processor: PairProcessor,
        optim: Optim,
        metadata: dict[str, Any],
        pooling: Pooling | Literal["spans"] = "markers",
        dropout: float = 0.0,
    ) -> None:
        super().__init__(backbone, processor, optim, metadata)
        backbone.text.add_tokens(processor.new_tokens())
        add_nodes(backbone, processor.knowledge)
        self.head = PairClassifier(backbone.width, len(processor.labels), pooling, dropout)
        self.top_k: int | None = None

    @abstractmethod
    def states(self, batch: Any) -> Float[Tensor, "B T D"]:
        """The backbone's states of the text."""

    @property
    def null_label(self) -> int | None:
        """The number of the relation that is not scored."""
        null = self.processor.null_relation
        return None if null is None else self.processor.labels.index(null)

    def represent(self, batch: RelationBatch) -> Float[Tensor, "B P"]:
        """The vector of each sentence that is classified."""
        return self.head.pool(self.states(batch), self.places(batch), batch.text.mask)

    def places(self, batch: Any) -> Int[Tensor, "B 2 *E"]:
        """Where both mentions are read: at their opening markers."""
        markers: Int[Tensor, "B 2"] = batch.markers
        return markers

    def scores(self, batch: RelationBatch) -> Float[Tensor, "B C"]:
        """A score for each relation."""
        return self.head(self.states(batch), self.places(batch), batch.text.mask)

    def record(self, batch: RelationBatch, outcome: Float[Tensor, "B C"]) -> Float[Tensor, "B C"]:
        """The probability of each relation."""
        return outcome.float().softmax(-1)

    def describe(self, recorded: Float[Tensor, "B C"], examples: Sequence[RelationExample]) -> list[dict[str, Any]]:
        relations, null = self.processor.labels, self.processor.null_relation
        rows = zip(examples, recorded.tolist(), strict=True)
        return [describe(example, dict(zip(relations, row, strict=True)), null) for example, row in rows]

    def predict_items(self, features: Sequence[Any], store: LoadedImages, size: int) -> list[dict[str, Any]]:
        """The same with the words that each record's head and tail are."""
        answers = super().predict_items(features, store, size)
        return [answer | item.mentions for answer, item in zip(answers, features, strict=True)]

    def predict(self, batch: RelationBatch) -> list[dict[str, Any]]:
        """The relation, its probability, and the probabilities of all, or of the ``top_k`` best from the best on."""
        relations = self.processor.labels
        out = []
        for row in self.scores(batch).float().softmax(-1).tolist():
            best = max(range(len(row)), key=row.__getitem__)
            scores = dict(zip(relations, row, strict=True))
            if self.top_k is not None:
                scores = dict(sorted(scores.items(), key=lambda pair: -pair[1])[: self.top_k])
            out.append({"relation": relations[best], "score": row[best], "scores": scores})
        return out

    def explainer(self) -> RelationExplainer:
        """What it says of sentences for an explanation."""
        return RelationExplainer(self)
