"""What a network was seen to look at, sorted by record: its tokens, its images, and the attention between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from mkgc.encoders.vision import Patch
from mkgc.explanations.contract import Slot
from mkgc.explanations.explanation import ImagesToText, LayerLooks, PassLooks, Picture, TextToImages, VisualToken
from mkgc.explanations.watch import CO, JOINT, Watched, Weights, looks_of

Files = dict[Slot, Path]
"""The images of a pass by their places."""

Places = Sequence[Patch | None]
"""The patch of each image token."""

Pictures = Mapping[tuple[str, Path], Picture]
"""The images of a record by group and file."""


def file_names(files: Sequence[Files]) -> dict[Path, str]:
    """What the images of some passes are called: by the names of their files, with their folders' if these repeat."""
    paths = dict.fromkeys(path for of_pass in files for path in of_pass.values())
    often = Counter(path.name for path in paths)
    return {path: path.name if often[path.name] == 1 else f"{path.parent.name}/{path.name}" for path in paths}


def pictures_of(
    seen: Watched, files: Sequence[Files], places: Places, names: Mapping[Path, str]
) -> dict[tuple[str, Path], Picture]:
    """Every image that some passes showed, as the network saw it, once."""
    groups = {group.group: group for group in seen.images}
    grids = {patch.group: (patch.rows, patch.columns) for patch in places if patch is not None}
    found: dict[tuple[str, Path], Picture] = {}
    for row, of_pass in enumerate(files):
        for slot, path in of_pass.items():
            key, group = (slot.group, path), groups[slot.group]
            if key not in found:
                pixels = group.pixels[group.slots[row, slot.number]].permute(1, 2, 0).cpu().numpy()
                found[key] = Picture(names[path], slot.group, str(path), pixels, *grids.get(slot.group, (1, 1)))
    return found


def pass_looks(
    seen: Watched,
    row: int,
    tokens: tuple[str, ...],
    marked: Mapping[str, tuple[int, ...]],
    files: Files,
    pictures: Pictures,
    places: Places,
) -> PassLooks:
    """The attention in one row of what was seen; without any image, none."""
    if not files or seen.mask is None:
        return PassLooks(tokens, marked, (), ())
    numbers = {key: i for i, key in enumerate(pictures)}
    there = [i for i, exists in enumerate(seen.mask[row].tolist()) if exists]
    visual = tuple(_visual_token(places[i], files, numbers) for i in there)
    asked = None if seen.position_ids is None else int(seen.position_ids[row])
    layers = tuple(_layer(weights, row, len(tokens), there, asked) for weights in seen.layers)
    return PassLooks(tokens, marked, visual, layers)


def _visual_token(patch: Patch | None, files: Files, numbers: Mapping[tuple[str, Path], int]) -> VisualToken:
    """The token of a patch; of an image that is not there (which released models look at), or of no image."""
    slot = None if patch is None else Slot(patch.group, patch.image)
    if patch is None or slot not in files:
        return VisualToken(None, 0, 0)
    return VisualToken(numbers[patch.group, files[slot]], patch.row, patch.column)


def _layer(weights: Weights, row: int, length: int, there: list[int], asked: int | None) -> LayerLooks:
    """The attention of a layer between so many tokens and the image tokens that are there.

    Where the layer computes one text token alone, ``asked`` is its position.
    """
    text = _numbers(weights.text[row])
    rows = tuple(range(length)) if asked is None or text.shape[1] > 1 else (asked,)
    to_images = TextToImages(weights.kinds[0], rows, text[:, : len(rows), there])
    if weights.side_text is None:
        return LayerLooks(weights.layer, to_images, None)
    seen = _numbers(weights.side_text[row])[:, there]
    others = None if weights.side_images is None else _numbers(weights.side_images[row])[:, there][..., there]
    share = None if others is None else seen.sum(-1)
    return LayerLooks(weights.layer, to_images, ImagesToText(weights.kinds[1], share, seen[..., :length], others))


def _numbers(values: Tensor) -> np.ndarray:
    return values.float().cpu().numpy()


def missing_looks(backbone: nn.Module, looks: Sequence[PassLooks], imaged: bool) -> Iterator[str]:
    """What a reader might look for and not find, and why."""
    if not imaged:
        yield "no image of the record is there or can be used: its text is explained alone"
    elif not looks_of(backbone):
        name = type(getattr(backbone, "fusion", backbone)).__name__
        yield f"{name} has no attention of text tokens over patches that can be shown: see what was left out"
    layers = [layer for one in looks for layer in one.layers]
    if any(layer.text.kind == CO for layer in layers):
        yield "co-attention has no prefix: image tokens look at text alone, and there is no λ of equation 11"
    elif any(layer.text.kind == JOINT for layer in layers):
        yield "in one stream there is no prefix: λ is what of an image token's attention lies on the text"
    elif layers and all(layer.images is None for layer in layers):
        yield "image tokens do not look at the text (pgi=false): there is no λ of equation 11"
