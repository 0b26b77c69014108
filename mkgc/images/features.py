"""Images of entities as vectors: what a frozen vision encoder says of each on its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int, UInt8
from rich.progress import track
from torch import Tensor

from mkgc.batch import Images
from mkgc.data.examples import ImagePaths
from mkgc.encoders.vision import VisionEncoder
from mkgc.images.loaded import LoadedImages

BATCH = 64
"""Images at once: enough for an accelerator, and no more than a CPU's memory holds."""


@torch.no_grad()
def image_vectors(
    images: Sequence[ImagePaths], store: LoadedImages, sizes: Mapping[str, int], vision: VisionEncoder
) -> tuple[Float[Tensor, "P F"], Int[Tensor, " P"]]:
    """The vectors of all usable images of the entities, and of which entity each is; on the CPU, by entity.

    An image's vector is the state of the class token behind the last norm, or the mean of its patches' states where
    the encoder has no such token. Each image goes through the encoder once, in evaluation mode, however many entities
    have it; ``sizes`` are those of the groups to be read.
    """
    owned = [
        (entity, size, row)
        for entity, files in enumerate(images)
        for group, size in sizes.items()
        for path in files.get(group, ())
        if (row := store.index(path, size)) is not None
    ]
    distinct = sorted({(size, row) for _, size, row in owned})
    place = {key: i for i, key in enumerate(distinct)}
    which = torch.tensor([place[size, row] for _, size, row in owned], dtype=torch.long)
    owners = torch.tensor([entity for entity, _, _ in owned], dtype=torch.long)
    return _encoded(distinct, store, vision)[which], owners


def _encoded(distinct: Sequence[tuple[int, int]], store: LoadedImages, vision: VisionEncoder) -> Float[Tensor, "D F"]:
    """The vectors of images that are given by their size and row, sorted."""
    by_size = {size: [row for s, row in distinct if s == size] for size in sorted({size for size, _ in distinct})}
    batches = [(rows[i : i + BATCH], size) for size, rows in by_size.items() for i in range(0, len(rows), BATCH)]
    was_training = vision.training
    vision.eval()
    steps = track(batches, "Looking at images", transient=True)
    vectors = [_summary(vision, store.take(rows, size).to(vision.mean.device)).cpu() for rows, size in steps]
    vision.train(was_training)
    return torch.cat([torch.empty(0, vision.width), *vectors])


def _summary(vision: VisionEncoder, pixels: UInt8[Tensor, "b 3 S S"]) -> Float[Tensor, "b F"]:
    """Each image is an example of its own: the encoder reads an example's images as one sequence."""
    alone = Images("image", pixels, torch.arange(len(pixels), device=pixels.device)[:, None])
    return vision.pool(vision([alone]).states)
