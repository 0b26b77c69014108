"""Poems become sentence trees with images of their words; what is hidden is drawn when a batch is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mkgc.app.ranges import Share
from mkgc.data.cutting import Cut, check_room, note_cuts, spread_over
from mkgc.data.dataset import Dataset
from mkgc.data.hidden import Draw, collate_hidden
from mkgc.data.kept_vectors import Vectors
from mkgc.data.masking import WordMasking
from mkgc.data.processor import Processor, text_batch
from mkgc.data.script import in_script
from mkgc.data.sentence_tree import SentenceTree, TreeBuilder, collate_trees, tree_nodes
from mkgc.data.settings import DataSettings
from mkgc.data.tokens import Tokenizer, learned
from mkgc.data.word_graph import WordGraph
from mkgc.errors import ConfigError
from mkgc.images.loaded import LoadedImages
from mkgc.inspect.report import Finding
from mkgc.training.samplers import epoch_of
from mkgc.training.teacher import Teacher, teacher_of
from tasks.poetry_pretraining.batch import MISSING, PoemBatch, PoemFeatures, collate_teacher
from tasks.poetry_pretraining.example import PoemExample, parse_poem
from tasks.poetry_pretraining.source import PoemSource
from tasks.poetry_pretraining.visual import Visual, read_visual

SAMPLE = 1000
"""Poems of a split, spread over it, that are read to say what is cut; all of it, where there are no more."""


class PoemProcessor(Processor):
    """Encodes poems as sentence trees of a graph of words, and hides what is drawn.

    ``graph`` says which neighbours and images words have; None: poems are read as they are. ``visual`` are the vectors
    that a teacher has of these images, by word; None: none are read. ``hidden`` is the share of a poem's pieces that
    are to be filled in, each by itself: 80 % masked, 10 % another piece, 10 % as they are. Branches are not hidden.
    ``graph_digest`` is that of the graph as it was read.

    Raises:
        ConfigError: ``data.max_length`` leaves no room for a piece.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        settings: DataSettings,
        graph: WordGraph | None,
        teacher: Teacher | None,
        visual: Float[Tensor, "W F"] | None,
        hidden: float,
        graph_digest: str | None = None,
    ) -> None:
        check_room(settings.max_length, 3, "a piece, and a mark at either end")
        self.tokenizer, self.settings, self.graph, self.teacher = tokenizer, settings, graph, teacher
        self.hidden, self.masking = hidden, WordMasking(tokenizer, hidden)
        self.visual, self.graph_digest = visual, graph_digest
        self._rows = None if visual is None else torch.cat([visual, torch.zeros_like(visual[:1])])  # -1: no image

    @property
    def dim(self) -> int | None:
        """How many numbers the teacher's vectors have, if there is one."""
        return None if self.teacher is None else self.teacher.dim

    @cached_property
    def trees(self) -> TreeBuilder:
        """What makes trees of texts."""
        graph = WordGraph.empty() if self.graph is None else self.graph
        return TreeBuilder(graph, self.tokenizer, self.settings.max_length)

    def encode(self, text: str) -> PoemFeatures:
        """A text as it is; what is hidden of it is not decided yet."""
        tree = self.trees.build(text)
        missing = self._missing(text, tree) if MISSING in text else ()
        return PoemFeatures(tree, missing, cut=Cut(tree.cut) if tree.cut else None)

    def _missing(self, text: str, tree: SentenceTree) -> tuple[int, ...]:
        """The places of pieces that spell a character which is not known."""
        letters = [letter for letter in text if not letter.isspace()]
        spelled = zip(letters, self.tokenizer.pieces(letters), strict=True)
        unknown = np.array([False, *(letter == MISSING for letter, pieces in spelled for _ in pieces)])
        places = np.flatnonzero(tree.branch == 0)[:-1]
        return tuple(places[unknown[: len(places)]].tolist())

    def collate(self, features: Sequence[PoemFeatures], store: LoadedImages) -> PoemBatch:
        shown = [self._shown(item) for item in features]
        trees = [tree for tree, _ in shown]
        if self.graph is None:
            text = text_batch([tree.ids.tolist() for tree in trees], self.tokenizer.pad, self.settings.least_length)
        else:
            text = collate_trees(trees, self.tokenizer.pad, self.settings.least_length)
        width = text.ids.shape[1]
        if self._rows is not None:
            text = replace(text, features=self._rows[tree_nodes(trees, width)])
        hidden = collate_hidden([targets for _, targets in shown], width)
        return PoemBatch(text, hidden, collate_teacher([item.teacher for item in features]))

    def _shown(self, item: PoemFeatures) -> tuple[SentenceTree, Mapping[int, int]]:
        """The tree that a model is shown of a poem, and by its place what each piece is that it is asked for."""
        tree, ids, missing = item.tree, item.ids, {*item.missing}
        targets: Mapping[int, int] = {place: ids[place] for place in item.missing}
        if item.draw is not None:
            ends = (0, len(tree) - 1)
            own = [branch == 0 and place not in ends for place, branch in enumerate(tree.branch.tolist())]
            units = [place if here and place not in missing else -1 for place, here in enumerate(own)]
            if max(units) < 0:
                ids, targets = ids, {}
            else:
                ids, targets = self.masking.hide(ids, units, set(), set(), item.draw.generator())
        ids = [self.tokenizer.mask if place in missing else piece for place, piece in enumerate(ids)]
        return replace(tree, ids=np.array(ids)), targets

    def parse(self, record: Mapping[str, Any], folder: Path, place: str) -> PoemFeatures:
        """The features of a user's record: a poem as in the data, of which ``□`` are asked for.

        Raises:
            DataError: It cannot be used.
        """
        return self.asked(parse_poem(record, place, self.settings.language).text)

    def asked(self, text: str) -> PoemFeatures:
        """The features of a user's text, with what an answer says of it; it is read in the script of the data."""
        text = in_script(text, self.settings.language)
        item = self.encode(text)
        places = [at for at, letter in enumerate(text) if letter == MISSING][: len(item.missing)]
        return replace(item, words=self.found(text), asked=[{"char": [at, at + 1]} for at in places])

    def found(self, text: str) -> list[dict[str, Any]]:
        """The words of the graph in a text, with their neighbours and how many images each has."""
        if self.graph is None:
            return []
        graph, out = self.graph, []
        for start, end, word in graph.segment(text):
            if word >= 0:
                name = graph.words[word]
                known = {"neighbours": [*graph.neighbours(name)], "images": len(graph.image_rows(name))}
                out.append({"word": name, "char": [start, end], **known})
        return out

    def named(self) -> dict[str, Sequence[str]]:
        return {"word piece": self.tokenizer.names}

    def plain_state(self) -> dict[str, Any]:
        """What says how texts are encoded, as values without tensors."""
        return {
            "tokenizer": self.tokenizer.state(),
            "settings": self.settings.carried(),
            "hidden": self.hidden,
            "graph_digest": self.graph_digest,
            "teacher_digest": None if self.teacher is None else self.teacher.digest,
        }

    def state(self) -> dict[str, Any]:
        own = {"tokenizer": self.tokenizer.state(), "settings": self.settings.carried(), "hidden": self.hidden}
        own["graph_digest"] = self.graph_digest
        parts = {"graph": self.graph, "teacher": self.teacher}
        own |= {name: part.state() for name, part in parts.items() if part is not None}
        return own if self.visual is None else own | {"visual": self.visual}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> PoemProcessor:
        return cls(
            Tokenizer.from_state(state["tokenizer"]),
            DataSettings.from_carried(state["settings"]),
            WordGraph.from_state(state["graph"]) if "graph" in state else None,
            teacher_of(state) if "teacher" in state else None,
            state.get("visual"),
            state["hidden"],
            state["graph_digest"],
        )


