"""A text and a vision encoder whose last states a module joins: the frame of multimodal systems on top of BERT."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Int
from torch import Tensor

from mkgc.batch import Input, Rows, Scene, Text
from mkgc.encoders.base import Stream
from mkgc.encoders.frozen import FrozenPrefix
from mkgc.encoders.text import TextEncoder
from mkgc.encoders.vision import VisionEncoder
from mkgc.fusion.sight import look
from mkgc.models.fusion_encoder import Fusion, FusionEncoder
from mkgc.nn.attention import gather_mask, gather_positions
from mkgc.nn.streams import Streams


@runtime_checkable
class SpanDetecting(Protocol):
    """A fusion that can make states of the text alone, in which entity spans are detected."""

    def detect_spans(self) -> int:
        """Adds what makes them, and returns their width."""


class LateFusion(FusionEncoder):
    """Both encoders to their end, then ``fusion``, which is made for a text and a vision layer.

    The fusion is called with the text, the states of its tokens and what there is to see
    (:class:`mkgc.fusion.sight.Sight`), and returns streams whose text has the fusion's ``width``. Of each encoder, the
    uppermost ``trainable_layers`` and ``side_trainable_layers`` learn (None: all); up to ``cache_gib`` GiB of what the
    others make of each input is kept in files.
    """

    side: VisionEncoder

    def __init__(
        self,
        text: TextEncoder,
        side: VisionEncoder,
        fusion: Fusion,
        trainable_layers: int | None = None,
        side_trainable_layers: int | None = None,
        cache_gib: float = 4.0,
    ) -> None:
        super().__init__(text, trainable_layers=trainable_layers, cache_gib=cache_gib)
        self.side = side
        for module in side.unused_modules(normed=True):
            module.requires_grad_(False)
        self.lower_side = FrozenPrefix(side, side_trainable_layers, cache_gib)
        self.fusion: Any = fusion(text.layers[-1], side.layers[-1])
        self.train()

    @property
    def width(self) -> int:
        """Width of the text states that the fusion makes."""
        return int(self.fusion.width)

    def detect_spans(self) -> int | None:
        return self.fusion.detect_spans() if isinstance(self.fusion, SpanDetecting) else None

    def forward(
        self,
        text: Text,
        side: Input = (),
        position_ids: Int[Tensor, " B"] | None = None,
        scene: Scene | None = None,
    ) -> Streams:
        """Text states that know what is seen; with ``position_ids``, only those of that position of each text."""
        assert not isinstance(side, Rows)  # images, as the vision encoder reads them
        words, size = self.encode_text(text), len(text.ids)
        seen = self.encode_side(side, size)
        normed = Stream(self.side.final_norm(seen.states), seen.mask)
        out = self.fusion(text, words, look(normed, side, scene, self.side, self.text.words))
        states, mask = gather_positions(out.text, position_ids), gather_mask(out.text_mask, position_ids)
        return replace(out, text=states, text_mask=mask)
