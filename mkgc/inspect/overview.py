"""From a data set that has been read to its report."""

from __future__ import annotations

from pathlib import Path

from mkgc.data.dataset import Dataset
from mkgc.data.examples import Sentences
from mkgc.data.settings import DataSettings
from mkgc.inspect.files import name_files
from mkgc.inspect.graphs import inspect_graph
from mkgc.inspect.images import inspect_images, judge_skipping
from mkgc.inspect.published import PUBLISHED, find_published
from mkgc.inspect.report import Cell, Finding, Report, Section, Table, collect
from mkgc.inspect.sentences import inspect_sentences, spread
from mkgc.inspect.vocabulary import measure_vocabulary


def inspect_dataset(dataset: Dataset, settings: DataSettings, task: str) -> Report:
    """The report of a data set that was read with broken images masked, judged by the user's own ``settings``."""
    published, problems = find_published(settings.name), dataset.store.problems
    sections = [_named(settings), Section((), dataset.notes)]
    if isinstance(dataset.source, Sentences):
        sections += inspect_sentences(dataset.source, dataset.processor, published)
        sections.append(judge_skipping(dataset.source, problems, settings))
    else:
        sections += [*inspect_graph(dataset.source, published), *_prompts(dataset)]
    sections += [inspect_images(dataset.coverage, problems, settings), name_files(Path(settings.root), published)]
    return collect(f"{task}: {settings.root}", sections)


def _named(settings: DataSettings) -> Section:
    if settings.name is None:
        return Section()
    published = find_published(settings.name)
    if published is None:
        known = ", ".join(PUBLISHED)
        return Section((), (Finding("warning", f"data.name={settings.name} is not known here; known are {known}"),))
    return Section((), (Finding("info", f"held against {published.title} ({published.source})"),))


def _prompts(dataset: Dataset) -> list[Section]:
    """Lengths of prompts, or of whole triples, those whose text is cut, and the vocabulary, where texts are read."""
    texts, limit = dataset.processor.texts(), dataset.processor.settings.max_length
    if not texts:
        return []
    rows: list[tuple[Cell, ...]] = []
    for split, items in dataset.features.items():
        lengths = items.whole_lengths.tolist()  # type: ignore[attr-defined]  # queries have it
        rows.append((split, len(lengths), *spread(lengths), sum(length > limit for length in lengths)))
    (reads,) = {items.reads for items in dataset.features.values()}  # type: ignore[attr-defined]
    columns = ("split", reads, "median", "90th percentile", "longest", f"over {limit}")
    prompts = Section((Table(f"{reads.capitalize()}, in pieces", columns, tuple(rows)),))
    return [prompts, measure_vocabulary(dataset.processor.tokenizer, texts)]
