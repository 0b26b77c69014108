"""Judged poems become batches: trees of a trained or new encoder's, and the teacher's vectors of the pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mkgc.data.cutting import note_cuts
from mkgc.data.dataset import Dataset
from mkgc.data.formats import fields
from mkgc.data.formats.locate import locate
from mkgc.data.formats.records import files
from mkgc.data.processor import Processor
from mkgc.data.tokens import Tokenizer, learned
from mkgc.errors import ConfigError, DataError
from mkgc.images.coverage import check_none_broken
from mkgc.images.loaded import LoadedImages
from mkgc.inspect.report import Finding
from tasks.poetry_pretraining import data as pretraining
from tasks.poetry_pretraining.data import PoemProcessor
from tasks.poetry_pretraining.example import parse_poem
from tasks.poetry_retrieval.batch import Asked, JudgedBatch, JudgedFeatures
from tasks.poetry_retrieval.source import JudgedPoemSource

GROUP = "image"


class JudgedPoemProcessor(Processor):
    """Encodes poems as :class:`PoemProcessor` does, without hiding anything, and puts the pictures beside them.

    ``candidates`` are the teacher's vectors of the pictures of the data at hand, and ``names`` the names of their
    files; neither is a part of a model.

    Raises:
        ConfigError: There is no teacher, by whose vectors pictures are found.
    """

    def __init__(self, poems: PoemProcessor) -> None:
        if poems.teacher is None:
            raise ConfigError("give task.data.teacher=RUN, a run of two towers: poems find pictures by its vectors")
        self.poems, self.tokenizer, self.settings = poems, poems.tokenizer, poems.settings
        self.candidates: Float[Tensor, "N F"] = torch.empty(0, poems.teacher.dim)
        self.names: tuple[str, ...] = ()

    def collate(self, features: Sequence[JudgedFeatures], store: LoadedImages) -> JudgedBatch:
        judged = [(row, picture) for row, item in enumerate(features) for picture in item.judgements]
        grades = [grade for item in features for grade in item.judgements.values()]
        return JudgedBatch(
            self.poems.collate([item.poem for item in features], store).text,
            torch.tensor([item.number for item in features]),
            torch.stack([item.teacher for item in features]),
            self.candidates,
            torch.tensor(judged, dtype=torch.long).view(-1, 2),
            torch.tensor(grades, dtype=torch.float),
        )

    def parse(self, record: Mapping[str, Any], folder: Path, place: str) -> Asked:
        """The features of a user's record: a poem as in the data, and ``image``, one file or several.

        Raises:
            DataError: It cannot be used.
        """
        given = fields.given(record, place)
        names = tuple(files(given.pop(GROUP), f"'{GROUP}'", place)) if GROUP in given else ()
        poem = parse_poem(given, place, self.settings.language)
        paths = tuple(locate((folder,), name) for name in names)
        return Asked(poem.text, names, {GROUP: paths}, self.poems.encode(poem.text).cut, self.poems.found(poem.text))

    def named(self) -> dict[str, Sequence[str]]:
        return self.poems.named()

    def state(self) -> dict[str, Any]:
        return self.poems.state()

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> JudgedPoemProcessor:
        return cls(PoemProcessor.from_state(state))


def read(
    source: JudgedPoemSource,
    tokenizer: Callable[[Iterable[str]], Tokenizer] | None = learned,
    processor: JudgedPoemProcessor | None = None,
    teacher: str | None = None,
    graph: bool = True,
    visual: bool = True,
) -> Dataset:
    """Judged poems for a trained model's ``processor`` or for a new one, which is made as in pretraining.

    A picture that cannot be used is no candidate, unless ``data.bad_images`` is ``fail``.

    Raises:
        ConfigError: The backbone reads no text, or there is no teacher.
        MkgcError: The teacher, the graph or an image cannot be used.
    """
    known = None if processor is None else processor.poems
    dataset = pretraining.read(source, tokenizer, known, teacher, graph, visual)
    poems: Any = dataset.processor
    made = processor or JudgedPoemProcessor(poems)
    places, notes = _read_candidates(source, made)
    features = _features(source, made, places)
    limit = made.settings.max_length
    cuts = [note for split, part in features.items() for note in note_cuts(split, [one.cut for one in part], limit)]
    return Dataset(
        source, made, features, dataset.store, dataset.coverage, (*source.notes, *notes, *cuts),
        examples=source.splits, graph=dataset.graph,
    )  # fmt: skip


def _read_candidates(source: JudgedPoemSource, made: JudgedPoemProcessor) -> tuple[dict[int, int], list[Finding]]:
    """Gives the processor the teacher's vectors of the pictures; the places of those that can be used, and a note.

    Raises:
        DataError: None can be used, or one cannot, where that is to be an error.
    """
    settings, teacher = made.settings, made.poems.teacher
    assert teacher is not None  # as the processor has checked
    folder = source.settings.store_folder
    pictures = [*source.pictures]
    store = LoadedImages({GROUP: pictures}, settings.images, folder, Path(source.settings.root), settings.fit)
    if source.settings.bad_images == "fail":
        check_none_broken(store.problems)
    [size] = settings.images.values()
    rows = [store.index(path, size) for path in pictures]
    usable = [row for row in rows if row is not None]
    if not usable:
        raise DataError(f"none of {len(pictures):,} pictures can be used, as {next(iter(store.problems.values()))}")
    made.candidates = teacher.image_vectors(store, usable, size, folder / "states").all().float()
    left = [i for i, row in enumerate(rows) if row is not None]
    made.names = tuple(pictures[i].name for i in left)
    lost = len(rows) - len(usable)
    said = f"{lost:,} of {len(rows):,} pictures cannot be used, and are not ranked"
    return {picture: place for place, picture in enumerate(left)}, [Finding("warning", said)] if lost else []


def _features(
    source: JudgedPoemSource, made: JudgedPoemProcessor, places: Mapping[int, int]
) -> dict[str, list[JudgedFeatures]]:
    texts = [poem.text for part in source.judged.values() for poem in part]
    assert made.poems.teacher is not None
    vectors = made.poems.teacher.text_vectors(texts, source.settings.store_folder / "states")
    out: dict[str, list[JudgedFeatures]] = {}
    number = 0
    for split, part in source.judged.items():
        out[split] = []
        for poem in part:
            judged = {places[row]: grade for row, grade in poem.judgements.items() if row in places}
            item = made.poems.encode(poem.text)
            out[split].append(JudgedFeatures(item, number, judged, vectors.of(number).float()))
            number += 1
    return out
