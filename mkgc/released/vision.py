"""The vision side of MKGformer as its authors released it: a fixed number of images, all of them attended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from timm.layers import QuickGELU
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from mkgc.batch import Images
from mkgc.encoders.base import Encoder, Stream
from mkgc.encoders.vision import Patch, at_least_one, normalise, patches_of, unpack
from mkgc.errors import ConfigError
from mkgc.nn.layers import VisionLayer

SLOTS = {"image": 1, "crops": 3, "objects": 3}
"""How many images of a group there always are; those that do not exist are zeros after normalisation."""
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of CLIP's training images (Radford et al., 2021)."""


class ReleasedVision(Encoder):
    """A class embedding, then the patches of each group, each group with a position table of its own; then a norm.

    The class embedding has no position. Relation extraction and entity recognition use crops at 128 and objects at 64
    pixels: 61 tokens with patches of 32. Link prediction has neither class embedding nor positions, and the whole
    image at 224 besides: 109 tokens. Nothing is masked.

    Source: zjunlp/MKGformer, modeling_unimo.py and modeling_clip.py.
    """

    positions: Any
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        width: int,
        depth: int,
        heads: int,
        hidden_dim: int,
        images: Mapping[str, int | None],
        patch: int = 32,
        class_token: bool = True,
        positions: bool = True,
    ) -> None:
        super().__init__()
        self.width, self.patch = width, patch
        self.images = {group: size for group, size in images.items() if size is not None}
        self.options: dict[str, Any] = {
            "width": width,
            "depth": depth,
            "heads": heads,
            "hidden_dim": hidden_dim,
            "patch": patch,
        }
        self.options |= {"images": self.images, "class_token": class_token, "positions": positions}
        self.patches = nn.Conv2d(3, width, patch, stride=patch, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(width) * width**-0.5) if class_token else None
        rows = {group: SLOTS[group] * (size // patch) ** 2 for group, size in self.images.items()}
        new_tokens = {group: nn.Embedding(n, width) for group, n in rows.items()} if positions else {}
        self.positions = nn.ModuleDict(new_tokens)
        for table in new_tokens.values():
            nn.init.normal_(table.weight, std=0.02)
        self.norm = nn.LayerNorm(width, eps=1e-5)
        block: Any = partial(Block, width, heads, hidden_dim / width, qkv_bias=True, act_layer=QuickGELU)
        self.layers = nn.ModuleList(
            VisionLayer(block(norm_layer=partial(nn.LayerNorm, eps=1e-5))) for _ in range(depth)
        )
        self.register_buffer("mean", torch.tensor(MEAN), persistent=False)
        self.register_buffer("std", torch.tensor(STD), persistent=False)

    def tokens(self, images: Sequence[Images]) -> Float[Tensor, "B V W"]:
        """Class embedding and patches with their positions, before the norm; without any group, of one example."""
        size = len(images[0].slots) if images else 1
        given = {group.group: group for group in images}
        parts = [] if self.class_embedding is None else [self.class_embedding.expand(size, 1, -1)]
        for group, pixels in self.images.items():
            patches = self._patches(given.get(group), SLOTS[group], pixels, size)
            parts.append(patches + self.positions[group].weight if group in self.positions else patches)
        return torch.cat(parts, 1)

    def _patches(self, images: Images | None, slots: int, pixels: int, size: int) -> Float[Tensor, "B n W"]:
        if images is None:
            nothing = torch.empty(0, 3, pixels, pixels, device=self.mean.device, dtype=self.mean.dtype)
            images = Images("none", nothing, nothing.new_empty(size, 0, dtype=torch.long))
        shown = normalise(at_least_one(images.pixels), self.mean, self.std)
        tokens = self.patches(shown).flatten(2).transpose(1, 2)
        if tokens.shape[1] != (pixels // self.patch) ** 2:
            raise ConfigError(f"images of '{images.group}' are {images.pixels.shape[-1]} pixels wide, not {pixels}")
        laid, mask = unpack(tokens, _filled(images.slots, slots))
        return laid * mask[..., None]

    def embed(self, images: Sequence[Images]) -> Stream:
        """The input of the first layer, and a mask that hides nothing."""
        states = self.norm(self.tokens(images))
        return Stream(states, torch.ones(states.shape[:2], dtype=torch.bool, device=states.device))

    def token_patches(self, images: Sequence[Images]) -> list[Patch | None]:
        """The patch of each token, of images that are absent, too; None for the class embedding."""
        sides = {group: size // self.patch for group, size in self.images.items()}
        found = [patches_of(group, SLOTS[group], side, side) for group, side in sides.items()]
        return [*([] if self.class_embedding is None else [None]), *(patch for one in found for patch in one)]

    def embedding_modules(self) -> list[nn.Module]:
        return [self.patches, self.positions, self.norm]

    def architecture_config(self) -> dict[str, Any]:
        return {"_target_": f"{__name__}.ReleasedVision", "_convert_": "all", **self.options}


def _filled(slots: Int[Tensor, "B I"], count: int) -> Int[Tensor, "B S"]:
    """The first ``count`` slots, with empty ones where there are fewer."""
    return nn.functional.pad(slots, (0, max(count - slots.shape[1], 0)), value=-1)[:, :count]
