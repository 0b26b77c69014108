"""A text encoder that reads whole sequences and keeps one state of each, as KG-BERT scores triples."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from mkgc.batch import Text
from mkgc.encoders.frozen import FrozenPrefix
from mkgc.encoders.text import TextEncoder
from mkgc.errors import ConfigError


class CrossEncoder(nn.Module):
    """Sequences in, the state of the first token of each out; with it, link prediction is KG-BERT.

    Only the ``trainable_layers`` uppermost layers learn (None: all); those below drop nothing out. A positive triple
    meets ``negatives`` corrupted ones, and ``chunk`` sequences are run at once where many are to be scored. An encoder
    with a single segment reads all of a sequence in that.

    Raises:
        ConfigError: A number is too small.
    """

    keeps_images = False

    def __init__(
        self, text: TextEncoder, trainable_layers: int | None = None, negatives: int = 5, chunk: int = 256
    ) -> None:
        super().__init__()
        for name, value in (
            ("trainable_layers", 1 if trainable_layers is None else trainable_layers),
            ("negatives", negatives),
            ("chunk", chunk),
        ):
            if value < 1:
                raise ConfigError(f"backbone.{name}={value} must be at least 1")
        self.text, self.negatives, self.chunk = text, negatives, chunk
        self.lower_text = FrozenPrefix(text, trainable_layers)
        self.train()

    @property
    def frozen_prefixes(self) -> dict[str, FrozenPrefix]:
        """None whose states are kept: sequences are as many as pairs of a query and an entity."""
        return {}

    @property
    def width(self) -> int:
        """Width of a state."""
        return self.text.width

    def forward(self, text: Text) -> Float[Tensor, "B D"]:
        """The state of each sequence's first token."""
        text = replace(text, segments=text.segments.clamp(max=self.text.config.type_vocab_size - 1))
        below = self.text.run(self.lower_text(text), self.lower_text.count, stop=-1)
        first = text.ids.new_zeros(len(text.ids))
        return self.text.run_last(below, first).states[:, 0]

    def architecture_configs(self) -> dict[str, Any]:
        """A configuration that builds the text encoder again without weights."""
        return {"text": self.text.architecture_config()}
