"""What a model sees of an example beside its words: image tokens, and objects with boxes, names and relations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mkgc.batch import Images, Scene
from mkgc.encoders.base import Stream
from mkgc.encoders.vision import VisionEncoder

Embed = Callable[[Int[Tensor, "*shape"]], Float[Tensor, "*shape E"]]
"""Embeds word pieces."""


@dataclass(frozen=True)
class Sight:
    """The visual side of a batch.

    Objects are the boxes of scene graphs, then every image and crop as a whole, so that no example with an image is
    without. ``visual`` is the mean state of an object's patches (zero for a box without an image), ``names`` the mean
    embedding of its words (zero for an image). ``relations[b, r]`` are the numbers of the objects that are its subject
    and object, 0 where there is none.
    """

    tokens: Stream
    visual: Float[Tensor, "B K W"]
    boxes: Float[Tensor, "B K 4"]
    names: Float[Tensor, "B K E"]
    present: Bool[Tensor, "B K"]
    relations: Int[Tensor, "B R 2"]
    predicates: Float[Tensor, "B R E"]
    related: Bool[Tensor, "B R"]


def look(seen: Stream, images: Sequence[Images], scene: Scene | None, encoder: VisionEncoder, embed: Embed) -> Sight:
    """What there is to see, of the states of all image tokens and of scene graphs, if such are read."""
    size = len(seen.states)
    scene = _nothing(size, seen.states.device) if scene is None else scene
    boxes = scene.boxes.to(next(encoder.parameters()).dtype)  # which states need not have, under mixed precision
    parts = split_images(seen, images, encoder)
    visual = [pool_boxes(boxes, parts, images, encoder, seen), *(part.states.mean(2) for part in parts)]
    present = torch.cat([scene.detected, *(part.present for part in parts)], 1)
    objects, missing = torch.cat(visual, 1), 0 if present.shape[1] else 1  # no attention is over nothing at all
    whole = F.pad(boxes.new_ones(size, present.shape[1] - boxes.shape[1], 2), (2, 0))  # [0, 0, 1, 1]
    names = F.pad(_phrases(scene.names, embed), (0, 0, 0, whole.shape[1] + missing))
    return Sight(
        seen,
        F.pad(objects, (0, 0, 0, missing)),
        F.pad(torch.cat([boxes, whole], 1), (0, 0, 0, missing)),
        names,
        F.pad(present, (0, missing)),
        scene.relations.clamp(min=0),
        _phrases(scene.predicates, embed),
        scene.related,
    )


@dataclass(frozen=True)
class Patches:
    """The patches of one group of images, image by image."""

    states: Float[Tensor, "B I n W"]
    present: Bool[Tensor, "B I"]


def split_images(seen: Stream, images: Sequence[Images], encoder: VisionEncoder) -> list[Patches]:
    """The patches of each image, of tokens that stand one image behind the other.

    Kept states have no gap where an image is missing, computed ones have one: so what is there is moved to the front.
    """
    order = (~seen.mask).int().argsort(dim=1, stable=True)[..., None].expand_as(seen.states)
    states, rows = seen.states.gather(1, order), torch.arange(len(seen.states), device=seen.mask.device)
    start = rows.new_full((len(rows), 1, 1), encoder.stem.num_prefix_tokens)
    parts = []
    for group in images:
        count, present = _patches(group, encoder), group.slots >= 0
        before = present.long().cumsum(1) - present.long()  # a slot may be empty anywhere
        numbers = before[..., None] * count + torch.arange(count, device=rows.device)
        at = (start + numbers).clamp(max=states.shape[1] - 1)
        parts.append(Patches(states[rows[:, None, None], at] * present[..., None, None], present))
        start = start + count * present.sum(1)[:, None, None]
    return parts


def _patches(group: Images, encoder: VisionEncoder) -> int:
    rows, columns = encoder.grid(group.pixels.shape[-1])
    return rows * columns


def pool_boxes(
    boxes: Float[Tensor, "B O 4"],
    parts: Sequence[Patches],
    images: Sequence[Images],
    encoder: VisionEncoder,
    seen: Stream,
) -> Float[Tensor, "B O W"]:
    """The mean of the patches of the first whole image that each box covers, by how much of each lies inside."""
    for group, part in zip(images, parts, strict=True):
        if group.group == "image" and group.slots.shape[1]:
            return box_weights(boxes, *encoder.grid(group.pixels.shape[-1])) @ part.states[:, 0]
    return seen.states.new_zeros(*boxes.shape[:2], seen.states.shape[-1])


def box_weights(boxes: Float[Tensor, "B O 4"], rows: int, columns: int) -> Float[Tensor, "B O n"]:
    """How much each cell of a grid has in common with a box, as shares of the sum; zero for an empty box."""
    across, down = (_overlaps(boxes[..., i], boxes[..., i + 2], count) for i, count in ((0, columns), (1, rows)))
    areas = (down[..., :, None] * across[..., None, :]).flatten(2)
    return areas / areas.sum(-1, keepdim=True).clamp(min=1e-9)


def _overlaps(start: Float[Tensor, "B O"], end: Float[Tensor, "B O"], count: int) -> Float[Tensor, "B O c"]:
    """How much of each of so many equal parts of [0, 1] lies between two ends."""
    edges = torch.arange(count + 1, device=start.device) / count
    return (torch.minimum(end[..., None], edges[1:]) - torch.maximum(start[..., None], edges[:-1])).clamp(min=0)


def _phrases(ids: Int[Tensor, "B P N"], embed: Embed) -> Float[Tensor, "B P E"]:
    """The mean of the embeddings of each phrase's pieces; zero where there is none."""
    there = ids >= 0
    return (embed(ids.clamp(min=0)) * there[..., None]).sum(2) / there.sum(2, keepdim=True).clamp(min=1)


def _nothing(size: int, device: torch.device) -> Scene:
    """A scene graph without objects for each of so many examples."""
    empty = torch.zeros(size, 0, 1, dtype=torch.long, device=device)
    return Scene(torch.zeros(size, 0, 4, device=device), empty, empty.expand(size, 0, 2), empty)
