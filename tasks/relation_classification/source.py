"""Sentences with two mentions whose entities may be linked, in the layouts that are read."""

from __future__ import annotations

from mkgc.data.formats.labelled import labelled
from mkgc.relations.example import relations
from mkgc.relations.source import PairSource
from tasks.relation_classification.example import parse_labelled


class LinkedSource(PairSource):
    """People's own records, or published layouts."""

    formats = {"jsonl": labelled(parse_labelled, relations, "relation")}
