"""Vision encoders: patches, positions and blocks of any plain VisionTransformer of timm."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from inspect import signature
from itertools import product
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Shaped
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from mkgc.batch import Images
from mkgc.encoders.base import Encoder, Stream
from mkgc.encoders.timm_models import create, pretrained
from mkgc.errors import ConfigError
from mkgc.nn.layers import VisionLayer

BUILDERS = (f"{__name__}.random_vision", f"{__name__}.pretrained_vision")
"""The functions that a configuration names to have a vision encoder."""


class Patch(NamedTuple):
    """A patch of an image: the image's group and its number in the group, then row and column among so many."""

    group: str
    image: int
    row: int
    column: int
    rows: int
    columns: int


def patches_of(group: str, images: int, rows: int, columns: int) -> list[Patch]:
    """The patches of so many images of a group, in the order of their tokens."""
    places = product(range(images), range(rows), range(columns))
    return [Patch(group, *place, rows, columns) for place in places]


def normalise(pixels: Tensor, mean: Tensor, std: Tensor) -> Float[Tensor, "P 3 S S"]:
    """Bytes become floats with the encoder's mean and spread; floats are taken as normalised already."""
    if pixels.dtype != torch.uint8:
        return pixels
    return (pixels.to(mean.dtype) / 255 - mean[:, None, None]) / std[:, None, None]


def at_least_one(pixels: Shaped[Tensor, "P 3 S S"]) -> Shaped[Tensor, "p 3 S S"]:
    """The images, or a black one where there are none.

    No slot shows it. It lets everything that images go through take part in each step, with a gradient of zero:
    processes that train together wait for the gradients of all parameters.
    """
    return pixels if pixels.shape[0] else pixels.new_zeros(1, *pixels.shape[1:])


def unpack(tokens: Float[Tensor, "p n W"], slots: Tensor) -> tuple[Float[Tensor, "B V W"], Bool[Tensor, "B V"]]:
    """Lays the tokens of packed images out by example; slots of -1 are masked."""
    laid = tokens[slots.clamp(min=0)]
    return laid.flatten(1, 2), (slots >= 0).repeat_interleave(tokens.shape[1], dim=1)


class VisionEncoder(Encoder):
    """V-Encoder: patch embeddings of all images of an example as one sequence, then pre-norm layers.

    The sequence is the model's prefix tokens (class, distillation, registers, as far as it has them), once, and then
    the patches of each image of each group. An image of another size than the pretrained one gets the position table
    resampled, as timm does it. With one image of the native size the states are timm's own.
    """

    stem: Any  # the timm model without its blocks
    mean: Tensor
    std: Tensor

    def __init__(self, model: Any, name: str, options: dict[str, Any]) -> None:
        super().__init__()
        config = model.pretrained_cfg
        self.name, self.options = name, options
        self.layers = nn.ModuleList(VisionLayer(block) for block in model.blocks)
        model.blocks = nn.Sequential()
        model.reset_classifier(0)
        self.stem = model
        self.width: int = model.embed_dim
        self.register_buffer("mean", torch.tensor(config.get("mean", (0.5, 0.5, 0.5))), persistent=False)
        self.register_buffer("std", torch.tensor(config.get("std", (0.5, 0.5, 0.5))), persistent=False)

    def _patches(self, pixels: Tensor) -> Float[Tensor, "P n W"]:
        """Prefix tokens and patches of each image on its own."""
        stem, size = self.stem, pixels.shape[-1]
        if reason := _uncut(stem.patch_embed, size):
            raise ConfigError(f"images of {size} pixels a side: {reason}")
        embedded = stem._pos_embed(stem.patch_embed(normalise(pixels, self.mean, self.std)))
        return stem.norm_pre(stem.patch_drop(embedded))

    def embed(self, images: Sequence[Images]) -> Stream:
        """The input of the first layer, at least one token wide; without any group, that of one example."""
        prefixes = self.stem.num_prefix_tokens
        groups = images or [self._no_group()]
        patches = [self._patches(at_least_one(group.pixels)) for group in groups]
        laid = [unpack(part[:, prefixes:], group.slots) for part, group in zip(patches, groups, strict=True)]
        tokens, seen = (torch.cat(parts, 1) for parts in zip(*laid, strict=True))
        prefix = patches[0][:1, :prefixes].expand(
            tokens.shape[0], -1, -1
        )  # the same for every image: it depends on none
        states = torch.cat([prefix, tokens], 1)
        mask = torch.cat([seen.any(1, keepdim=True).expand(-1, prefixes), seen], 1)
        missing = 0 if states.shape[1] else 1
        return Stream(F.pad(states, (0, 0, 0, missing)), F.pad(mask, (0, missing)))

    def token_patches(self, images: Sequence[Images]) -> list[Patch | None]:
        """The patch of each token of :meth:`embed`; None for the model's prefix tokens."""
        sizes = [self.stem.patch_embed.dynamic_feat_size(group.pixels.shape[-2:]) for group in images]
        found = [patches_of(g.group, g.slots.shape[1], *size) for g, size in zip(images, sizes, strict=True)]
        return [*[None] * self.stem.num_prefix_tokens, *(patch for one in found for patch in one)]

    def _no_group(self) -> Images:
        """Pixels in place of the images of data that have none."""
        pixels = torch.empty(0, 3, *self.stem.patch_embed.img_size, dtype=torch.uint8, device=self.mean.device)
        return Images("none", pixels, pixels.new_empty(1, 0, dtype=torch.long))

    def grid(self, size: int) -> tuple[int, int]:
        """The rows and columns of patches of an image of so many pixels a side."""
        rows, columns = self.stem.patch_embed.dynamic_feat_size((size, size))
        return rows, columns

    def embedding_modules(self) -> list[nn.Module]:
        return [self.stem]

    def final_norm(self, x: Float[Tensor, "B V W"]) -> Float[Tensor, "B V W"]:
        return self.stem.norm(x)

    def pool(self, states: Float[Tensor, "B V W"]) -> Float[Tensor, "B W"]:
        """The state of the class token, or the mean of the patches of one image where there is no such token."""
        return states[:, 0] if self.stem.has_class_token else states[:, self.stem.num_prefix_tokens :].mean(1)

    def unused_modules(self, normed: bool) -> list[nn.Module]:
        return [self.stem.fc_norm] if normed else [self.stem.norm, self.stem.fc_norm]

    def architecture_config(self) -> dict[str, Any]:
        return {"_target_": f"{__name__}.random_vision", "name": self.name, **self.options}


