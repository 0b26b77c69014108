"""Entity typing: the types of a mention, read off its state."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from mkgc.app.ranges import Share
from mkgc.data.dataset import Dataset
from mkgc.heads.mention import MentionClassifier, MentionPooling
from mkgc.images.loaded import LoadedImages
from mkgc.metrics.typing import TypingF1
from mkgc.models.fusion_encoder import FusionEncoder
from mkgc.models.nodes import add_nodes
from mkgc.training.optim import Optim
from mkgc.training.task import Task
from tasks.entity_typing.data import TypingBatch, TypingProcessor
from tasks.entity_typing.example import TypingExample
from tasks.entity_typing.explained import TypingExplainer
from tasks.entity_typing.recorded import describe
from tasks.entity_typing.threshold import best_threshold

Recorded = tuple[Float[Tensor, "B C"], Bool[Tensor, "B C"]]
"""The probabilities of types, and which are predicted."""


class EntityTyping(Task):
    """Scores every type for each mention.

    ``pooling`` and ``dropout`` are those of :class:`mkgc.heads.mention.MentionClassifier`. Where a mention may have
    several types, those above the ``threshold`` are predicted, and the likeliest in any case. The threshold is a
    probability, or the one that is best on dev ("dev"): it is found after training, and 0.5 until then.
    """

    monitor = "dev/f1"
    rows = Task.rows | {re.compile(r"^head\.classifier\."): ("type", 1)}
    processor: TypingProcessor

    def __init__(
        self,
        backbone: FusionEncoder,
        processor: TypingProcessor,
        optim: Optim,
        metadata: dict[str, Any],
        pooling: MentionPooling = "first",
        dropout: float = 0.1,
        threshold: Share | Literal["dev"] = 0.5,
    ) -> None:
        super().__init__(backbone, processor, optim, metadata)
        backbone.text.add_tokens(processor.new_tokens())
        add_nodes(backbone, processor.knowledge)
        self.head = MentionClassifier(backbone.width, len(processor.labels), pooling, dropout)
        self.given = threshold
        self.top_k: int | None = None
        self.build_metrics()

    @property
    def threshold(self) -> float:
        """The probability from which a type is predicted."""
        fitted: Any = self.metadata.get("fitted", {})
        return float(fitted.get("threshold", 0.5) if isinstance(self.given, str) else self.given)

    def make_metric(self) -> TypingF1:
        return TypingF1()

    def scores(self, batch: TypingBatch) -> Float[Tensor, "B C"]:
        """A score for each type."""
        side = batch.images if batch.knowledge is None else batch.knowledge
        return self.head(self.backbone(batch.text, side).text, batch.spans)

    def losses(self, batch: TypingBatch) -> dict[str, Tensor]:
        """The cross-entropy of types: binary, of each for itself and their mean, or that of the only one."""
        scores, types = self.scores(batch), batch.types.float()
        if self.processor.multi:
            each = F.binary_cross_entropy_with_logits(scores, types.to(scores), reduction="none").mean(-1)
        else:
            each = F.cross_entropy(scores, types.to(scores), reduction="none")
        return {"types": (each * batch.known).sum() / self.weight(batch).clamp(min=1)}

    def weight(self, batch: TypingBatch) -> Tensor:
        """The number of mentions whose types are known."""
        return batch.known.sum().float()

    def probabilities(self, scores: Float[Tensor, "B C"]) -> Float[Tensor, "B C"]:
        """The probability of each type, by itself or among all."""
        return scores.float().sigmoid() if self.processor.multi else scores.float().softmax(-1)

    def decide(self, probabilities: Float[Tensor, "B C"]) -> Bool[Tensor, "B C"]:
        """Which types are predicted: the likeliest, and where there may be several, all above the threshold."""
        best = F.one_hot(probabilities.argmax(-1), probabilities.shape[-1]).bool()
        return best | (probabilities >= self.threshold) if self.processor.multi else best

    def update_metric(self, batch: TypingBatch, metric: TypingF1) -> Recorded:
        probabilities = self.probabilities(self.scores(batch))
        predicted = self.decide(probabilities)
        metric.update(predicted, batch.types, batch.known)
        return probabilities, predicted

    def record(self, batch: TypingBatch, outcome: Recorded) -> Recorded:
        return outcome

    def describe(self, recorded: Recorded, examples: Sequence[TypingExample]) -> list[dict[str, Any]]:
        types, multi = self.processor.labels, self.processor.multi
        rows = zip(examples, *(part.tolist() for part in recorded), strict=True)
        return [
            describe(
                example, dict(zip(types, row, strict=True)), [types[i] for i, one in enumerate(found) if one], multi
            )
            for example, row, found in rows
        ]

    @torch.inference_mode()
    def after_fit(self, dataset: Dataset) -> dict[str, Any]:
        """The threshold with the best micro-F1 on dev, if that is asked for."""
        if not isinstance(self.given, str) or not self.processor.multi:
            return {}
        self.eval()
        features, size = dataset.features["dev"], self.processor.settings.batch_size
        starts = range(0, len(features), size)
        batches = [self.processor.collate(features[i : i + size], dataset.store).to(self.device) for i in starts]
        scored = [(self.probabilities(self.scores(batch)).cpu(), batch.types.cpu()) for batch in batches]
        probabilities, types = (torch.cat(part) for part in zip(*scored, strict=True))
        return {"threshold": best_threshold(probabilities, types)}

    def predict_items(self, features: Sequence[Any], store: LoadedImages, size: int) -> list[dict[str, Any]]:
        """The same with the words that each record's mention is, and, with a graph, the entities that it mentions."""
        answers = super().predict_items(features, store, size)
        graph = self.processor.knowledge is not None
        return [
            answer | {"mention": item.mention} | ({"entities": [*item.linked]} if graph else {})
            for answer, item in zip(answers, features, strict=True)
        ]

    def predict(self, batch: TypingBatch) -> list[dict[str, Any]]:
        """The types, from the likeliest on, and the probabilities of all, or of the ``top_k`` likeliest."""
        types = self.processor.labels
        probabilities = self.probabilities(self.scores(batch))
        out = []
        for row, found in zip(probabilities.tolist(), self.decide(probabilities).tolist(), strict=True):
            order = sorted(range(len(row)), key=lambda i: -row[i])
            shown = range(len(row)) if self.top_k is None else order[: self.top_k]
            out.append({"types": [types[i] for i in order if found[i]], "scores": {types[i]: row[i] for i in shown}})
        return out

    def explainer(self) -> TypingExplainer:
        """What it says of sentences for an explanation."""
        return TypingExplainer(self)
