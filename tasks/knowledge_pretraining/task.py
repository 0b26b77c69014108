"""Pretraining of a text encoder with a knowledge graph: masked words, relations, entities, false mentions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mkgc.app.ranges import Count, NonNegative, PartialShare
from mkgc.encoders.knowledge import KnowledgeEncoder
from mkgc.errors import ConfigError
from mkgc.heads.filled import fill_words, gather_words
from mkgc.images.loaded import LoadedImages
from mkgc.losses.weights import ObjectiveWeights
from mkgc.models.fusion_encoder import FusionEncoder
from mkgc.nn.span_pooling import SpanPooling, span_mask
from mkgc.nn.streams import MENTIONS
from mkgc.training.optim import Optim
from mkgc.training.task import Task
from tasks.knowledge_pretraining.answers import link_mentions, relate_mentions
from tasks.knowledge_pretraining.batch import PretrainingBatch
from tasks.knowledge_pretraining.data import CorpusProcessor
from tasks.knowledge_pretraining.metric import PretrainingFigures
from tasks.knowledge_pretraining.objectives import FalseMentions, LinkedEntities, MaskedWords, Relations, States


@dataclass(frozen=True)
class LossWeights(ObjectiveWeights):
    """The weight of each objective's loss; one of weight 0 is left out.

    Raises:
        ConfigError: All are.
    """

    words: NonNegative = 1.0
    relations: NonNegative = 1.0
    entities: NonNegative = 1.0
    replaced: NonNegative = 0.0


class KnowledgePretraining(Task):
    """Learns to fill hidden words in, and what the graph says of the mentions around them.

    A mention's state is the one that the backbone's graph has of it, where ``backbone.outputs`` names mentions, else
    what :class:`mkgc.nn.span_pooling.SpanPooling` makes of its pieces. Entities are compared by the vectors of the
    backbone's graph; one without a graph learns vectors of ``entity_dim`` numbers for that.

    Source: KLMo (He et al., 2021), section 3; by their weights also WKLM (Xiong et al., 2020) and ERNIE (Zhang et al.,
    2019).

    Raises:
        ConfigError: An objective asks about mentions, and the data bring no graph.
    """

    monitor = "dev/loss"
    mode = "min"
    rows = Task.rows | {
        re.compile(r"^objectives\.words\.head\.(table\.(words\.)?weight|bias)$"): ("word piece", 1),
        re.compile(r"^objectives\.relations\.head\.classifier\."): ("graph relation", 1),
        re.compile(r"^entities\.weight$"): ("entity", 1),
    }
    processor: CorpusProcessor
    backbone: FusionEncoder

    def __init__(
        self,
        backbone: FusionEncoder,
        processor: CorpusProcessor,
        optim: Optim,
        metadata: dict[str, Any],
        loss_weights: LossWeights,
        entity_dim: Count = 100,
        dropout: PartialShare = 0.1,
    ) -> None:
        super().__init__(backbone, processor, optim, metadata)
        self.loss_weights = loss_weights.used()  # type: ignore[misc]
        backbone.text.add_tokens(processor.new_tokens())
        self._check_graph()
        if isinstance(backbone.side, KnowledgeEncoder) and processor.knowledge is not None:
            backbone.side.add_nodes(processor.knowledge.entities, processor.knowledge.relations)
        self.objectives: Any = nn.ModuleDict(self._build(entity_dim, dropout))
        asked = {"relations", "entities"} & self.loss_weights.keys()
        pools = asked and not (MENTIONS in backbone.outputs and isinstance(backbone.side, KnowledgeEncoder))
        self.pooling = SpanPooling(backbone.width) if pools else None
        self.build_metrics()

    def _check_graph(self) -> None:
        graph = self.processor.knowledge
        for name in ("relations", "entities", "replaced") if graph is None else ():
            if name in self.loss_weights:
                weight = self.loss_weights[name]
                raise ConfigError(
                    f"task.model.loss_weights.{name}={weight} asks about a knowledge graph, and the data bring none "
                    f"(data.knowledge=null): give task.model.loss_weights.{name}=0"
                )
        if graph is not None and "relations" in self.loss_weights and not graph.relations:
            raise ConfigError("the knowledge graph has no relations: give task.model.loss_weights.relations=0")

    def _build(self, entity_dim: int, dropout: float) -> dict[str, nn.Module]:
        """The objectives that have a weight."""
        width, graph = self.backbone.width, self.processor.knowledge
        out: dict[str, nn.Module] = {}
        if "words" in self.loss_weights:
            out["words"] = MaskedWords(width, self.backbone.text.words)
        if "relations" in self.loss_weights and graph is not None:
            out["relations"] = Relations(width, len(graph.relations), dropout)
        if "entities" in self.loss_weights and graph is not None:
            side = self.backbone.side
            if isinstance(side, KnowledgeEncoder):
                out["entities"] = LinkedEntities(width, side.width, side.node_vectors)
            else:
                self.entities = nn.Embedding(len(graph.entities), entity_dim)
                nn.init.normal_(self.entities.weight, std=entity_dim**-0.5)
                out["entities"] = LinkedEntities(width, entity_dim, self.entities.forward)
        if "replaced" in self.loss_weights:
            out["replaced"] = FalseMentions(width, dropout)
        return out

    def make_metric(self) -> PretrainingFigures:
        return PretrainingFigures(self.objectives, self.loss_weights)

    def states(self, batch: PretrainingBatch) -> States:
        """Runs the backbone."""
        streams = self.backbone(batch.text, batch.images if batch.knowledge is None else batch.knowledge)
        if self.pooling is None:
            empty = streams.text.new_zeros(*batch.spans.shape[:2], 0)
            return States(streams.text, empty if streams.mentions is None else streams.mentions)
        return States(streams.text, self.pooling(streams.text, span_mask(batch.spans, streams.text.shape[1])))

    def scores(self, batch: PretrainingBatch) -> dict[str, Tensor]:
        """The scores of each objective."""
        states = self.states(batch)
        return {name: objective(states, batch) for name, objective in self.objectives.items()}

    def losses(self, batch: PretrainingBatch) -> dict[str, Tensor]:
        return self._losses(self.scores(batch), batch)

    def _losses(self, scores: Mapping[str, Tensor], batch: PretrainingBatch) -> dict[str, Tensor]:
        return {
            name: objective.loss(scores[name], batch) / max(objective.asked(batch), 1)
            for name, objective in self.objectives.items()
        }

    def weight(self, batch: PretrainingBatch) -> Tensor:
        """The number of hidden pieces, or of sentences, where none are hidden: other questions go with the text."""
        counted = batch.hidden.places if "words" in self.loss_weights else batch.text.ids
        return torch.full((), len(counted), dtype=torch.float32, device=batch.text.ids.device)

    def update_metric(self, batch: PretrainingBatch, metric: PretrainingFigures) -> None:
        metric.update(self.objectives, self.scores(batch), batch)

    def predict(self, batch: PretrainingBatch) -> list[dict[str, Any]]:
        """The words that were left out, whom each mention means of all entities, and how mentions are related.

        What the model has not learned is not answered.
        """
        states, scores = self.states(batch), {}
        for name, objective in self.objectives.items():
            scores[name] = self._of_all(states, batch) if name == "entities" else objective(states, batch)
        answers: list[dict[str, Any]] = [{} for _ in batch.text.ids]
        names = self.processor.named()
        if "words" in scores:
            probabilities, width = scores["words"].float().softmax(-1), batch.text.ids.shape[1]
            fill_words(answers, probabilities, batch.hidden, width, names["word piece"])
        if "entity" in names:
            link_mentions(answers, scores, batch, names["entity"])
        if "relations" in scores:
            relate_mentions(answers, scores["relations"].float().sigmoid(), batch, names["graph relation"])
        return answers

    def _of_all(self, states: States, batch: PretrainingBatch) -> Float[Tensor, "L N"]:
        """The scores of all entities of the graph for each mention: an answer does not depend on the batch."""
        objective = self.objectives["entities"]
        every = torch.arange(len(self.processor.named()["entity"]), device=batch.spans.device)
        return objective.head(states.mentions.flatten(0, 1)[batch.linked.places], objective.vectors(every))

    def predict_items(self, features: Sequence[Any], store: LoadedImages, size: int) -> list[dict[str, Any]]:
        """The same with the words that are mentions, or were left out."""
        answers = super().predict_items(features, store, size)
        for answer, item in zip(answers, features, strict=True):
            if "words" in answer:
                answer["words"] = gather_words(answer["words"], item.hidden, item.asked)
            if "mentions" in answer:
                answer["mentions"] = [
                    {**one, **own} for one, own in zip(item.mentions, answer["mentions"], strict=True)
                ]
        return answers
