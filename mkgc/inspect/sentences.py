"""Labelled sentences: classes, repetitions, lengths, and mentions that loaders stumble over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence

import numpy as np

from mkgc.data.examples import RelationExample, Sentences, TaggedExample
from mkgc.data.processor import Processor
from mkgc.inspect.counts import compare_counts, compare_sizes
from mkgc.inspect.overlap import find_overlap
from mkgc.inspect.published import Published
from mkgc.inspect.report import Cell, Finding, Section, Table
from mkgc.inspect.vocabulary import measure_vocabulary
from mkgc.nn.crf import repair_bio

Splits = Mapping[str, Sequence[RelationExample | TaggedExample]]

BOUNDARIES = 2
"""[CLS] and [SEP]."""


def inspect_sentences(source: Sentences, processor: Processor, published: Published | None) -> list[Section]:
    """All there is to say of a data set of sentences, but for its images."""
    return [
        count_labels(source, published),
        find_overlap(compared(source.splits)),
        measure_lengths(source.splits, processor),
        look_at_spans(source.splits),
        look_at_tags(source.splits),
    ]


def compared(splits: Splits) -> dict[str, dict[str, list[Hashable]]]:
    """What examples are compared by: words; these with the mentions; these with labels and names of images."""

    def keys(of: Callable[[RelationExample | TaggedExample], Hashable]) -> dict[str, list[Hashable]]:
        return {split: [of(example) for example in part] for split, part in splits.items()}

    return {
        "text": keys(lambda e: e.tokens),
        "text and mentions": keys(lambda e: (e.tokens, _mentions(e))),
        "text, mentions, labels and images": keys(lambda e: (e.tokens, _mentions(e), *_labels(e), *_names(e))),
    }


def _mentions(example: RelationExample | TaggedExample) -> Hashable:
    return (example.head, example.tail) if isinstance(example, RelationExample) else example.tags


def _names(example: RelationExample | TaggedExample) -> list[str]:
    return [path.name for paths in example.images.values() for path in paths]


def count_labels(source: Sentences, published: Published | None) -> Section:
    """Sentences and labels of each split; labels that train never shows, and splits without an example."""
    found = {split: Counter(label for e in part for label in _labels(e)) for split, part in source.splits.items()}
    sizes = {split: len(part) for split, part in source.splits.items()}
    labels = {label: tuple(found[split][label] for split in Processor.splits) for label in source.labels}
    ordered = dict(sorted(labels.items(), key=lambda item: -item[1][0]))
    what = "entity types" if _tagged(source.splits) else "relations"
    tables, findings = compare_counts(
        "Counts", what, {"sentences": [sizes[s] for s in Processor.splits], **ordered}, published
    )
    more_tables, more_findings = compare_sizes({what: len(labels)}, published)
    unseen = [label for label, (train, *others) in labels.items() if not train and any(others)]
    own = [Finding("fatal", f"{split} has no example") for split, size in sizes.items() if not size]
    own += [Finding("warning", f"'{label}' occurs in dev or test, but never in train") for label in unseen]
    return Section((*tables, *more_tables), (*findings, *more_findings, *own))


def _labels(example: RelationExample | TaggedExample) -> list[str]:
    if isinstance(example, RelationExample):
        return [example.relation or ""]
    return [tag[2:] for tag in example.tags or () if tag.startswith("B-")]


def _tagged(splits: Splits) -> bool:
    return any(isinstance(e, TaggedExample) for part in splits.values() for e in part)


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


def look_at_spans(splits: Splits) -> Section:
    """Mentions that overlap, and those that end with the sentence: both break loaders that mark words one by one."""
    rows = []
    for split, part in splits.items():
        examples = [e for e in part if isinstance(e, RelationExample)]
        overlapping = sum(e.head.start < e.tail.end and e.tail.start < e.head.end for e in examples)
        last = sum(span.end == len(e.tokens) for e in examples for span in (e.head, e.tail))
        if examples:
            rows.append((split, overlapping, last))
    findings = [
        Finding("info", f"{overlapping:,} examples of {split} have a head and a tail that overlap")
        for split, overlapping, _ in rows
        if overlapping
    ]
    columns = ("split", "head and tail overlap", "mentions at the end of the sentence")
    return Section((Table("Mentions", columns, tuple(rows)),), tuple(findings))


def look_at_tags(splits: Splits) -> Section:
    """I- tags that continue no mention of their type, which training turns into B-."""
    rows = []
    for split, part in splits.items():
        tags = [e.tags for e in part if isinstance(e, TaggedExample) and e.tags]
        repaired = sum(old != new for row in tags for old, new in zip(row, repair_bio(row), strict=True))
        if tags:
            rows.append((split, sum(map(len, tags)), repaired))
    findings = [
        Finding("info", f"{repaired:,} I- tags of {split} continue no mention of their type; they are read as B-")
        for split, _, repaired in rows
        if repaired
    ]
    columns = ("split", "tags", "I- that continues nothing")
    return Section((Table("Tags", columns, tuple(rows)),), tuple(findings))
