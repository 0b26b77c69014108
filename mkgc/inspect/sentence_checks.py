"""Labelled sentences: classes, repetitions and lengths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from mkgc.data.examples import SPLITS, Sentence
from mkgc.data.processor import Processor
from mkgc.inspect.counts import compare_counts, compare_sizes
from mkgc.inspect.overlap import find_overlap
from mkgc.inspect.published import Published
from mkgc.inspect.report import Finding, Section
from mkgc.inspect.unknown_pieces import measure_vocabulary
from mkgc.reports.table import Cell, Table

Splits = Mapping[str, Sequence[Sentence]]

BOUNDARIES = 2
"""[CLS] and [SEP]."""


@runtime_checkable
class Labelled(Protocol):
    """Sentences of each split, and what a task's source says of one."""

    kinds: ClassVar[str]
    splits: Splits
    labels: Any

    def occurring(self, example: Any) -> list[str]: ...

    def asked(self, example: Any) -> Hashable: ...


def inspect_sentences(source: Labelled, processor: Processor, published: Published | None) -> list[Section]:
    """The sections about sentences, whatever is asked of them."""
    return [
        count_labels(source, published),
        find_overlap(compared(source)),
        measure_lengths(source.splits, processor),
    ]


def compared(source: Labelled) -> dict[str, dict[str, list[Hashable]]]:
    """Keys by which examples are compared: words; these with the mentions; these with labels and names of images."""

    def keys(of: Callable[[Any], Hashable]) -> dict[str, list[Hashable]]:
        return {split: [of(example) for example in part] for split, part in source.splits.items()}

    def labels(example: Any) -> tuple[str, ...]:
        return (*source.occurring(example), *_names(example))

    return {
        "text": keys(lambda e: e.tokens),
        "text and mentions": keys(lambda e: (e.tokens, source.asked(e))),
        "text, mentions, labels and images": keys(lambda e: (e.tokens, source.asked(e), *labels(e))),
    }


def _names(example: Sentence) -> list[str]:
    return [path.name for paths in example.images.values() for path in paths]


def count_labels(source: Labelled, published: Published | None) -> Section:
    """Sentences and labels of each split; labels that train never shows, and splits without an example."""
    found = {s: Counter(label for e in part for label in source.occurring(e)) for s, part in source.splits.items()}
    sizes = {split: len(part) for split, part in source.splits.items()}
    labels = {label: tuple(found[split][label] for split in SPLITS) for label in source.labels}
    ordered = dict(sorted(labels.items(), key=lambda item: -item[1][0]))
    counts = {"sentences": [sizes[split] for split in SPLITS], **ordered}
    tables, findings = compare_counts("Counts", source.kinds, counts, published)
    more_tables, more_findings = compare_sizes({source.kinds: len(labels)}, published)
    unseen = [label for label, (train, *others) in labels.items() if not train and any(others)]
    own = [Finding("fatal", f"{split} has no example") for split, size in sizes.items() if not size]
    own += [Finding("warning", f"'{label}' occurs in dev or test, but never in train") for label in unseen]
    return Section((*tables, *more_tables), (*findings, *more_findings, *own))


def measure_lengths(splits: Splits, processor: Processor) -> Section:
    """Lengths in words, and in pieces with all special tokens; what is longer than ``data.max_length`` is cut."""
    limit, extra = processor.settings.max_length, BOUNDARIES + sum(processor.new_tokens().values())
    rows: list[tuple[Cell, ...]] = []
    texts = {}
    for split, part in splits.items():
        pieces = [processor.tokenizer.pieces(e.tokens) for e in part]
        texts[split] = [ids for words in pieces for ids in words]
        words, lengths = [len(e.tokens) for e in part], [extra + sum(map(len, words)) for words in pieces]
        over = sum(length > limit for length in lengths)
        rows += [(split, "words", *spread(words), None), (split, "pieces", *spread(lengths), over)]
    columns = ("split", "length in", "median", "90th percentile", "longest", f"over {limit}")
    known = measure_vocabulary(processor.tokenizer, texts)
    return Section((Table("Lengths", columns, tuple(rows)), *known.tables), known.findings)


def spread(numbers: Sequence[int]) -> tuple[Cell, Cell, Cell]:
    """Median, 90th percentile and maximum of counts."""
    if not len(numbers):
        return None, None, None
    median, ninetieth, most = np.percentile(numbers, (50, 90, 100), method="lower")
    return int(median), int(ninetieth), int(most)
