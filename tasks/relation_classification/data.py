"""Sentences with two mentions become token ids with the graph around them, each for itself or in bags."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from mkgc.app.ranges import Count
from mkgc.batch import Knowledge
from mkgc.data.context import KnowledgeContext
from mkgc.data.dataset import Dataset
from mkgc.data.examples import ImagePaths, Span
from mkgc.data.knowledge import Subgraph, piece_span
from mkgc.data.marked import Markers
from mkgc.data.sentences import read_sentences
from mkgc.data.settings import DataSettings
from mkgc.data.tokens import Tokenizer, learned
from mkgc.images.loaded import LoadedImages
from mkgc.relations.null import choose_null
from mkgc.relations.processor import PairProcessor, RelationBatch, RelationFeatures
from tasks.relation_classification.example import parse_relation
from tasks.relation_classification.source import LinkedSource

Given = Literal["text", "distances", "images", "knowledge"]
"""What a backbone may be given of a sentence with two mentions."""


@dataclass(frozen=True)
class LinkedFeatures(RelationFeatures):
    """A sentence with the number of its bag and the ``spans`` of its mentions' pieces; ``graph`` is None where no graph
    is read, ``linked`` are the entities of a record."""

    spans: tuple[Span, ...] = ()
    graph: Subgraph | None = None
    bag: int = 0
    linked: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class BagFeatures:
    """Sentences of a bag that have one relation, to be learned from together."""

    sentences: tuple[LinkedFeatures, ...]

    @property
    def ids(self) -> tuple[int, ...]:
        """All tokens: so many there are to be read."""
        return tuple(chain.from_iterable(one.ids for one in self.sentences))


@dataclass(frozen=True)
class LinkedBatch(RelationBatch):
    """Sentences, with their graphs, the numbers of their bags, and the half-open ranges of head's and tail's pieces.

    ``members[n, b]`` says whether sentence ``b`` is one of those that the n-th item of the batch is made of, which are
    learned from together; ``relations`` are the items' labels.
    """

    knowledge: Knowledge | None = None
    spans: Int[Tensor, "B 2 2"] | None = None
    bags: Int[Tensor, " B"] | None = None
    members: Bool[Tensor, "N B"] | None = None
    relations: Int[Tensor, " N"] | None = None


class LinkedProcessor(PairProcessor):
    """Marks head and tail as :class:`PairProcessor` does, and reads the graph around the sentence.

    In training, up to ``bag_size`` sentences of one bag and one relation are an item.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        labels: tuple[str, ...],
        settings: DataSettings,
        markers: Markers = "new",
        null_relation: str | None = None,
        distances: bool = False,
        knowledge: KnowledgeContext | None = None,
        bag_size: int = 1,
    ) -> None:
        super().__init__(tokenizer, labels, settings, markers, null_relation, distances, knowledge)
        self.bag_size = bag_size

    def state(self) -> dict[str, Any]:
        return super().state() | {"bag_size": self.bag_size}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> LinkedProcessor:
        own = {name: state[name] for name in ("markers", "null_relation", "bag_size")}
        return cls(*cls.parts(state), **own, distances=state.get("distances", False), knowledge=cls.graph(state))

    def encode(self, example: Any) -> LinkedFeatures:
        features = super().encode(example)
        graph = self.encode_graph(self.mentions(example), features.words)
        spans = tuple(piece_span(span, features.words) for span in (example.head, example.tail))
        return LinkedFeatures(**vars(features), graph=graph, bag=number_bag(example.bag), spans=spans)

    def collate(self, features: Sequence[Any], store: LoadedImages) -> LinkedBatch:
        items = [item.sentences if isinstance(item, BagFeatures) else (item,) for item in features]
        sentences = [*chain.from_iterable(items)]
        places = torch.tensor([place for place, item in enumerate(items) for _ in item])
        return LinkedBatch(
            **vars(super().collate(sentences, store)),
            knowledge=self.collate_graphs([one.graph for one in sentences]),
            spans=torch.tensor([one.spans for one in sentences]),
            bags=torch.tensor([one.bag for one in sentences]),
            members=places == torch.arange(len(items))[:, None],
            relations=torch.tensor([item[0].label for item in items]),
        )

    def parse(self, record: Mapping[str, Any], folder: Path, place: str) -> LinkedFeatures:
        example = parse_relation(record, folder, place)
        features = self.asked(example)
        assert isinstance(features, LinkedFeatures)
        return replace(features, linked=self.linked(example))

    def illustrations(self, features: Mapping[str, Sequence[Any]]) -> Iterable[ImagePaths]:
        return (one.images for part in features.values() for one in _sentences(part))

    def readings(self, features: Sequence[Any]) -> Iterable[Sequence[int]]:
        return (one.ids for one in _sentences(features))


def number_bag(name: str) -> int:
    """The number of a bag, the same in every process and in every data set."""
    return int.from_bytes(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()) >> 1


def _sentences(features: Sequence[Any]) -> Iterator[LinkedFeatures]:
    for item in features:
        yield from item.sentences if isinstance(item, BagFeatures) else (item,)


def in_bags(features: Sequence[LinkedFeatures], size: int) -> list[BagFeatures]:
    """The sentences of each bag and relation, in their order, up to so many together."""
    found: dict[tuple[int, int], list[LinkedFeatures]] = {}
    for one in features:
        found.setdefault((one.bag, one.label), []).append(one)
    return [
        BagFeatures(tuple(part[start : start + size])) for part in found.values() for start in range(0, len(part), size)
    ]


def read(
    source: LinkedSource,
    tokenizer: Callable[[Iterable[str]], Tokenizer] | None = learned,
    processor: LinkedProcessor | None = None,
    markers: Markers = "new",
    null_relation: str | list[str] | None = None,
    bag_size: Count = 1,
    inputs: Sequence[Given] = ("text",),
) -> Dataset:
    """Encodes sentences with two mentions for a trained model's ``processor`` or for a new one.

    Raises:
        ConfigError: A new model's null relation is not to be found (:func:`mkgc.relations.null.find_null`).
        DataError: A new model would learn but one relation; else as :func:`read_sentences` does.
    """
    null, notes = choose_null(source, processor, null_relation)
    make = partial(
        LinkedProcessor,
        markers=markers,
        null_relation=null,
        distances="distances" in inputs,
        knowledge=source.knowledge if "knowledge" in inputs else None,
        bag_size=bag_size,
    )
    dataset = read_sentences(source, make, tokenizer, processor, notes)
    assert isinstance(dataset.processor, LinkedProcessor)
    if (size := dataset.processor.bag_size) == 1:
        return dataset
    return replace(dataset, features={**dataset.features, "train": in_bags(dataset.features["train"], size)})
