"""Two encoders that meet in one space only, as in CLIP: texts and images are encoded without each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mkgc.app.ranges import Count, Natural, NonNegative
from mkgc.batch import Images, Text
from mkgc.encoders.base import Encoder
from mkgc.encoders.frozen import FrozenPrefix
from mkgc.encoders.tower import Pooling, Tower
from mkgc.errors import ConfigError
from mkgc.heads.projection import Projection

INITIAL_LOGIT_SCALE = math.log(1 / 0.07)
MAX_LOGIT_SCALE = math.log(100)
"""Both of Radford et al. (2021), section 2.5."""


class DualEncoder(nn.Module):
    """Texts and images as directions of ``dim`` numbers, whose product is the higher the more they have in common.

    With ``trainable_layers``, only so many of the text encoder's uppermost layers learn, with
    ``vision_trainable_layers`` of the other's: 0 locks a tower, but for its projection, which is locked, too, with
    ``lock_projections``; up to ``cache_gib`` GiB of what the others make of the data set's inputs is kept in files.
    ``text_pooling`` is the state of a text that is projected: the encoder's own, or the mean of all. With
    ``checkpointing``, activations of layers are computed again in the backward pass instead of being kept.

    ``space`` are projections and temperature that were learned with the encoders, by their names here
    (:mod:`mkgc.released.chinese_clip` reads them); ``dim`` is theirs, then.

    Source: CLIP (Radford et al., 2021). Of encoders without a class token the mean of the states is projected.

    Raises:
        ConfigError: There is neither ``dim`` nor ``space``, or they differ.
    """

    def __init__(
        self,
        text: Encoder,
        vision: Encoder,
        dim: Count | None = None,
        trainable_layers: Natural | None = None,
        vision_trainable_layers: Natural | None = None,
        cache_gib: NonNegative = 4.0,
        text_pooling: Pooling = "encoder",
        lock_projections: bool = False,
        checkpointing: bool = False,
        space: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.text, self.vision = text, vision
        self.dim = _dim(dim, space)
        for module in (*text.unused_modules(normed=True), *vision.unused_modules(normed=True)):
            module.requires_grad_(False)
        text.checkpointing = vision.checkpointing = checkpointing
        self.project_text = Projection(text.width, self.dim)
        self.project_image = Projection(vision.width, self.dim, bias=vision.biased_projection)
        self.logit_scale = nn.Parameter(torch.tensor(INITIAL_LOGIT_SCALE))
        if space is not None:
            self._enter(space)
        self._texts = Tower(text, self.project_text, trainable_layers, cache_gib, text_pooling)
        self._images = Tower(vision, self.project_image, vision_trainable_layers, cache_gib)
        for tower in (self._texts, self._images):
            tower.project.requires_grad_(not (lock_projections and tower.locked))
        self.train()  # pretrained encoders come in evaluation mode, and Lightning takes modules as they are

    def _enter(self, space: Mapping[str, Tensor]) -> None:
        own = dict(self.named_parameters())
        with torch.no_grad():
            for name, value in space.items():
                if name not in own or own[name].shape != value.shape:
                    raise ConfigError(
                        f"backbone.space: {name} of shape {tuple(value.shape)} is none of these encoders'"
                    )
                own[name].copy_(value)

    @property
    def keeps_images(self) -> bool:
        """Whether images go through the vision encoder's lower part once."""
        return self._images.lower.frozen

    @property
    def frozen_prefixes(self) -> dict[str, FrozenPrefix]:
        """The lower parts that make the same of the same input, always."""
        towers = {"texts": self._texts, "images": self._images}
        return {kind: tower.lower for kind, tower in towers.items() if tower.lower.frozen}

    @property
    def scale(self) -> Float[Tensor, ""]:
        """The inverse temperature: at most 100, with the gradient that it has below, so that it can fall again."""
        beyond = (self.logit_scale - MAX_LOGIT_SCALE).clamp(min=0).detach()
        return (self.logit_scale - beyond).exp()

    def encode_text(self, text: Text, chunk: int | None = None) -> Float[Tensor, "B D"]:
        """The direction of each text; with ``chunk``, so many go through the encoder at a time (:class:`Tower`)."""
        return self._texts.directions(text, chunk)

    def encode_image(self, images: Sequence[Images], chunk: int | None = None) -> Float[Tensor, "B D"]:
        """The direction of each image; ``chunk`` as for texts.

        Raises:
            ValueError: Examples do not have one image each, which the encoder would read as one sequence.
        """
        if [group.slots.shape[1] for group in images] != [1]:
            raise ValueError("each image has to be an example of its own: one group with one slot")
        return self._images.directions(images, chunk)

    def architecture_configs(self) -> dict[str, Any]:
        """Configurations that build both encoders again without weights, and the space's size."""
        parts = {"text": self.text.architecture_config(), "vision": self.vision.architecture_config()}
        return {**parts, "dim": self.dim, "space": None}


def _dim(dim: int | None, space: Mapping[str, Tensor] | None) -> int:
    """The size of the space."""
    learned = None if space is None else len(space["project_text.linear.weight"])
    if dim is None and learned is None:
        raise ConfigError("backbone.dim: say how many numbers a direction has")
    if None not in (dim, learned) and dim != learned:
        raise ConfigError(f"backbone.dim={dim}: the projections of backbone.space make {learned}, so leave it null")
    return int(dim or learned or 0)
