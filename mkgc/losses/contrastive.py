"""The symmetric contrastive loss of pairs, each against all others of its batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mkgc.nn.full_products import full_products
from mkgc.nn.gathering import gathered, process_rank


def contrastive_loss(
    text: Float[Tensor, "B D"],
    image: Float[Tensor, "B D"],
    scale: Float[Tensor, ""],
    text_ids: Int[Tensor, " B"] | None = None,
    image_ids: Int[Tensor, " B"] | None = None,
    gather: bool = False,
) -> Float[Tensor, ""]:
    """Computes the mean cross-entropy of finding each text's image and each image's text, of normalised vectors.

    ``scale`` is the inverse of the temperature. Row ``i`` of the one belongs to row ``i`` of the other. With
    ``text_ids`` and ``image_ids`` (equal where captions or images are the same) so do rows that share a text or an
    image: a batch may hold several captions of an image, and the probability is spread evenly over what is right.

    With ``gather``, the pairs of all processes are candidates of each one's own, and the mean of the processes' losses
    is that of one process that has all pairs; gradients flow to all of them. Batches must be of one size then.

    Source: CLIP (Radford et al., 2021), figure 3; without any text or image twice, the loss is the same.
    """
    texts, images = (gathered(text), gathered(image)) if gather else (text, image)
    forward, backward = scale * full_products(text, images), scale * full_products(image, texts)
    target = _own(text, gather) if text_ids is None else _shared(_same(text_ids, image_ids, gather))
    return (F.cross_entropy(forward, target) + F.cross_entropy(backward, target)) / 2


def _own(text: Float[Tensor, "B D"], gather: bool) -> Int[Tensor, " B"]:
    """The place of each row among the candidates."""
    return torch.arange(len(text), device=text.device) + (process_rank() * len(text) if gather else 0)


def _same(text_ids: Int[Tensor, " B"], image_ids: Int[Tensor, " B"] | None, gather: bool) -> Bool[Tensor, "B N"]:
    """Which candidates share a text or an image with each row."""
    kinds = [ids for ids in (text_ids, image_ids) if ids is not None]
    found = [ids[:, None] == (gathered(ids) if gather else ids) for ids in kinds]
    return torch.stack(found).any(0)


def _shared(same: Bool[Tensor, "B N"]) -> Float[Tensor, "B N"]:
    return same / same.sum(1, keepdim=True)
