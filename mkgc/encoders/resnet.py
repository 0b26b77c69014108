"""CLIP's ResNets: three convolutions, stages of bottlenecks with anti-aliased strides, and attention that pools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from timm.layers import AttentionPool2d
from timm.models import ByoBlockCfg, ByobNet, ByoModelCfg
from torch import Tensor, nn

from mkgc.app.ranges import Count
from mkgc.batch import Images
from mkgc.encoders.base import Encoder, Stream
from mkgc.encoders.timm_models import create, pretrained
from mkgc.encoders.vision import at_least_one, normalise
from mkgc.errors import ConfigError
from mkgc.nn.recompute import recomputed

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of CLIP's training images (Radford et al., 2021)."""

STAGES, STRIDE = 4, 32
"""Stages, and how many pixels of an image's side are one place of the last one's maps."""


class ResNetEncoder(Encoder):
    """A timm ResNet with attention pooling as layers, each a stage; states are the places of its square maps, by row.

    Each example shows one image. Pooling is attention of the mean over all places, whose output projection is the
    model's own (:class:`mkgc.heads.projection.Projection`, with a bias).

    Source: CLIP (Radford et al., 2021), section 2.4, its modified ResNet.
    """

    stem: Any
    attention_pool: Any
    mean: Tensor
    std: Tensor
    biased_projection = True

    def __init__(self, model: ByobNet) -> None:
        super().__init__()
        if not isinstance(model.head, AttentionPool2d) or len(model.stages) != STAGES:
            raise ConfigError("a ResNet needs attention pooling, as timm's resnet50_clip has it")
        model.reset_classifier(0)
        self.stem, self.layers, self.attention_pool = model.stem, nn.ModuleList(model.stages), model.head
        self.width: int = model.head.embed_dim
        self.register_buffer("mean", torch.tensor(MEAN), persistent=False)
        self.register_buffer("std", torch.tensor(STD), persistent=False)

    def embed(self, images: Sequence[Images]) -> Stream:
        """The input of the first stage, of the only image of each example; a black one where it has none.

        Raises:
            ConfigError: Images are smaller than one place of the last stage.
        """
        (group,) = images
        if group.pixels.shape[-1] < STRIDE:
            raise ConfigError(f"images of {group.pixels.shape[-1]} pixels a side: a ResNet needs {STRIDE}, or more")
        slots = group.slots[:, 0]
        shown = at_least_one(group.pixels)[slots.clamp(min=0)]
        states = _flat(self.stem(normalise(shown, self.mean, self.std)))
        return Stream(states, (slots >= 0)[:, None].expand(-1, states.shape[1]))

    def embedding_modules(self) -> list[nn.Module]:
        return [self.stem]

    def run(self, x: Stream, start: int = 0, stop: int | None = None) -> Stream:
        states = x.states
        for stage in self.layers[start:stop]:
            maps = _square(states)
            if self.checkpointing and torch.is_grad_enabled():
                states = _flat(recomputed(stage, stage, maps))
            else:
                states = _flat(stage(maps))
        return Stream(states, x.mask[:, :1].expand(-1, states.shape[1]))

    def pool(self, states: Float[Tensor, "B S W"]) -> Float[Tensor, "B w"]:
        """What the mean over all places attends to."""
        return self.attention_pool(_square(states))

    def pooling_modules(self) -> list[nn.Module]:
        return [self.attention_pool]

    def architecture_config(self) -> dict[str, Any]:
        return {
            "_target_": f"{__name__}.random_resnet",
            "layers": [len(stage) for stage in self.layers],
            "width": self.stem.conv3.conv.out_channels,
            "img_size": STRIDE * self.attention_pool.feat_size[0],
        }


def _flat(maps: Float[Tensor, "B C H W"]) -> Float[Tensor, "B S C"]:
    return maps.flatten(2).transpose(1, 2)


def _square(states: Float[Tensor, "B S C"]) -> Float[Tensor, "B C H W"]:
    side = round(states.shape[1] ** 0.5)
    return states.transpose(1, 2).unflatten(2, (side, side))


def random_resnet(layers: Sequence[Count] = (3, 4, 6, 3), width: Count = 64, img_size: Count = 224) -> ResNetEncoder:
    """A ResNet with random weights: blocks of each of four stages, channels behind the stem, pixels of a side.

    Raises:
        ConfigError: There are not four stages, or attention pooling cannot have heads of 64 numbers.
    """
    if len(layers) != STAGES or width % 8 or img_size % STRIDE:
        raise ConfigError(
            f"a ResNet has layers=[3,4,6,3] or four others, a width that is a multiple of 8, and an img_size of 32; "
            f"not layers={list(layers)}, width={width}, img_size={img_size}"
        )
    blocks = tuple(
        ByoBlockCfg(type="bottle", d=depth, c=4 * width * 2**i, s=1 if i == 0 else 2, br=0.25)
        for i, depth in enumerate(layers)
    )
    config = ByoModelCfg(
        blocks=blocks,
        stem_chs=(width // 2, width // 2, width),
        stem_type="",
        stem_pool="avg2",
        downsample="avg",
        aa_layer="avg",
        head_type="attn_abs",
    )
    return ResNetEncoder(ByobNet(config, num_classes=0, img_size=img_size))


def pretrained_resnet(name: str = "resnet50_clip.openai", file: str | None = None) -> ResNetEncoder:
    """One of CLIP's ResNets from timm's hub, or from a local ``file`` of weights for that architecture.

    Raises:
        ConfigError: The file is missing, or nothing can be loaded under that name.
    """
    kind = "one of timm's resnet*_clip"
    return ResNetEncoder(create(name, ByobNet, kind, kind, **pretrained(file)))