class Poems(Sequence[PoemFeatures]):
    """The features of poems, made when they are asked for: what is hidden of those of train is ``redrawn`` each epoch.

    ``teacher`` are the teacher's vectors of all splits, of which those of this one begin at ``first``.
    """

    def __init__(
        self,
        poems: Sequence[PoemExample],
        processor: PoemProcessor,
        seed: int,
        redrawn: bool,
        teacher: Vectors | None,
        first: int,
    ) -> None:
        self.poems, self.processor, self.seed, self.redrawn = poems, processor, seed, redrawn
        self.teacher, self.first = teacher, first

    def __len__(self) -> int:
        return len(self.poems)

    @cached_property
    def lengths(self) -> Int[np.ndarray, " n"]:
        """How long each text is: to batch those of like length."""
        return np.array([len(poem.text) for poem in self.poems], dtype=np.int64)

    def __getitem__(self, row: Any) -> Any:
        """Encodes a poem, which is numbered on from epoch to epoch, or a slice of them."""
        if isinstance(row, slice):
            return [self[one] for one in range(*row.indices(len(self)))]
        epoch, place = epoch_of(row, len(self))
        vector = None if self.teacher is None else self.teacher.of(self.first + place)
        item = self.processor.encode(self.poems[place].text)
        return replace(item, draw=Draw(self.seed, epoch, place), teacher=vector)

    def __iter__(self) -> Iterator[PoemFeatures]:
        """Those of the first epoch: rows go on beyond its end."""
        return (self[row] for row in range(len(self)))

    def __getitems__(self, rows: Sequence[int]) -> list[PoemFeatures]:
        return [self[row] for row in rows]


