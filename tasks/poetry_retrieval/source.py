"""Poems with judgements of which pictures go with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from mkgc.data.atlas.facts import Country
from mkgc.data.dataset import Dataset
from mkgc.data.examples import ImagePaths
from mkgc.data.settings import DataSettings
from mkgc.inspect.published import Published
from mkgc.inspect.report import Section
from mkgc.reports.table import Table
from tasks.poetry_pretraining import atlas
from tasks.poetry_pretraining.example import PoemExample
from tasks.poetry_pretraining.source import PoemSource
from tasks.poetry_retrieval.judgements import Judgements, read_judgements, weak_judgements

HELD_OUT = 0.3
"""The share of keywords that the graph of the embedded poems is made without."""


@dataclass(frozen=True)
class JudgedPoem(PoemExample):
    """A poem, and the judgements of pictures for it, by their rows among the candidates."""

    judgements: Mapping[int, float] = field(default_factory=dict)


class JudgedPoemSource(PoemSource):
    """Poems in any of their formats, with judgements of pictures.

    ``judgements`` is a JSONL file of them; None: weak ones of keywords that the graph of words has held out.

    Raises:
        ConfigError: It has held out none.
        DataError: A file is missing, or a line malformed.
    """

    def __init__(self, settings: DataSettings, judgements: str | None = None) -> None:
        super().__init__(settings)
        found = self._judgements(None if judgements is None else Path(judgements))
        self.pictures = found.pictures
        self.judged = {
            split: [
                JudgedPoem(p.id, p.title, p.author, p.lines, p.letters, judgements=found.of.get(p.id, {})) for p in part
            ]
            for split, part in self.splits.items()
        }
        self.splits = {split: [*part] for split, part in self.judged.items()}

    def _judgements(self, path: Path | None) -> Judgements:
        poems = [poem for part in self.splits.values() for poem in part]
        if path is not None:
            return read_judgements(path, poems)
        # A trained model reads its own graph, not a folder's: that is looked for at its usual place then.
        graph = self.settings.word_graph
        return weak_judgements(Path(self.settings.root) / "graph" if graph is None else Path(graph.root), poems)

    def images(self, broken: Collection[Path] = ()) -> list[ImagePaths]:
        return [*super().images(broken), *({"image": (path,)} for path in self.pictures)]

    def inspect(self, dataset: Dataset, settings: DataSettings, published: Published | None) -> list[Section]:
        rows = [(split, len(part), *_counts(part)) for split, part in self.judged.items()]
        columns = ("split", "poems", "with a picture judged above 0", "pictures judged above 0")
        note = f"{len(self.pictures):,} pictures are ranked for each poem"
        judged = Section((Table("Judgements", columns, rows, notes=(note,)),))
        return [*super().inspect(dataset, settings, published), judged]

    @classmethod
    def draw_atlas(cls, folder: Path, countries: Mapping[str, Country], random: Random) -> None:
        atlas.write(folder, random, HELD_OUT)


def _counts(poems: Sequence[JudgedPoem]) -> tuple[int, int]:
    """How many poems have a picture that is judged above 0, and how many such pictures there are."""
    counts = [sum(value > 0 for value in poem.judgements.values()) for poem in poems]
    return sum(count > 0 for count in counts), sum(counts)
