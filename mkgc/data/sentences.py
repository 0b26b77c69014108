"""Labelled sentences, whatever their file format: what the tasks over sentences share on the way to features."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch

from mkgc.batch import Knowledge, Scene, Text
from mkgc.data.context import KnowledgeContext, Mention, read_context
from mkgc.data.cutting import note_cuts
from mkgc.data.dataset import Dataset, DataSource
from mkgc.data.examples import SPLITS, ImagePaths, Sentence
from mkgc.data.formats import SentenceFormat, chosen
from mkgc.data.formats.locate import find_unnamed
from mkgc.data.formats.scene_graphs import add_scenes
from mkgc.data.formats.unmatched import note_unmatched
from mkgc.data.graph_notes import note_knowledge
from mkgc.data.knowledge import Subgraph, collate_knowledge, piece_span
from mkgc.data.parses import Governors, governor_rows, token_governors
from mkgc.data.processor import Processor
from mkgc.data.scene_batch import SceneFeatures, encode_scene, scene_batch
from mkgc.data.scenes import SceneGraph
from mkgc.data.settings import DataSettings
from mkgc.data.subsets import subset_rows
from mkgc.data.tokens import Tokenizer
from mkgc.errors import ConfigError, DataError
from mkgc.images.policy import load_images, shown
from mkgc.inspect.image_checks import judge_skipping
from mkgc.inspect.knowledge_checks import inspect_knowledge
from mkgc.inspect.published import Published
from mkgc.inspect.report import Finding, Section
from mkgc.inspect.scene_checks import count_scenes
from mkgc.inspect.sentence_checks import inspect_sentences


class SentenceSource(DataSource):
    """Sentences with labels, in one of several ``formats``; ``kinds`` is what the field calls the labels.

    Of tasks that may read them with a graph, examples have ``links`` (of :class:`mkgc.data.formats.links.Link`; None:
    the linker is to find some).

    Raises:
        ConfigError: The task has no such format.
        DataError: A file is missing or a line malformed.
    """

    kinds: ClassVar[str]
    formats: ClassVar[Mapping[str, SentenceFormat]]

    def __init__(self, settings: DataSettings) -> None:
        super().__init__(settings)
        root, form = Path(settings.root), chosen(self.formats, settings.format)
        scenes = settings.max_objects is not None
        groups = tuple(dict.fromkeys((*settings.images, *(["image"] if scenes else []))))  # by whose names scenes go
        self.splits: Mapping[str, Sequence[Any]] = {split: form.examples(root, split, groups) for split in SPLITS}
        read = [example.images for part in self.splits.values() for example in part]
        whole = [path for images in read for path in images.get("image", ())]
        unnamed = find_unnamed((path for images in read for paths in images.values() for path in paths), whole)
        self.labels = form.labels(root)
        self.notes = note_unmatched(unnamed, root, "no sentence names")
        if scenes:
            self.splits, notes = add_scenes(self.splits, settings)
            self.notes = (*self.notes, *notes)

    @cached_property
    def knowledge(self) -> KnowledgeContext | None:
        """The graph that the sentences are read with, if the settings name one; it is read when it is first asked for.

        Raises:
            DataError: It cannot be read.
        """
        return None if self.settings.knowledge is None else read_context(self.settings.knowledge)

    def examples(self) -> Mapping[str, Sequence[Any]]:
        return self.splits

    def images(self, broken: Collection[Path] = ()) -> list[ImagePaths]:
        return [shown(example.images, self.settings) for part in self.splits.values() for example in part]

    def occurring(self, example: Any) -> list[str]:
        """The labels of an example, each as often as it has it."""
        return sorted(self.classes(example))

    def asked(self, example: Any) -> Hashable:
        """The words of an example that are asked about, such as its mentions: with others it is another example."""
        return ()

    def inspect(self, dataset: Dataset, settings: DataSettings, published: Published | None) -> list[Section]:
        sections = inspect_sentences(self, dataset.processor, published)
        if self.settings.max_objects is not None:
            sections.append(count_scenes(self.splits))
        if (knowledge := getattr(dataset.processor, "knowledge", None)) is not None:
            sections.append(inspect_knowledge(knowledge, dataset.features))
        return [*sections, judge_skipping(self.splits, dataset.store.problems, settings)]

    def note_silent(self, scored: Callable[[Any], bool], what: str) -> tuple[Finding, ...]:
        """A warning for each of dev and test in which there is nothing to find."""
        return tuple(
            Finding("warning", f"no example of {split} has {what}: its F1 is 0, whatever is predicted")
            for split, part in self.splits.items()
            if split != "train" and not any(map(scored, part))
        )


class SentenceProcessor(Processor):
    """Encodes sentences with labels from a fixed set; ``kind`` is what the field calls a label.

    ``knowledge`` is the graph that they are read with, if any.
    """

    kind: ClassVar[str]

    def __init__(
        self,
        tokenizer: Tokenizer,
        labels: tuple[str, ...],
        settings: DataSettings,
        knowledge: KnowledgeContext | None = None,
    ) -> None:
        self.tokenizer, self.labels, self.settings, self.knowledge = tokenizer, labels, settings, knowledge

    @abstractmethod
    def encode(self, example: Any) -> Any:
        """The features of an example."""

    def encode_scene(self, scene: SceneGraph | None) -> SceneFeatures | None:
        """The features of a scene graph, where such are read."""
        objects = self.settings.max_objects
        return None if objects is None else encode_scene(scene, self.tokenizer, objects)

    def without_images(self, features: Sequence[Any]) -> Sequence[Any]:
        """The same also without the scene graphs, which describe the images."""
        blind = super().without_images(features)
        return blind if self.settings.max_objects is None else [replace(item, scene=None) for item in blind]

    def collate_scenes(self, features: Iterable[SceneFeatures | None]) -> Scene | None:
        """The scene graphs of a batch, where such are read."""
        return None if self.settings.max_objects is None else scene_batch([one or SceneFeatures() for one in features])

    def mentions(self, example: Any) -> tuple[Mention, ...]:
        """The mentions of a sentence, where it is read with a graph: its ``links``, else what the linker finds."""
        if self.knowledge is None:
            return ()
        return self.knowledge.mentions(example.tokens, example.raw, example.links)

    def linked(self, example: Any) -> list[dict[str, Any]]:
        """The mentions of a record for its answer, where it is read with a graph."""
        if self.knowledge is None:
            return []
        return self.knowledge.describe(self.mentions(example), example.tokens, example.raw)

    def encode_graph(self, mentions: Sequence[Mention], words: Sequence[int]) -> Subgraph | None:
        """The graph around a sentence, where one is read; ``words`` has the number of each token's word, -1 of none."""
        if self.knowledge is None:
            return None
        spans = [(entity, piece_span(span, words)) for span, entity in mentions]
        return self.knowledge.subgraph(spans, len(words))

    def collate_graphs(self, graphs: Sequence[Subgraph | None]) -> Knowledge | None:
        """The graphs of a batch, where such are read."""
        return None if self.knowledge is None else collate_knowledge(graphs)

    def encode_parse(
        self, governors: Governors | None, starts: Mapping[int, int], kept: Sequence[int], length: int
    ) -> Governors | None:
        """The governors of so many tokens (:func:`token_governors`), for models that read graphs of text and image."""
        if governors is None or self.settings.max_objects is None:
            return None
        return token_governors(governors, starts, kept, length)

    def collate_parses(self, text: Text, rows: Sequence[Governors | None]) -> Text:
        """The texts with their governors, if any of them has some."""
        filled = governor_rows(rows, text.ids.shape[1])
        return text if filled is None else replace(text, governors=torch.tensor(filled))

    def named(self) -> dict[str, Sequence[str]]:
        nodes = {} if self.knowledge is None else self.knowledge.named()
        return {"word piece": self.tokenizer.names, self.kind: self.labels, **nodes}

    def state(self) -> dict[str, Any]:
        graph = {} if self.knowledge is None else {"knowledge": self.knowledge.state()}
        return {
            "tokenizer": self.tokenizer.state(),
            "labels": list(self.labels),
            "settings": self.settings.carried(),
            **graph,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> SentenceProcessor:
        return cls(*cls.parts(state), knowledge=cls.graph(state))

    @staticmethod
    def parts(state: Mapping[str, Any]) -> tuple[Tokenizer, tuple[str, ...], DataSettings]:
        """The parts of every such processor's state: tokenizer, labels, settings."""
        settings = DataSettings.from_carried(state["settings"])
        return Tokenizer.from_state(state["tokenizer"]), tuple(state["labels"]), settings

    @staticmethod
    def graph(state: Mapping[str, Any]) -> KnowledgeContext | None:
        """The graph in a processor's state, if there is one."""
        return KnowledgeContext.from_state(state["knowledge"]) if "knowledge" in state else None


def read_sentences(
    source: SentenceSource,
    make: Callable[[Tokenizer, tuple[str, ...], DataSettings], SentenceProcessor],
    tokenizer: Callable[[Iterable[str]], Tokenizer] | None,
    processor: Processor | None,
    notes: Sequence[Finding] = (),
) -> Dataset:
    """The data set encoded for a trained model's ``processor`` or for the new one that ``make`` makes.

    Raises:
        ConfigError: There is no tokenizer, as the backbone reads no text.
        DataError: Too few images are usable, or the trained model does not know a label.
    """
    settings = source.settings
    examples, store, coverage = load_images({**source.splits, "train": _subset(source)}, settings)
    if processor is None:
        if tokenizer is None:
            raise ConfigError("this task reads sentences, and this backbone no text (backbone.inputs)")
        processor = make(tokenizer(" ".join(example.tokens) for example in examples["train"]), source.labels, settings)
    assert isinstance(processor, SentenceProcessor)
    if strange := set(source.labels) - set(processor.labels):
        raise DataError(f"the model does not know the {processor.kind} '{min(strange)}'", settings.root)
    features = {split: [processor.encode(example) for example in part] for split, part in examples.items()}
    limit = processor.settings.max_length
    cuts = [note for split, part in features.items() for note in note_cuts(split, [one.cut for one in part], limit)]
    said = (*source.notes, *notes, *cuts)
    if (knowledge := processor.knowledge) is None:
        return Dataset(source, processor, features, store, coverage, said, examples=examples)
    said = (*said, *note_knowledge(knowledge, examples, features, limit))
    return Dataset(source, processor, features, store, coverage, said, examples=examples, graph=knowledge.digest())


def _subset(source: SentenceSource) -> Sequence[Sentence]:
    train, rows = source.splits["train"], subset_rows(source, source.settings)
    return train if rows is None else [train[row] for row in rows]
