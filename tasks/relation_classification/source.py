"""Sentences with two mentions whose entities may be linked, in the layouts that are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random

from mkgc.data.atlas.facts import Country
from mkgc.data.formats.converted import converted
from mkgc.data.formats.labelled import labelled
from mkgc.relations.example import relations
from mkgc.relations.source import PairSource
from tasks.relation_classification import atlas, ipre
from tasks.relation_classification.example import parse_labelled


class LinkedSource(PairSource):
    """People's own records, or published layouts."""

    formats = {
        "jsonl": labelled(parse_labelled, relations, "relation"),
        "ipre": converted(ipre.records, parse_labelled, ipre.relations),
        "ipre_subset": converted(ipre.subset_records, parse_labelled, ipre.relations),
    }

    @classmethod
    def draw_atlas(cls, folder: Path, countries: Mapping[str, Country], random: Random) -> None:
        atlas.write(folder, countries, random)