def read(
    source: PoemSource,
    tokenizer: Callable[[Iterable[str]], Tokenizer] | None = learned,
    processor: PoemProcessor | None = None,
    teacher: str | None = None,
    graph: bool = True,
    visual: bool = True,
    hidden: Share = 0.15,
    seed: int = 0,
) -> Dataset:
    """Poems for a trained model's ``processor`` or for a new one.

    ``teacher`` is the checkpoint of two towers. With ``graph``, poems are read with the graph of words of the data;
    with ``visual``, also with what the teacher makes of its words' images.

    Raises:
        ConfigError: The backbone reads no text.
        MkgcError: The teacher, the graph or its images cannot be used.
    """
    settings = source.settings
    read_images = Visual.none(settings)
    if processor is None:
        if tokenizer is None:
            raise ConfigError("this task reads poems, and this backbone no text (backbone.inputs)")
        known = source.word_graph if graph else None
        taught = None if teacher is None else Teacher.of(teacher)
        if taught is not None:
            settings = replace(settings, images=dict(taught.settings.images), fit=taught.settings.fit)
        if known is not None and taught is not None and visual:
            read_images = read_visual(known, taught, settings)
        pieces = tokenizer(_texts(source, known))
        digest = None if known is None else known.digest()
        processor = PoemProcessor(pieces, settings, known, taught, read_images.vectors, hidden, digest)
    features = _features(source, processor, seed)
    limit = processor.settings.max_length
    cuts = [note for split, part in features.items() for note in _cuts(split, part, limit)]
    notes = (*source.notes, *read_images.notes, *cuts)
    store, coverage = read_images.store, read_images.coverage
    return Dataset(
        source, processor, features, store, coverage, notes, examples=source.splits, graph=processor.graph_digest
    )


def _cuts(split: str, part: Poems, limit: int) -> list[Finding]:
    """What is cut of a split, or of a sample of a large one."""
    sample = spread_over(part, SAMPLE)
    named = split if len(sample) == len(part) else f"{split} (a sample)"
    return note_cuts(named, [item.cut for item in sample], limit)


def _texts(source: PoemSource, graph: WordGraph | None) -> list[str]:
    """The texts that word pieces are learned from: characters of train, and of the words of the graph."""
    words = () if graph is None else graph.words
    return [" ".join(poem.text) for poem in source.splits["train"]] + [" ".join(word) for word in words]


def _features(source: PoemSource, processor: PoemProcessor, seed: int) -> dict[str, Poems]:
    texts = [poem.text for part in source.splits.values() for poem in part]
    teacher = processor.teacher
    folder = source.settings.store_folder / "states"
    vectors = None if teacher is None else teacher.text_vectors(texts, folder)
    out, first = {}, 0
    for split, part in source.splits.items():
        out[split] = Poems(part, processor, seed, split == "train", vectors, first)
        first += len(part)
    return out
