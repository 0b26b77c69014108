"""A knowledge graph's files, whatever their format, as the source of a task's data."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from mkgc.data.dataset import Dataset, DataSource
from mkgc.data.digest import digest
from mkgc.data.examples import ImagePaths
from mkgc.data.formats import chosen, kg, mmkg, tsv
from mkgc.data.graph import Graph, Triples
from mkgc.data.notes import note_graph
from mkgc.data.settings import DataSettings
from mkgc.data.split import split_graph
from mkgc.data.subsets import subset_rows
from mkgc.images.policy import entity_images
from mkgc.inspect.graphs import inspect_graph
from mkgc.inspect.published import Published
from mkgc.inspect.report import Section


class GraphSource(DataSource):
    """A ``graph`` in one of several ``formats``; its examples are triples, their classes the relations.

    Raises:
        ConfigError: There is no such format, or the graph has no name in the language that is asked for.
        DataError: A file is missing or a line malformed.
    """

    formats: ClassVar[Mapping[str, Callable[[Path, Collection[str]], Graph]]] = {
        "kg": kg.read,
        "mmkg": mmkg.read,
        "tsv": tsv.read,
        "triples": tsv.read_one,
    }
    drawn_formats = ("triples",)
    multilingual_formats = ("tsv", "triples")
    subset_suffix = "tsv"

    def __init__(self, settings: DataSettings) -> None:
        super().__init__(settings)
        graph = chosen(self.formats, settings.format)(Path(settings.root), tuple(settings.images))
        graph = graph if settings.split is None else split_graph(graph, settings.split)
        self.graph = graph.speaking(settings.language)
        self.notes = (*self.graph.notes, *note_graph(self.graph))

    def examples(self) -> Mapping[str, Triples]:
        return self.graph.triples

    def digest(self) -> str:
        return digest(self.examples(), (*self.graph.entities, "", *self.graph.relations))

    def images(self, broken: Collection[Path] = ()) -> list[ImagePaths]:
        return entity_images(self.graph, self.settings, broken)

    def classes(self, example: Any) -> frozenset[str]:
        return frozenset({str(example[1])})

    def inspect(self, dataset: Dataset, settings: DataSettings, published: Published | None) -> list[Section]:
        return inspect_graph(self.graph, published)

    def subset_lines(self) -> list[str]:
        """Triples by their ids, as MKGformer publishes them."""
        entities, relations = self.graph.entities, self.graph.relations
        return [f"{entities[h]}\t{relations[r]}\t{entities[t]}" for h, r, t in self.graph.triples["train"].tolist()]

    def ordered(self, entities: Sequence[str], relations: Sequence[str]) -> GraphSource:
        """The same with a graph as a trained model numbers it; raises as :meth:`Graph.ordered` does."""
        source = copy(self)
        source.graph = self.graph.ordered(entities, relations)
        return source

    def subset(self) -> Graph:
        """The graph with the triples of train that the settings leave; its entities and relations stay.

        What is left out counts as unknown when answers are filtered, too: as in MKGformer's code, where the file of the
        low-resource split takes the place of the whole one.

        Raises:
            DataError: The file of the split cannot be used.
        """
        rows = subset_rows(self, self.settings)
        if rows is None:
            return self.graph
        return replace(self.graph, triples={**self.graph.triples, "train": self.graph.triples["train"][rows]})
