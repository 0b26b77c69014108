"""Sentences with a mention become token ids with the place of the mention, and the graph around them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from mkgc.batch import Images, Knowledge, Part, Text
from mkgc.data.context import KnowledgeContext
from mkgc.data.cutting import Cut, check_room
from mkgc.data.dataset import Dataset
from mkgc.data.examples import ImagePaths, Span
from mkgc.data.knowledge import Subgraph, piece_span
from mkgc.data.marked import Markers, mark_text, marker_ids, marker_table, markers_before
from mkgc.data.notes import note_twins
from mkgc.data.processor import image_batch, text_batch
from mkgc.data.sentences import SentenceProcessor, read_sentences
from mkgc.data.settings import DataSettings
from mkgc.data.tokens import Tokenizer, learned
from mkgc.data.words import span_as_dict
from mkgc.errors import DataError
from mkgc.images.loaded import LoadedImages
from tasks.entity_typing.example import TypingExample, parse_mention
from tasks.entity_typing.source import TypingSource

MARKERS = ("<m>", "</m>")
"""New tokens around the mention, numbered behind the vocabulary in this order."""

Given = Literal["text", "distances", "images", "knowledge"]
"""What a backbone may be given of a sentence with a mention."""


@dataclass(frozen=True)
class TypingFeatures:
    """A sentence as ids; ``span`` is the mention's range of tokens, from its opening marker on where there is one.

    ``types`` are the numbers of its types, None if they are not known. ``words`` are the numbers of the words that its
    ids are pieces of, -1 of marks; ``cut`` says what of it is not read, ``mention`` which words of a record the mention
    is, and ``linked`` which entities it mentions; ``graph`` is None where no graph is read.
    """

    ids: tuple[int, ...]
    span: Span
    types: tuple[int, ...] | None
    images: ImagePaths
    words: tuple[int, ...] = ()
    cut: Cut | None = None
    graph: Subgraph | None = None
    mention: Mapping[str, Any] = field(default_factory=dict)
    linked: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class TypingBatch(Part):
    """Mentions by their ranges of tokens, with their types, which are ``known`` or not."""

    text: Text
    images: tuple[Images, ...]
    knowledge: Knowledge | None
    spans: Int[Tensor, "B 2"]
    types: Bool[Tensor, "B C"]
    known: Bool[Tensor, " B"]


class TypingProcessor(SentenceProcessor):
    """Marks the mention, if that is asked for, cuts what is too long around it, and pads; the labels are types.

    A mention has any number of types, each for itself, or, if they are not ``multi``, exactly one. With ``distances``,
    texts say of each token how many it stands behind the mention.

    Raises:
        ConfigError: The vocabulary lacks the punctuation, or ``data.max_length`` leaves no room for a mention.
    """

    kind = "type"

    def __init__(
        self,
        tokenizer: Tokenizer,
        labels: tuple[str, ...],
        settings: DataSettings,
        markers: Markers = "none",
        multi: bool = True,
        distances: bool = False,
        knowledge: KnowledgeContext | None = None,
    ) -> None:
        super().__init__(tokenizer, labels, settings, knowledge)
        check_room(settings.max_length, 1 + len(MARKERS) + 2, "a piece, two markers, and a mark at either end")
        self.markers, self.multi, self.distances = markers, multi, distances
        self.marker_ids = marker_ids(tokenizer, markers, len(MARKERS))
        self.numbers = {label: number for number, label in enumerate(labels)}

    def new_tokens(self) -> dict[str, int]:
        return marker_table(self.markers, len(MARKERS))

    def state(self) -> dict[str, Any]:
        return super().state() | {"markers": self.markers, "multi": self.multi, "distances": self.distances}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> TypingProcessor:
        own = {name: state[name] for name in ("markers", "multi", "distances")}
        return cls(*cls.parts(state), **own, knowledge=cls.graph(state))

    def encode(self, example: TypingExample) -> TypingFeatures:
        """Ids with the markers in place, as :func:`mark_text` puts and cuts them; a piece of the mention is left."""
        before = {} if self.markers == "none" else markers_before([example.mention])
        room = self.settings.max_length - len(MARKERS) - 2
        marked = mark_text(
            self.tokenizer, example.tokens, {"mention": example.mention}, room, before, self.marker_ids, example.raw
        )
        span = piece_span(example.mention, marked.words)
        types = example.types
        return TypingFeatures(
            marked.ids,
            Span(marked.opened.get(0, span.start), span.end),
            None if types is None else tuple(self.numbers[name] for name in types),
            example.images,
            marked.words,
            marked.cut,
            self.encode_graph(self.mentions(example), marked.words),
        )

    def collate(self, features: Sequence[TypingFeatures], store: LoadedImages) -> TypingBatch:
        settings = self.settings
        text = text_batch([item.ids for item in features], self.tokenizer.pad, settings.least_length)
        spans = torch.tensor([item.span for item in features])
        if self.distances:  # of the two mentions that encoders of words may be told, both are this one
            behind = torch.arange(text.ids.shape[1]) - spans[:, :1]
            text = replace(text, distances=behind[..., None].expand(-1, -1, 2))
        types = torch.zeros(len(features), len(self.labels), dtype=torch.bool)
        for row, item in enumerate(features):
            types[row, list(item.types or ())] = True
        return TypingBatch(
            text,
            image_batch([item.images for item in features], settings.images, settings.max_images, store),
            self.collate_graphs([item.graph for item in features]),
            spans,
            types,
            torch.tensor([item.types is not None for item in features]),
        )

    def parse(self, record: Mapping[str, Any], folder: Path, place: str) -> TypingFeatures:
        example = parse_mention(record, folder, place)
        mention = span_as_dict(example.tokens, example.raw, example.mention)
        return replace(self.encode(example), mention=mention, linked=self.linked(example))


def read(
    source: TypingSource,
    tokenizer: Callable[[Iterable[str]], Tokenizer] | None = learned,
    processor: TypingProcessor | None = None,
    markers: Markers = "none",
    labels: Literal["multi", "single"] = "multi",
    inputs: Sequence[Given] = ("text",),
) -> Dataset:
    """Encodes sentences with a mention for a trained model's ``processor`` or for a new one.

    Raises:
        DataError: A new model would learn but one type, or a mention has several where each may have one; else as
            :func:`read_sentences` does.
    """
    multi = labels == "multi" if processor is None else processor.multi
    if processor is None and len(source.labels) < 2:
        named = f"one type only, '{source.labels[0]}'" if source.labels else "no type"
        raise DataError(f"train has {named}: there is nothing to tell apart", source.settings.root)
    if not multi:
        _check_single(source)
    make = partial(
        TypingProcessor,
        markers=markers,
        multi=multi,
        distances="distances" in inputs,
        knowledge=source.knowledge if "knowledge" in inputs else None,
    )
    return read_sentences(source, make, tokenizer, processor, note_twins("types", source.labels))


def _check_single(source: TypingSource) -> None:
    """Checks that every mention has one type.

    Raises:
        DataError: One has several.
    """
    for split, part in source.splits.items():
        several = [example for example in part if len(example.types or ()) != 1]
        if several:
            types = ", ".join(several[0].types or ())
            raise DataError(
                f"{len(several):,} of {len(part):,} mentions of {split} have several types, the first "
                f"({several[0].id}) {types:.80}: set task.data.labels=multi",
                source.settings.root,
            )
