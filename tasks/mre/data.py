"""The data of relation extraction, read for a new model or for a trained one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from mkgc.data.dataset import Dataset
from mkgc.data.marked import Markers
from mkgc.data.sentences import read_sentences
from mkgc.data.tokens import Tokenizer, learned
from mkgc.relations.null import choose_null
from mkgc.relations.processor import PairProcessor, RelationFeatures
from tasks.mre.example import parse_relation
from tasks.mre.source import RelationSource

Given = Literal["text", "distances", "images", "scene"]
"""What a backbone may be given of a sentence with two mentions."""


class RelationProcessor(PairProcessor):
    """The processor of sentences with two mentions and images."""

    def parse(self, record: Mapping[str, Any], folder: Path, place: str) -> RelationFeatures:
        return self.asked(parse_relation(record, folder, place))


def read(
    source: RelationSource,
    tokenizer: Callable[[Iterable[str]], Tokenizer] | None = learned,
    processor: RelationProcessor | None = None,
    markers: Markers = "new",
    null_relation: str | list[str] | None = None,
    inputs: Sequence[Given] = ("text",),
) -> Dataset:
    """Encodes sentences with marked mentions for a trained model's ``processor`` or for a new one.

    Raises:
        ConfigError: A new model's null relation is not to be found (:func:`find_null`).
        DataError: A new model would learn but one relation; else as :func:`read_sentences` does.
    """
    null, notes = choose_null(source, processor, null_relation)
    make = partial(RelationProcessor, markers=markers, null_relation=null, distances="distances" in inputs)
    return read_sentences(source, make, tokenizer, processor, notes)
