"""A network that does not see some tokens and images of its batches: padding and absent images in their places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from mkgc.batch import Images, Knowledge, Scene, Text
from mkgc.explanations.contract import Part, Slot

DESCRIBED = Slot("image", 0)
"""The image that a scene graph describes."""


@dataclass(frozen=True)
class Hidden:
    """What is left out of a row of a batch."""

    tokens: tuple[int, ...] = ()
    images: tuple[Slot, ...] = ()
    nodes: tuple[int, ...] = ()

    @classmethod
    def of(cls, part: Part, number: int) -> Hidden:
        """A part, as far as it is one of that pass."""
        return cls(part.tokens.get(number, ()), part.images.get(number, ()), part.nodes.get(number, ()))


@contextmanager
def leaving_out(backbone: nn.Module, hidden: Sequence[Hidden], pad: int) -> Iterator[None]:
    """Lets the backbone read its next batches without what is hidden of each row.

    A token that is left out is padding in its place: no other attends to it, and nothing of it is left where it stood,
    as it would be if it were only masked. An image that is left out is absent, and those behind it in its group move
    up, as in a record without it; the scene graph of the first whole image goes with that. A node of a graph is left
    out with its edges and its mention. All else keeps its place.
    Heads read the batch as it is: a word that is left out still has a tag.
    """

    def without(value: Any) -> Any:
        if isinstance(value, Text):
            return _text_without(value, hidden, pad)
        if isinstance(value, Scene):
            return _scene_without(value, hidden)
        if isinstance(value, Knowledge):
            return _knowledge_without(value, hidden)
        if are_images(value):
            return tuple(_images_without(one, hidden) for one in value)
        return value

    def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return tuple(map(without, args)), {name: without(value) for name, value in kwargs.items()}

    handle = backbone.register_forward_pre_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def are_images(value: Any) -> bool:
    """Whether a part of a batch is groups of images."""
    return isinstance(value, tuple | list) and bool(value) and all(isinstance(one, Images) for one in value)


def _text_without(text: Text, hidden: Sequence[Hidden], pad: int) -> Text:
    gone = torch.zeros_like(text.mask)
    for row, one in enumerate(hidden):
        gone[row, list(one.tokens)] = True
    features = None if text.features is None else text.features.masked_fill(gone[..., None], 0)
    # Rows that were the same no longer are: each is computed on its own.
    return replace(text, ids=text.ids.masked_fill(gone, pad), mask=text.mask & ~gone, features=features, shared=None)


def _images_without(images: Images, hidden: Sequence[Hidden]) -> Images:
    slots = images.slots.clone()
    for row, one in enumerate(hidden):
        slots[row, [slot.number for slot in one.images if slot.group == images.group]] = -1
    there_first = (slots < 0).int().argsort(dim=1, stable=True)
    return replace(images, slots=slots.gather(1, there_first), shared=None)


def _scene_without(scene: Scene, hidden: Sequence[Hidden]) -> Scene:
    gone = torch.tensor([DESCRIBED in one.images for one in hidden], device=scene.boxes.device)
    rows = gone[:, None, None]
    return replace(
        scene,
        boxes=scene.boxes.masked_fill(rows, 0),
        names=scene.names.masked_fill(rows, -1),
        relations=scene.relations.masked_fill(rows, -1),
        predicates=scene.predicates.masked_fill(rows, -1),
        shared=None,
    )


def _knowledge_without(knowledge: Knowledge, hidden: Sequence[Hidden]) -> Knowledge:
    gone = torch.zeros_like(knowledge.mask)
    for row, one in enumerate(hidden):
        gone[row, list(one.nodes)] = True
    return replace(
        knowledge,
        mask=knowledge.mask & ~gone,
        adjacency=knowledge.adjacency & ~gone[:, None] & ~gone[..., None],
        spans=knowledge.spans.masked_fill(gone[:, : knowledge.spans.shape[1], None], 0),
        shared=None,
    )
