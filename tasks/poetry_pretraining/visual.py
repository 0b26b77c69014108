"""The images of a graph's words, and what a teacher makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mkgc.data.settings import DataSettings
from mkgc.data.word_graph import WordGraph
from mkgc.images.coverage import Coverage, check_minimum, check_none_broken, count
from mkgc.images.loaded import LoadedImages
from mkgc.inspect.report import Finding
from mkgc.training.teacher import Teacher

GROUP = "image"


@dataclass(frozen=True)
class Visual:
    """The vectors of words, the mean of those of their images (0 where a word has none); the images, and notes."""

    vectors: Float[Tensor, "W F"] | None
    store: LoadedImages
    coverage: Coverage
    notes: tuple[Finding, ...] = ()

    @classmethod
    def none(cls, settings: DataSettings) -> Visual:
        """Of texts that are read without images."""
        return cls(None, LoadedImages({}, settings.images, settings.store_folder, fit=settings.fit), Coverage(()))


def read_visual(graph: WordGraph, teacher: Teacher, settings: DataSettings) -> Visual:
    """Reads the images of a graph as the teacher does, whose vectors of them are kept in the store's folder.

    Raises:
        DataError: An image is broken and ``data.bad_images`` is ``fail``, or too few words have one.
    """
    files = [Path(name) for name in graph.files]
    root = Path(graph.settings.root)
    store = LoadedImages({GROUP: files}, settings.images, settings.store_folder, root, settings.fit)
    if settings.bad_images == "fail":
        check_none_broken(store.problems)
    words = [{GROUP: tuple(files[row] for row in graph.image_rows(word))} for word in graph.words]
    coverage = Coverage(tuple(count("words", words, [GROUP], store.problems)))
    check_minimum(coverage, settings.min_image_coverage)
    [size] = settings.images.values()
    rows = [store.index(file, size) for file in files]
    usable = [row for row in rows if row is not None]
    vectors = teacher.image_vectors(store, usable, size, settings.store_folder / "states")
    return Visual(_means(graph, rows, vectors.all()), store, coverage, _lacking(words, store))


def _means(graph: WordGraph, rows: Sequence[int | None], vectors: Float[Tensor, "n F"]) -> Float[Tensor, "W F"]:
    """The mean of the vectors of each word's usable images."""
    place = np.cumsum([row is not None for row in rows]) - 1
    usable = np.array([row is not None for row in rows], dtype=bool)
    word = np.repeat(np.arange(len(graph.words)), graph.images.counts)
    kept = usable[graph.images.ends] if len(usable) else np.zeros(0, dtype=bool)
    owners = torch.from_numpy(word[kept])
    found = vectors[torch.from_numpy(place[graph.images.ends[kept]])] if len(owners) else vectors[:0]
    sums = torch.zeros(len(graph.words), vectors.shape[1]).index_add_(0, owners, found)
    return sums / torch.bincount(owners, minlength=len(graph.words)).clamp(min=1)[:, None]


def _lacking(words: Sequence[dict[str, tuple[Path, ...]]], store: LoadedImages) -> tuple[Finding, ...]:
    lost = sum(bool(one[GROUP]) and all(path in store.problems for path in one[GROUP]) for one in words)
    if not lost:
        return ()
    first = next(store.problems[path] for one in words for path in one[GROUP] if path in store.problems)
    said = f"{lost:,} of {len(words):,} words have images of which none can be used, as {first}: they are read without"
    return (Finding("warning", said),)
