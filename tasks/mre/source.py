"""Sentences with marked mentions, in the layouts that are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random

from mkgc.data.atlas.facts import Country
from mkgc.data.formats import SentenceFormat
from mkgc.data.formats.labelled import labelled
from mkgc.relations.example import relations
from mkgc.relations.source import PairSource
from tasks.mre import atlas, mnre
from tasks.mre.example import parse_labelled

OWN = labelled(parse_labelled, relations, "relation")


def _none_first(root: Path) -> tuple[str, ...]:
    return tuple(sorted(OWN.labels(root), key=lambda name: name != "None"))


class RelationSource(PairSource):
    """MNRE's layout, or people's own records."""

    formats = {
        "mnre": SentenceFormat(mnre.read, mnre.read_labels),
        "jsonl": SentenceFormat(OWN.examples, _none_first),
    }

    @classmethod
    def draw_atlas(cls, folder: Path, countries: Mapping[str, Country], random: Random) -> None:
        atlas.write(folder, countries, random)
