"""Sentences of a corpus become token ids with the graph around them; what is hidden is drawn when a batch is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Int

from mkgc.batch import Text
from mkgc.data.context import KnowledgeContext
from mkgc.data.corpus import Corpus
from mkgc.data.cutting import check_room, cut_words, describe_cut
from mkgc.data.dataset import Dataset
from mkgc.data.hidden import Draw, collate_hidden
from mkgc.data.knowledge import piece_span
from mkgc.data.masking import WordMasking, word_units
from mkgc.data.processor import text_batch
from mkgc.data.sentences import SentenceProcessor
from mkgc.data.settings import DataSettings
from mkgc.data.tokens import Tokenizer, learned
from mkgc.data.words import span_as_dict
from mkgc.errors import ConfigError
from mkgc.images.coverage import Coverage
from mkgc.images.loaded import LoadedImages
from mkgc.training.samplers import epoch_of
from tasks.knowledge_pretraining import batch
from tasks.knowledge_pretraining.batch import PretrainingBatch
from tasks.knowledge_pretraining.drawing import Drawing
from tasks.knowledge_pretraining.example import CorpusExample, parse_asked
from tasks.knowledge_pretraining.features import SentenceFeatures, Shown, show_drawn, show_whole
from tasks.knowledge_pretraining.notes import note_corpus
from tasks.knowledge_pretraining.replacement import Replacement, entity_types
from tasks.knowledge_pretraining.source import CorpusSource

Given = Literal["text", "images", "knowledge"]
"""What a backbone may be given of a sentence."""


class CorpusProcessor(SentenceProcessor):
    """Encodes sentences, ties their mentions to the graph, and hides what is drawn.

    A sentence that is longer than ``max_length`` loses ends of long words, then its last words. ``reads_graph`` says
    whether batches have graphs; mentions, their entities and relations are asked about in either case. With
    ``own_candidates``, a mention is compared with the entities of its sentence alone instead of the batch's.

    Raises:
        ConfigError: ``data.max_length`` leaves no room for a word, or mentions are to be replaced without a graph.
    """

    kind = "label"

    def __init__(
        self,
        tokenizer: Tokenizer,
        settings: DataSettings,
        knowledge: KnowledgeContext | None,
        drawing: Drawing,
        reads_graph: bool,
        own_candidates: bool = False,
        types: Int[np.ndarray, "n 2"] | None = None,
    ) -> None:
        super().__init__(tokenizer, (), settings, knowledge)
        check_room(settings.max_length, 3, "a piece, and a mark at either end")
        self.drawing, self.reads_graph, self.own_candidates, self.types = drawing, reads_graph, own_candidates, types
        self.masking = WordMasking(tokenizer, drawing.words)

    @cached_property
    def replacement(self) -> Replacement | None:
        """What names other entities, where mentions are replaced."""
        if self.knowledge is None or self.types is None:
            return None
        return Replacement(self.knowledge, self.types)

    def named(self) -> dict[str, Sequence[str]]:
        nodes = {} if self.knowledge is None else self.knowledge.named()
        return {"word piece": self.tokenizer.names, **nodes}

    def state(self) -> dict[str, Any]:
        own = {"drawing": asdict(self.drawing), "reads_graph": self.reads_graph, "own_candidates": self.own_candidates}
        types = {} if self.types is None else {"types": torch.from_numpy(self.types)}
        return super().state() | own | types

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> CorpusProcessor:
        tokenizer, _, settings = cls.parts(state)
        own = Drawing(**state["drawing"]), state["reads_graph"], state["own_candidates"]
        types = state["types"].numpy() if "types" in state else None
        return cls(tokenizer, settings, cls.graph(state), *own, types)

    def encode(self, example: CorpusExample) -> SentenceFeatures:
        """A sentence as it is; what is drawn of it is not decided yet."""
        tokenizer = self.tokenizer
        pieces = tokenizer.pieces(example.tokens)
        lengths = [len(ids) for ids in pieces]
        kept = cut_words(lengths, self.settings.max_length - 2, range(len(pieces)))
        words = [-1, *(word for word, count in enumerate(kept) for _ in range(count)), -1]
        ids = [piece for own, count in zip(pieces, kept, strict=True) for piece in own[:count]]
        units = word_units(example.tokens)
        found = self.mentions(example)
        graph = self.encode_graph(found, words)
        mentions: list[dict[str, Any]] = []
        if graph is not None and self.knowledge is not None:
            read = sorted((span, one) for one in found if (span := piece_span(one.span, words)).end)
            named = [one for _, one in read[: len(graph.spans)]]
            mentions = self.knowledge.describe(named, example.tokens, example.raw)
        return SentenceFeatures(
            ids=(tokenizer.start, *ids, tokenizer.stop),
            units=tuple(-1 if word < 0 else units[word] for word in words),
            graph=graph,
            written=tuple(one["text"] for one in mentions),
            relations=self._relations(graph.nodes[: len(graph.spans)]) if graph else (),
            cut=describe_cut(lengths, kept, raw=example.raw),
            mentions=mentions,
            hidden=tuple(piece_span(span, words) for span in example.hidden),
        )

    def _relations(self, entities: Sequence[int]) -> tuple[tuple[int, int, int], ...]:
        assert self.knowledge is not None
        return tuple((head, relation, tail) for head, relation, tail in self.knowledge.among(entities).tolist())

    def _shown(self, item: SentenceFeatures) -> Shown:
        """What a model is shown of a sentence."""
        if item.draw is None:
            return show_whole(item, self.tokenizer.mask)
        entities = 0 if self.knowledge is None else len(self.knowledge.entities)
        drawn = item.draw.generator(), self.drawing, self.masking, self.replacement, self._name_pieces
        return show_drawn(item, *drawn, self.settings.max_length, entities)

    def _name_pieces(self, name: str) -> list[int]:
        return self.tokenizer.ids(name)

    def collate(self, features: Sequence[SentenceFeatures], store: LoadedImages) -> PretrainingBatch:
        shown = [self._shown(item) for item in features]
        text: Text = text_batch([one.ids for one in shown], self.tokenizer.pad, self.settings.least_length)
        spans, width = batch.collate_spans(shown), text.ids.shape[1]
        graphs = self.collate_graphs([one.graph for one in shown]) if self.reads_graph else None
        relations = 0 if self.knowledge is None else len(self.knowledge.relations)
        return PretrainingBatch(
            text=text,
            knowledge=None if graphs is None else batch.tie(graphs, shown),
            spans=spans,
            hidden=collate_hidden([one.targets for one in shown], width),
            linked=batch.collate_linked(shown, spans.shape[1], self.own_candidates),
            related=batch.collate_related(shown, spans.shape[1], relations),
            replaced=batch.collate_replaced(shown, width),
        )

    def parse(self, record: Mapping[str, Any], folder: Path, place: str) -> SentenceFeatures:
        """The features of a user's record.

        Raises:
            DataError: It cannot be used, or a word that is asked for stands behind ``data.max_length``.
        """
        example = parse_asked(record, folder, place)
        return replace(self.encode(example), asked=self._asked(example, place))

    def _asked(self, example: CorpusExample, place: str) -> list[dict[str, Any]]:
        return [span_as_dict(example.tokens, example.raw, span) for span in example.hidden]


class CorpusFeatures(Sequence[SentenceFeatures]):
    """The features of a corpus, made when they are asked for: those of train are ``redrawn`` in each epoch."""

    def __init__(self, corpus: Corpus, processor: CorpusProcessor, seed: int, redrawn: bool) -> None:
        self.corpus, self.processor, self.seed, self.redrawn = corpus, processor, seed, redrawn

    def __len__(self) -> int:
        return len(self.corpus)

    @property
    def lengths(self) -> Int[np.ndarray, " n"]:
        """How long each text is, in words: to batch those of like length."""
        return self.corpus.lengths

    def __getitem__(self, row: Any) -> Any:
        """Encodes a sentence, which is numbered on from epoch to epoch, or a slice of them."""
        if isinstance(row, slice):
            return [self[one] for one in range(*row.indices(len(self)))]
        epoch, place = epoch_of(row, len(self))
        return replace(self.processor.encode(self.corpus[place]), draw=Draw(self.seed, epoch, place))

    def __getitems__(self, rows: Sequence[int]) -> list[SentenceFeatures]:
        return [self[row] for row in rows]


def read(
    source: CorpusSource,
    tokenizer: Callable[[Iterable[str]], Tokenizer] | None = learned,
    processor: CorpusProcessor | None = None,
    inputs: Sequence[Given] = ("text",),
    seed: int = 0,
    drawing: Drawing = Drawing(),  # noqa: B008  # frozen
    candidates: Literal["batch", "sentence"] = "batch",
) -> Dataset:
    """A corpus for a trained model's ``processor`` or for a new one, of which sentences are read as they are needed.

    Raises:
        ConfigError: The backbone reads no text, or knowledge is read, or mentions are to be replaced, and there is no
            graph.
    """
    if processor is None:
        if tokenizer is None:
            raise ConfigError("this task reads sentences, and this backbone no text (backbone.inputs)")
        knowledge = source.knowledge
        needs = {"backbone.inputs": "knowledge" in inputs, "task.data.drawing.replaced": drawing.replaced > 0}
        for key, asked in needs.items():
            if asked and knowledge is None:
                raise ConfigError(f"{key} asks for a knowledge graph, and the data bring none (data.knowledge=null)")
        types = entity_types(knowledge) if knowledge is not None and drawing.replaced else None
        pieces = tokenizer(" ".join(example.tokens) for example in source.splits["train"])
        reads = "knowledge" in inputs
        processor = CorpusProcessor(pieces, source.settings, knowledge, drawing, reads, candidates == "sentence", types)
    features = {
        split: CorpusFeatures(corpus, processor, seed, redrawn=split == "train")
        for split, corpus in source.splits.items()
    }
    store, settings = LoadedImages({}, {}), processor.settings
    nodes = None if processor.knowledge is None else processor.knowledge.settings.max_nodes
    notes = (*source.notes, *note_corpus(features, settings.max_length, nodes))
    graph = None if processor.knowledge is None else processor.knowledge.digest()
    return Dataset(source, processor, features, store, Coverage(()), notes, examples=source.splits, graph=graph)