def _create(name: str, **options: Any) -> VisionTransformer:
    choose = "a timm VisionTransformer, such as vit_*"
    return create(name, VisionTransformer, "a timm model name", choose, dynamic_img_size=True, **options)


def check_sizes(backbone: Mapping[str, Any], images: Mapping[str, int | None]) -> None:
    """Compares ``data.images`` with the patches of a backbone's vision encoder, which is built without weights.

    Raises:
        ConfigError: Images of a size cannot be cut into patches, or there is no such encoder.
    """
    for node in backbone.values():
        if isinstance(node, Mapping) and node.get("_target_") in BUILDERS:
            _check_patches(node, images)


def _check_patches(node: Mapping[str, Any], images: Mapping[str, int | None]) -> None:
    options = {key: value for key, value in node.items() if key not in ("_target_", "position_std", "file")}
    if "name" not in options:
        raise ConfigError("a vision encoder has a name, that of a timm VisionTransformer: size.vision.name=NAME")
    with torch.device("meta"):
        stem: Any = _create(**options).patch_embed
    for group, size in images.items():
        if size is not None and (reason := _uncut(stem, size)):
            raise ConfigError(f"data.images.{group}={size}: {reason}")


def _uncut(patch_embed: Any, size: int) -> str | None:
    """Why an image of a size cannot be cut into patches."""
    patch = patch_embed.patch_size[0]
    if size % patch == 0 or patch_embed.dynamic_img_pad:
        return None
    return f"patches are {patch} pixels wide, so choose {max(round(size / patch), 1) * patch}, say"


def random_vision(name: str, position_std: float | None = None, **options: Any) -> VisionEncoder:
    """A vision encoder with random weights; ``options`` are timm's (``embed_dim``, ``depth``, ``img_size`` …).

    ``position_std`` draws the position table anew with that spread. timm's 0.02 is lost beside the patches: from
    scratch, where things lie is then learned late.

    Raises:
        ConfigError: timm has no such architecture, or an option is none of an architecture's: those that read files or
            reach the hub are not for this.
    """
    known = signature(VisionTransformer.__init__).parameters
    if strange := next((key for key in options if key not in known), None):
        raise ConfigError(f"a vision encoder with random weights has no option '{strange}': it is made of sizes alone")
    if not re.fullmatch(r"[\w.]+", name):
        raise ConfigError(f"'{name}' is no name of an architecture: choose a timm VisionTransformer, such as vit_*")
    encoder = VisionEncoder(_create(name, **options), name, options)
    if position_std is not None and encoder.stem.pos_embed is not None:
        nn.init.normal_(encoder.stem.pos_embed, std=position_std)
    return encoder


def pretrained_vision(name: str, file: str | None = None, **options: Any) -> VisionEncoder:
    """A pretrained vision encoder from timm's hub, or from a local ``file`` of weights for that architecture.

    Raises:
        ConfigError: The file is missing, or nothing can be loaded under that name.
    """
    return VisionEncoder(_create(name, **pretrained(file), **options), name, options)
