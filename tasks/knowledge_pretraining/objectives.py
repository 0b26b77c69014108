"""What a model learns from a corpus: its hidden words, whom mentions mean, how these are related, which are false."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from mkgc.heads.linking import EntityLinking
from mkgc.heads.masked_lm import MaskedLM
from mkgc.heads.span_pairs import SpanPairClassifier
from mkgc.metrics import precision_recall_f1
from mkgc.nn.embeddings import ExtendedEmbedding
from tasks.knowledge_pretraining.batch import PretrainingBatch

LARGEST = 700.0
"""The natural logarithm of the largest perplexity that is told."""

Vectors = Callable[[Int[Tensor, " C"]], Float[Tensor, "C W"]]
"""From the numbers of entities to their vectors."""


class States(NamedTuple):
    """What a backbone makes of a batch: the states of its pieces and of its mentions."""

    text: Float[Tensor, "B T D"]
    mentions: Float[Tensor, "B M D"]


class Objective(nn.Module, ABC):
    """Scores what is asked of a batch; loss and figures are sums over all that is asked, of which there may be none.

    ``sums`` are the names of what :meth:`tally` counts.
    """

    sums: ClassVar[tuple[str, ...]]

    @abstractmethod
    def forward(self, states: States, batch: PretrainingBatch) -> Tensor:
        """Computes the scores, a row for each question."""

    @abstractmethod
    def asked(self, batch: PretrainingBatch) -> int:
        """How many questions there are."""

    @abstractmethod
    def loss(self, scores: Tensor, batch: PretrainingBatch) -> Float[Tensor, ""]:
        """Computes the loss of all questions together."""

    @abstractmethod
    def tally(self, scores: Tensor, batch: PretrainingBatch) -> list[Tensor]:
        """Counts what figures are made of."""

    @staticmethod
    @abstractmethod
    def figures(loss: float, asked: float, counts: Sequence[float]) -> dict[str, float]:
        """The figures of a split: of the mean loss, how many questions there were, and what was counted."""


class MaskedWords(Objective):
    """Masked language modelling. Source: BERT (Devlin et al., 2019)."""

    sums = ("correct",)

    def __init__(self, width: int, words: nn.Embedding | ExtendedEmbedding) -> None:
        super().__init__()
        self.head = MaskedLM(width, words)

    def forward(self, states: States, batch: PretrainingBatch) -> Float[Tensor, "K V"]:
        return self.head(states.text.flatten(0, 1)[batch.hidden.places])

    def asked(self, batch: PretrainingBatch) -> int:
        return len(batch.hidden.places)

    def loss(self, scores: Float[Tensor, "K V"], batch: PretrainingBatch) -> Float[Tensor, ""]:
        return F.cross_entropy(scores.float(), batch.hidden.targets, reduction="sum")

    def tally(self, scores: Float[Tensor, "K V"], batch: PretrainingBatch) -> list[Tensor]:
        return [(scores.argmax(-1) == batch.hidden.targets).sum()]

    @staticmethod
    def figures(loss: float, asked: float, counts: Sequence[float]) -> dict[str, float]:
        return {"word_accuracy": counts[0] / asked, "perplexity": math.exp(min(loss, LARGEST))}


class LinkedEntities(Objective):
    """Entity linking among the entities of a batch (KLMo, equation 2), or of a sentence (ERNIE, equation 6).

    ``vectors`` says what entities are compared by.
    """

    sums = ("correct",)

    def __init__(self, width: int, node_width: int, vectors: Vectors) -> None:
        super().__init__()
        self.head = EntityLinking(width, node_width)
        self.vectors = vectors

    def forward(self, states: States, batch: PretrainingBatch) -> Float[Tensor, "L C"]:
        linked = batch.linked
        scores = self.head(states.mentions.flatten(0, 1)[linked.places], self.vectors(linked.candidates))
        return scores.masked_fill(~linked.admitted, torch.finfo(scores.dtype).min)

    def asked(self, batch: PretrainingBatch) -> int:
        return len(batch.linked.places)

    def loss(self, scores: Float[Tensor, "L C"], batch: PretrainingBatch) -> Float[Tensor, ""]:
        return F.cross_entropy(scores.float(), batch.linked.targets, reduction="sum")

    def tally(self, scores: Float[Tensor, "L C"], batch: PretrainingBatch) -> list[Tensor]:
        return [(scores.argmax(-1) == batch.linked.targets).sum()]

    @staticmethod
    def figures(loss: float, asked: float, counts: Sequence[float]) -> dict[str, float]:
        return {"linking_accuracy": counts[0] / asked}


class Relations(Objective):
    """Relation prediction by distant supervision: each relation that the graph has between two mentions, or none.

    A pair may have several relations, as a graph has a capital that is also the largest city: each is a question of its
    own, and a softmax would call all but one of them wrong. The loss of a pair is the sum over relations.

    Source: KLMo (He et al., 2021), section 3, which does not say what becomes of pairs with several.
    """

    sums = ("true_positives", "predicted", "gold")

    def __init__(self, width: int, relations: int, dropout: float) -> None:
        super().__init__()
        self.head = SpanPairClassifier(width, relations, dropout, bias=-math.log(max(relations, 1)))

    def forward(self, states: States, batch: PretrainingBatch) -> Float[Tensor, "P R"]:
        return self.head(states.mentions.flatten(0, 1)[batch.related.ends])

    def asked(self, batch: PretrainingBatch) -> int:
        return len(batch.related.ends)

    def loss(self, scores: Float[Tensor, "P R"], batch: PretrainingBatch) -> Float[Tensor, ""]:
        return F.binary_cross_entropy_with_logits(scores.float(), batch.related.labels, reduction="sum")

    def tally(self, scores: Float[Tensor, "P R"], batch: PretrainingBatch) -> list[Tensor]:
        predicted, gold = scores > 0, batch.related.labels > 0
        return [(predicted & gold).sum(), predicted.sum(), gold.sum()]

    @staticmethod
    def figures(loss: float, asked: float, counts: Sequence[float]) -> dict[str, float]:
        return {f"relation_{name}": value for name, value in precision_recall_f1(*map(int, counts)).items()}


class FalseMentions(Objective):
    """Which mentions bear the name of another entity: a logistic regression on the states of the pieces around each.

    Source: WKLM (Xiong et al., ICLR 2020), section 2.3.
    """

    sums = ("correct", "replaced")

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(2 * width, 1)

    def forward(self, states: States, batch: PretrainingBatch) -> Float[Tensor, " L"]:
        borders = states.text.flatten(0, 1)[batch.replaced.borders].flatten(1)
        return self.classifier(self.dropout(borders)).squeeze(-1)

    def asked(self, batch: PretrainingBatch) -> int:
        return len(batch.replaced.borders)

    def loss(self, scores: Float[Tensor, " L"], batch: PretrainingBatch) -> Float[Tensor, ""]:
        return F.binary_cross_entropy_with_logits(scores.float(), batch.replaced.labels, reduction="sum")

    def tally(self, scores: Float[Tensor, " L"], batch: PretrainingBatch) -> list[Tensor]:
        return [((scores > 0) == (batch.replaced.labels > 0)).sum(), batch.replaced.labels.sum()]

    @staticmethod
    def figures(loss: float, asked: float, counts: Sequence[float]) -> dict[str, float]:
        return {"replaced_accuracy": counts[0] / asked, "replaced_share": counts[1] / asked}
