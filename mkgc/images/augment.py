"""Images varied at random while training: on the batch, on its device, before they are normalised."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from mkgc.batch import Images


def augment(images: Images, flip: bool, translate: float) -> Images:
    """Each image mirrored in half of the cases, and moved by up to ``translate`` of its size, its edge drawn out."""
    pixels = images.pixels
    count, size, device = len(pixels), pixels.shape[-1], pixels.device
    columns = _moved(count, size, translate, device)
    if flip:
        mirrored = torch.rand(count, 1, device=device) < 0.5
        columns = torch.where(mirrored, size - 1 - columns, columns)
    rows = _moved(count, size, translate, device)
    which = torch.arange(count, device=device)[:, None, None, None]
    channel = torch.arange(3, device=device)[:, None, None]
    return replace(images, pixels=pixels[which, channel, rows[:, None, :, None], columns[:, None, None, :]])


def _moved(count: int, size: int, translate: float, device: torch.device) -> Tensor:
    """For each image the places that its rows (or columns) are taken from."""
    most = round(translate * size)
    by = torch.randint(-most, most + 1, (count, 1), device=device)
    return (torch.arange(size, device=device) + by).clamp(0, size - 1)
