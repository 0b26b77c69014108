"""From a graph's files to queries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import numpy as np

from mkgc.data.dataset import Dataset
from mkgc.data.graph import Graph
from mkgc.data.graph_source import GraphSource
from mkgc.data.settings import DataSettings
from mkgc.data.tokens import Tokenizer, learned
from mkgc.images.policy import load_graph_images
from mkgc.inspect.report import Finding
from mkgc.terminal import plural
from tasks.link_prediction.processor import TripleProcessor
from tasks.link_prediction.prompt_processor import LinkProcessor
from tasks.link_prediction.queries import QuerySet, query_sets
from tasks.link_prediction.sequence_processor import SequenceProcessor


def read(
    source: GraphSource,
    tokenizer: Callable[[Iterable[str]], Tokenizer] | None = learned,
    processor: TripleProcessor | None = None,
    protocol: Literal["strict", "paper"] = "strict",
    examples: Literal["queries", "repeated", "triples"] = "queries",
    inputs: Sequence[Literal["text", "images", "triples"]] = ("text",),
) -> Dataset:
    """Makes queries of a graph for a trained model's ``processor`` or for a new one.

    Without a tokenizer, queries are made of indices alone; "triples" among the backbone's ``inputs`` are read whole.
    ``examples`` is what one is in training (:class:`tasks.link_prediction.queries.QuerySet`). By ``protocol`` "strict",
    the candidates for an answer are the entities of the graph's triples; by "paper", all that are listed.

    Raises:
        ConfigError: There is no such protocol or kind of examples.
        DataError: The graph is not that of the processor, or too few images are usable.
    """
    settings = source.settings
    if processor is not None:
        source = source.ordered(processor.entities, processor.relations)
    graph, store, coverage = load_graph_images(source.subset(), settings)
    if processor is None:
        kind = SequenceProcessor if "triples" in inputs else LinkProcessor
        processor = _processor(
            graph, tokenizer, settings, _in_no_triple(source.graph) if protocol == "strict" else (), kind
        )
    else:
        processor.show(source, store.problems)
    queries = query_sets(graph, processor, protocol, examples)
    notes = [note for split, asked in queries.items() for note in _note_cuts(split, asked, processor)]
    notes = [*source.notes, *notes]
    return Dataset(source, processor, queries, store, coverage, tuple(notes), protocol=protocol)


def _note_cuts(split: str, asked: QuerySet, processor: TripleProcessor) -> list[Finding]:
    """That long descriptions lose their ends is usual, and said all the same."""
    if not processor.texts():
        return []
    limit = processor.settings.max_length
    lengths = asked.whole_lengths
    cut = int((lengths > limit).sum())
    what = f"{cut:,} of {len(lengths):,} {asked.reads} of {split}"
    text = f"{what} {plural(cut, 'shows', 'show')} the beginning of a text alone (data.max_length={limit})"
    return [Finding("info", text)] if cut else []


def _in_no_triple(graph: Graph) -> tuple[int, ...]:
    used = np.zeros(len(graph.entities), bool)
    for triples in graph.triples.values():
        used[triples[:, 0]] = used[triples[:, 2]] = True
    return tuple(np.flatnonzero(~used).tolist())


def _processor(
    graph: Graph,
    tokenizer: Callable[[Iterable[str]], Tokenizer] | None,
    settings: DataSettings,
    excluded: tuple[int, ...],
    kind: type[LinkProcessor],
) -> TripleProcessor:
    of_all: dict[str, Any] = {
        "entities": graph.entities,
        "names": graph.names,
        "relations": graph.relations,
        "relation_names": graph.relation_names,
        "images": graph.images,
        "settings": settings,
        "excluded": excluded,
        "labels": (graph.labels, graph.relation_labels),
    }
    if tokenizer is None:
        return TripleProcessor(**of_all)
    texts = tokenizer([*graph.names, *graph.descriptions, *graph.relation_names])
    return kind(texts, graph.descriptions, **of_all)
