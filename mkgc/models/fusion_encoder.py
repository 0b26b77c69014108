"""Two encoders whose last layers are paired by a fusion."""

from __future__ import annotations

from collections.abc import Collection
from copy import deepcopy
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor, nn

from mkgc.batch import Input, Knowledge, Text
from mkgc.encoders.base import Encoder, Stream
from mkgc.encoders.frozen import FrozenPrefix, lay_out
from mkgc.encoders.knowledge import KnowledgeEncoder
from mkgc.encoders.text import TextEncoder
from mkgc.encoders.words import WordEncoder
from mkgc.errors import ConfigError
from mkgc.nn.attention import gather_mask, gather_positions
from mkgc.nn.layers import Layer, TextLayer, draw_as_bert
from mkgc.nn.streams import MENTIONS, SIDE, TEXT, Streams


@runtime_checkable
class Fusion(Protocol):
    """Builds the module that joins one text layer with one side layer."""

    def __call__(self, text: TextLayer, side: Layer) -> nn.Module: ...


class FusionEncoder(nn.Module):
    """Text and images, or a graph of knowledge, in, contextual states out.

    The first layers of each encoder run alone; the last ``fused`` of both run in pairs through a fusion. With
    ``stacked`` the pairs are new layers on top instead, the encoders' own staying unimodal (an ablation of the
    paper). ``outputs`` are the streams that heads read, of ``text``, ``side`` and ``mentions``: of the text alone, what
    would reach the side's output is neither computed nor trained, and a side that reaches no text state at all
    (``caf=false``) is left out. Mentions are those of a graph's nodes in the text, where the fusion has states of them.

    Examples of a batch that show the same images share what the side's layers below the fused ones make of them,
    computed once; so they share what those layers drop out (dropout, drop path), too.

    With ``trainable_layers``, only so many of the text encoder's uppermost layers learn, with
    ``side_trainable_layers`` of the other's; what lies below them is neither trained nor dropped out, and up to
    ``cache_gib`` GiB of what each makes of the data set's inputs is kept in files.

    Raises:
        ConfigError: More layers are to be fused than the encoders have or learn, there is a side and no fusion, or an
            output is none.
    """

    fusions: Any

    def __init__(
        self,
        text: TextEncoder | WordEncoder,
        side: Encoder | None = None,
        fusion: Fusion | None = None,
        fused: int = 0,
        stacked: bool = False,
        trainable_layers: int | None = None,
        side_trainable_layers: int | None = None,
        cache_gib: float = 4.0,
        outputs: Collection[str] = frozenset({TEXT}),
    ) -> None:
        super().__init__()
        self.text, self.outputs = text, frozenset(outputs)
        if strange := sorted(self.outputs - {TEXT, SIDE, MENTIONS}):
            raise ConfigError(f"backbone.outputs: there is no '{strange[0]}': choose of {TEXT}, {SIDE} and {MENTIONS}")
        if side is not None:
            _check_depth(fused, text, side, fusion)
            if stacked:
                _add_layers(text, fused)
                _add_layers(side, fused)
        pairs = [] if side is None else zip(text.layers[-fused:], side.layers[-fused:], strict=True)
        fusions = [fusion(t, s) for t, s in pairs if fusion is not None]
        reached = SIDE in self.outputs or any(part.feeds_text for part in fusions)
        self.fusions = nn.ModuleList(fusions if reached else [])
        self.side = side if reached else None
        for module in self._unused_modules():
            module.requires_grad_(False)
        self.lower_text = FrozenPrefix(text, trainable_layers, cache_gib)
        self.lower_side = None if self.side is None else FrozenPrefix(self.side, side_trainable_layers, cache_gib)
        self._check_trained()
        self.train()  # pretrained encoders come in evaluation mode, and Lightning takes modules as they are

    def _unused_modules(self) -> list[nn.Module]:
        """The modules that reach no output."""
        if self.side is None:
            return []
        count, layers = len(self.fusions), self.side.layers[-len(self.fusions) :]
        unused = self.side.unused_modules(normed=SIDE in self.outputs)
        for depth, (fusion, layer) in enumerate(zip(self.fusions, layers, strict=True), start=1):
            unused += fusion.unused_modules(layer, last=depth == count, outputs=self.outputs)
        return unused

    def _check_trained(self) -> None:
        if isinstance(self.side, KnowledgeEncoder) and self.lower_side is not None and self.lower_side.frozen:
            raise ConfigError(
                "backbone.side_trainable_layers: all layers of a knowledge encoder learn; its vectors stay as they are "
                "with backbone.side.learn_vectors=false"
            )
        fused = len(self.fusions)
        least = fused + any(fusion.uses_previous_kv for fusion in self.fusions)
        if len(self.text.layers) - self.lower_text.count < least:
            raise ConfigError(f"backbone.trainable_layers must be at least {least}: what is fused has to learn")
        if self.lower_side is not None and len(self.lower_side.encoder.layers) - self.lower_side.count < fused:
            raise ConfigError(f"backbone.side_trainable_layers must be at least {fused}: what is fused has to learn")

    @property
    def keeps_images(self) -> bool:
        """Whether images go through the vision encoder's lower part once."""
        return self.lower_side is not None and self.lower_side.frozen

    @property
    def frozen_prefixes(self) -> dict[str, FrozenPrefix]:
        """The lower parts that make the same of the same input, always."""
        texts = {"texts": self.lower_text} if self.lower_text.frozen and not self.text.learns_tokens else {}
        return texts | ({"images": self.lower_side} if self.lower_side is not None and self.lower_side.frozen else {})

    @property
    def width(self) -> int:
        """Width of the text states."""
        return self.text.width

    def detect_spans(self) -> int | None:
        """Lets streams have ``unimodal`` states, in which spans are detected: their width, or None if it cannot."""
        return None

    def forward(self, text: Text, side: Input = (), position_ids: Int[Tensor, " B"] | None = None) -> Streams:
        """Contextual states of the text, having seen the other side; ``side`` as the last fused layer left it.

        Without a ``side`` (an empty sequence), no text has an image, or a node of a graph.

        With ``position_ids``, only that position of each text is in them, and the last fused layer computes no other.
        """
        fused, size = len(self.fusions), len(text.ids)
        words = self.encode_text(text)
        if self.side is None:
            none = words.states.new_zeros(len(words.states), 0, 0)
            states, mask = gather_positions(words.states, position_ids), gather_mask(words.mask, position_ids)
            return Streams(states, mask, none, none.new_zeros(none.shape[:2], dtype=torch.bool))
        seen = self.encode_side(side, size)
        spans = side.spans if isinstance(side, Knowledge) else None
        x = Streams(words.states, words.mask, seen.states, seen.mask, words.key_value, spans=spans)
        pairs = zip(self.fusions, self.text.layers[-fused:], self.side.layers[-fused:], strict=True)
        for depth, (fusion, text_layer, side_layer) in enumerate(pairs, start=1):
            last = depth == fused
            finished = last and SIDE not in self.outputs
            x = fusion(x, text_layer, side_layer, last=finished, position_ids=position_ids if last else None)
        return replace(x, side=self.side.final_norm(x.side)) if SIDE in self.outputs else x

    def encode_text(self, text: Text) -> Stream:
        """The states of the text below the fused layers."""
        lower = lay_out(self.lower_text(text), text, len(text.ids))
        return self.text.run(lower, self.lower_text.count, len(self.text.layers) - len(self.fusions))

    def encode_side(self, side: Input, size: int) -> Stream:
        """The states of the other side of ``size`` examples below the fused layers."""
        assert self.side is not None
        assert self.lower_side is not None
        below = len(self.side.layers) - len(self.fusions)
        return lay_out(self.side.run(self.lower_side(side), self.lower_side.count, below), side, size)

    def architecture_configs(self) -> dict[str, Any]:
        """Configurations that build both encoders again without weights; the side's is None where it is left out."""
        return {
            "text": self.text.architecture_config(),
            "side": None if self.side is None else self.side.architecture_config(),
        }


def _check_depth(fused: int, text: TextEncoder | WordEncoder, side: Encoder, fusion: Fusion | None) -> None:
    if isinstance(text, WordEncoder):
        raise ConfigError(
            f"backbone.text is a {type(text).__name__}, whose layers cannot be fused: give no backbone.side"
        )
    depth = min(len(text.layers), len(side.layers))
    if not 1 <= fused <= depth:
        raise ConfigError(
            f"backbone.fused={fused} must lie between 1 and {depth}: the text encoder has {len(text.layers)} layers, "
            f"the {'knowledge' if isinstance(side, KnowledgeEncoder) else 'vision'} encoder {len(side.layers)}"
        )
    if fusion is None:
        raise ConfigError("backbone.fusion is missing: two encoders need a fusion to join them")


def _add_layers(encoder: Encoder, count: int) -> None:
    """Puts fresh layers of the same shape on top."""
    for _ in range(count):
        layer = deepcopy(encoder.layers[-1]).apply(draw_as_bert)
        for module in layer.modules():
            if isinstance(module, nn.LayerNorm):
                module.reset_parameters()
        encoder.layers.append(layer)
