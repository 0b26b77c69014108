"""Scene graphs: how many sentences have one, and what is in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mkgc.inspect.report import Finding, Section
from mkgc.reports.table import Share, Table
from mkgc.terminal import plural


def count_scenes(splits: Mapping[str, Sequence[Any]]) -> Section:
    """Coverage of each split, with the objects and relations of a scene graph on average."""
    rows, findings = [], []
    for split, part in splits.items():
        scenes = [example.scene for example in part if example.scene is not None]
        share, count = len(scenes) / max(len(part), 1), max(len(scenes), 1)
        objects = sum(len(scene.objects) for scene in scenes) / count
        relations = sum(len(scene.relations) for scene in scenes) / count
        rows.append((split, len(part), len(scenes), Share(share), f"{objects:.1f}", f"{relations:.1f}"))
        if len(scenes) < len(part):
            lacks = plural(len(part) - len(scenes), "sentence", "sentences")
            said = f"{len(part) - len(scenes):,} of {len(part):,} {lacks} of {split} without a scene graph"
            findings.append(Finding("warning", said))
    columns = ("split", "sentences", "with a scene graph", "share", "objects of one", "relations of one")
    return Section((Table("Scene graphs", columns, tuple(rows)),), tuple(findings))
