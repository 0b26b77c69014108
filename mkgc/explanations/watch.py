"""The attention between text and images of a network's layers, kept by hooks while it reads a batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mkgc.batch import Images, Text
from mkgc.explanations.left_out import are_images
from mkgc.fusion.coattention import CoAttention
from mkgc.fusion.prefix import PrefixFusion
from mkgc.fusion.unified_transformer import UnifiedTransformer
from mkgc.models.fusion_encoder import FusionEncoder
from mkgc.models.late_fusion import LateFusion
from mkgc.models.single_stream import SingleStream
from mkgc.nn.masks import present
from mkgc.nn.streams import KeyValue
from mkgc.released.fusion import ReleasedFusion

CAF, PGI = "CAF (similarity, equations 13 and 14)", "PGI (attention, equations 10 to 12)"
CO, JOINT = "co-attention", "attention in one stream"


@dataclass(frozen=True)
class Look:
    """The modules of a layer by which text looks at images, and images at text.

    ``side`` modules attend to the text first, then, unless ``text_alone``, to the image tokens. In a layer that is
    ``joint`` one module does both, over a sequence of words and image tokens.
    """

    text: nn.Module | None = None
    side: nn.Module | None = None
    kinds: tuple[str, str] = ("", "")
    text_alone: bool = False
    joint: bool = False


@singledispatch
def look_of(fusion: nn.Module, side: Any) -> Look:
    """The look of a fusion over a side layer; of a kind that is not known, none."""
    return Look()


@look_of.register
def _(fusion: PrefixFusion, side: Any) -> Look:
    return Look(fusion.correlation if fusion.caf else None, side.attention if fusion.pgi else None, (CAF, PGI))


@look_of.register
def _(fusion: ReleasedFusion, side: Any) -> Look:
    return Look(fusion.correlation, side.attention, (CAF, PGI))


@look_of.register
def _(fusion: CoAttention, side: Any) -> Look:
    return Look(fusion.text.attention.attention, fusion.side.attention.attention, (CO, CO), text_alone=True)


@look_of.register
def _(fusion: UnifiedTransformer, side: Any) -> Look:
    text, images = fusion.text_to_image.attention, fusion.image_to_text.attention
    return Look(text.attention, images.attention, (CO, CO), text_alone=True)


def looks_of(backbone: nn.Module) -> dict[int, Look]:
    """The looks of a backbone's layers in which text and images meet, by their number in the text encoder, from 1."""
    if isinstance(backbone, SingleStream):
        layers = (layer.attention for layer in backbone.text.layers)
        return {i: Look(one, one, (JOINT, JOINT), joint=True) for i, one in enumerate(layers, start=1)}
    if not isinstance(backbone, FusionEncoder) or backbone.side is None:
        return {}
    if isinstance(backbone, LateFusion):
        look = look_of(backbone.fusion, None)
        return {} if look.text is None else {len(backbone.text.layers): look}
    fused = len(backbone.fusions)
    pairs = zip(backbone.fusions, backbone.side.layers[-fused:], strict=True)
    first = len(backbone.text.layers) - fused + 1
    found = {i: look_of(fusion, side) for i, (fusion, side) in enumerate(pairs, start=first)}
    return {i: look for i, look in found.items() if look.text is not None}


@dataclass(frozen=True)
class Weights:
    """The weights of a layer for a batch, as they were before dropout.

    ``text`` are those of text tokens over image tokens; where the layer computes one token of each text alone, that
    is the only row. ``side_text`` and ``side_images`` are those of image tokens over the text and over each other:
    both add up to 1.
    """

    layer: int
    kinds: tuple[str, str]
    text: Float[Tensor, "B G t V"]
    side_text: Float[Tensor, "B H V P"] | None = None
    side_images: Float[Tensor, "B H V V"] | None = None


@dataclass
class Watched:
    """What the backbone read last, and the weights of its layers; ``mask`` says which image tokens there are."""

    text: Text | None = None
    images: tuple[Images, ...] = ()
    position_ids: Int[Tensor, " B"] | None = None
    mask: Bool[Tensor, "B V"] | None = None
    layers: list[Weights] = field(default_factory=list)


@contextmanager
def watching(backbone: nn.Module) -> Iterator[Watched]:
    """Keeps what the backbone reads and the weights of its layers, until left; then they can be read."""
    looks, kept, seen = looks_of(backbone), dict[nn.Module, Any](), Watched()

    def note(module: nn.Module, args: tuple[Any, ...], _: Any) -> None:
        kept[module] = args

    def note_input(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = dict(zip(("text", "side", "position_ids"), args, strict=False)) | kwargs
        seen.text = next((one for one in given.values() if isinstance(one, Text)), None)
        seen.images = next((tuple(one) for one in given.values() if are_images(one)), ())
        seen.position_ids = given.get("position_ids")

    parts = {part for look in looks.values() for part in (look.text, look.side) if part is not None}
    handles = [part.register_forward_hook(note) for part in parts]
    handles.append(backbone.register_forward_pre_hook(note_input, with_kwargs=True))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
    if seen.text is not None and looks:
        length = seen.text.ids.shape[1]
        seen.layers = [_weights(number, look, kept, length) for number, look in looks.items()]
        seen.mask = _image_mask(next(kept[look.text] for look in looks.values() if look.text), seen.layers[0])


def _weights(number: int, look: Look, kept: dict[nn.Module, Any], length: int) -> Weights:
    """The weights of a layer, by what its modules were asked last; a text has so many tokens."""
    text_module: Any = look.text
    side_module: Any = look.side
    text = text_module.weights(*kept[text_module])
    text = text[:, None] if text.ndim == 3 else text
    if look.joint and text.shape[2] == 1:
        return Weights(number, look.kinds, text[..., length:])
    if look.joint:
        below = text[:, :, length:]
        return Weights(number, look.kinds, text[:, :, :length, length:], below[..., :length], below[..., length:])
    if side_module is None or side_module not in kept:
        return Weights(number, look.kinds, text)
    seen = side_module.weights(*kept[side_module])
    prefix = seen.shape[-1] if look.text_alone else seen.shape[-1] - seen.shape[-2]
    return Weights(number, look.kinds, text, seen[..., :prefix], None if look.text_alone else seen[..., prefix:])


def _image_mask(args: tuple[Any, ...], weights: Weights) -> Bool[Tensor, "B V"]:
    """Which image tokens there are, of what a module by which text looks at images was asked."""
    given = args[-1].mask if isinstance(args[-1], KeyValue) else args[-1]
    assert isinstance(given, torch.Tensor)
    return present(given)[:, -weights.text.shape[-1] :]
