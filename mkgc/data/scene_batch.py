"""Scene graphs become word pieces and boxes, and a batch of these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from mkgc.batch import Scene
from mkgc.data.processor import pad
from mkgc.data.scenes import Box, SceneGraph
from mkgc.data.tokens import Tokenizer

LONGEST = 32
"""Word pieces of a name or a predicate that are read."""

NOWHERE: Box = (0.0, 0.0, 0.0, 0.0)
"""The box of what is not there."""


@dataclass(frozen=True)
class SceneFeatures:
    """A scene graph as numbers: names and predicates are word pieces."""

    boxes: tuple[Box, ...] = ()
    names: tuple[tuple[int, ...], ...] = ()
    relations: tuple[tuple[int, int], ...] = ()
    predicates: tuple[tuple[int, ...], ...] = ()


def encode_scene(scene: SceneGraph | None, tokenizer: Tokenizer, max_objects: int) -> SceneFeatures:
    """The features of the first objects of a scene graph; of none where there is none."""
    if scene is None:
        return SceneFeatures()
    kept = scene.first(max_objects)

    def pieces(phrase: str) -> tuple[int, ...]:
        return tuple(tokenizer.ids(phrase)[:LONGEST])

    return SceneFeatures(
        tuple(one.box for one in kept.objects),
        tuple(pieces(one.phrase) for one in kept.objects),
        tuple((r.subject, r.object) for r in kept.relations),
        tuple(pieces(r.predicate) for r in kept.relations),
    )


def scene_batch(scenes: Sequence[SceneFeatures]) -> Scene:
    """The scene graphs of several examples, with room for one object and one relation at least."""
    objects = max(1, *(len(one.boxes) for one in scenes))
    relations = max(1, *(len(one.relations) for one in scenes))
    boxes = [[*one.boxes, *[NOWHERE] * (objects - len(one.boxes))] for one in scenes]
    pairs = [[*one.relations, *[(-1, -1)] * (relations - len(one.relations))] for one in scenes]
    return Scene(
        torch.tensor(boxes),
        _phrases([one.names for one in scenes], objects),
        torch.tensor(pairs),
        _phrases([one.predicates for one in scenes], relations),
    )


def _phrases(rows: Sequence[Sequence[Sequence[int]]], count: int) -> Int[Tensor, "B K N"]:
    """Word pieces of so many phrases for each example, -1 where there is none."""
    flat = [phrase for row in rows for phrase in [*row, *[()] * (count - len(row))]]
    return pad(flat, -1, 1).unflatten(0, (len(rows), count))
