"""Two encoders that meet in one space only, as in CLIP: texts and images are encoded without each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mkgc.batch import Images, Text
from mkgc.encoders.base import Encoder
from mkgc.encoders.frozen import FrozenPrefix, lay_out
from mkgc.heads.projection import Projection

INITIAL_LOGIT_SCALE = math.log(1 / 0.07)
MAX_LOGIT_SCALE = math.log(100)
"""Both of Radford et al. (2021), section 2.5."""


class DualEncoder(nn.Module):
    """Texts and images as directions of ``dim`` numbers, whose product is the higher the more they have in common.

    With ``trainable_layers``, only so many of the text encoder's uppermost layers learn, with
    ``vision_trainable_layers`` of the other's: 0 locks a tower, but for its last norm and its projection.

    Source: CLIP (Radford et al., 2021). Of encoders without a class token the mean of the states is projected.
    """

    def __init__(
        self,
        text: Encoder,
        vision: Encoder,
        dim: int,
        trainable_layers: int | None = None,
        vision_trainable_layers: int | None = None,
    ) -> None:
        super().__init__()
        self.text, self.vision = text, vision
        for module in (*text.unused_modules(normed=True), *vision.unused_modules(normed=True)):
            module.requires_grad_(False)
        self.lower_text = FrozenPrefix(text, trainable_layers)
        self.lower_vision = FrozenPrefix(vision, vision_trainable_layers)
        self.project_text, self.project_image = Projection(text.width, dim), Projection(vision.width, dim)
        self.logit_scale = nn.Parameter(torch.tensor(INITIAL_LOGIT_SCALE))
        self.train()  # pretrained encoders come in evaluation mode, and Lightning takes modules as they are

    @property
    def keeps_images(self) -> bool:
        """Whether images go through the vision encoder's lower part once."""
        return self.lower_vision.frozen

    @property
    def scale(self) -> Float[Tensor, ""]:
        """The inverse temperature: at most 100, with the gradient that it has below, so that it can fall again."""
        beyond = (self.logit_scale - MAX_LOGIT_SCALE).clamp(min=0).detach()
        return (self.logit_scale - beyond).exp()

    def encode_text(self, text: Text) -> Float[Tensor, "B D"]:
        """The direction of each text."""
        return self.project_text(_pooled(self.lower_text, text, len(text.ids)))

    def encode_image(self, images: Sequence[Images]) -> Float[Tensor, "B D"]:
        """The direction of each image.

        Raises:
            ValueError: Examples do not have one image each, which the encoder would read as one sequence.
        """
        if [group.slots.shape[1] for group in images] != [1]:
            raise ValueError("each image has to be an example of its own: one group with one slot")
        return self.project_image(_pooled(self.lower_vision, images, len(images[0].slots)))

    def architecture_configs(self) -> dict[str, Any]:
        """Configurations that build both encoders again without weights."""
        return {"text": self.text.architecture_config(), "vision": self.vision.architecture_config()}


def _pooled(lower: FrozenPrefix, x: Text | Sequence[Images], size: int) -> Float[Tensor, "B W"]:
    encoder = lower.encoder
    states = lay_out(encoder.run(lower(x), lower.count), x, size).states
    return encoder.pool(encoder.final_norm(states))
