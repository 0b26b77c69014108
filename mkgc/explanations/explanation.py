"""An explanation of one prediction as numbers: answers, attention, and what leaving parts out did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from mkgc.explanations.contract import Answer, Kind

DECIMALS = 7
"""Of numbers in JSON: more than the accuracy of single precision has."""


@dataclass(frozen=True)
class Picture:
    """An image as the network saw it; ``rows`` and ``columns`` are those of its patches."""

    name: str
    group: str
    file: str
    pixels: UInt8[np.ndarray, "S S 3"]
    rows: int
    columns: int

    def as_dict(self) -> dict[str, Any]:
        """All but the pixels."""
        return {"name": self.name, "group": self.group, "file": self.file, "patches": [self.rows, self.columns]}


class VisualToken(NamedTuple):
    """A token of the images: the number of its image among the record's, and its patch; None: of no image."""

    image: int | None
    row: int
    column: int


@dataclass(frozen=True)
class TextToImages:
    """How much text tokens look at each image token, for ``kind`` of attention; each row adds up to 1.

    ``rows`` are the positions of the text tokens that the layer computes: the last one may be asked for one alone.
    There is one head where the similarity has none.
    """

    kind: str
    rows: tuple[int, ...]
    weights: Float[np.ndarray, "H t V"]


@dataclass(frozen=True)
class ImagesToText:
    """How much image tokens look at each text token and at each other; both parts of a row add up to 1.

    ``share`` is the part of a row that lies on the text: in attention over a prefix, the λ of equations 11 and 12. It
    counts padding, too, where the model looks at that (mkgformer_released); ``text`` does not show it. Where image
    tokens look at nothing but text (co-attention) there is neither ``share`` nor ``images``.
    """

    kind: str
    share: Float[np.ndarray, "H V"] | None
    text: Float[np.ndarray, "H V T"]
    images: Float[np.ndarray, "H V V"] | None


@dataclass(frozen=True)
class LayerLooks:
    """The attention between text and images in a layer of the text encoder, counted from 1."""

    layer: int
    text: TextToImages
    images: ImagesToText | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        text = {"kind": self.text.kind, "rows": [*self.text.rows], "weights": plain(self.text.weights)}
        seen = self.images
        side = (
            None
            if seen is None
            else {
                "kind": seen.kind,
                "lambda": None if seen.share is None else plain(seen.share),
                "text": plain(seen.text),
                "images": None if seen.images is None else plain(seen.images),
            }
        )
        return {"layer": self.layer, "text_to_images": text, "images_to_text": side}


@dataclass(frozen=True)
class PassLooks:
    """A pass with its tokens, those that matter most, its image tokens, and the attention between both."""

    tokens: tuple[str, ...]
    marked: Mapping[str, tuple[int, ...]]
    visual: tuple[VisualToken, ...]
    layers: tuple[LayerLooks, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "tokens": [*self.tokens],
            "marked": {name: [*places] for name, places in self.marked.items()},
            "visual_tokens": [token._asdict() for token in self.visual],
            "layers": [layer.as_dict() for layer in self.layers],
        }


@dataclass(frozen=True)
class Effect:
    """What leaving out a part did: the probabilities of the answers without it, and what was predicted then."""

    part: str
    kind: Kind
    after: tuple[float, ...]
    predicted: tuple[str, ...]


@dataclass(frozen=True)
class Explanation:
    """The explanation of one record's answers; ``effects`` are parallel to them, ``notes`` say what is not there."""

    query: Mapping[str, Any]
    question: str
    answers: tuple[Answer, ...]
    effects: tuple[Effect, ...]
    pictures: tuple[Picture, ...]
    passes: tuple[PassLooks, ...]
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as docs/explain.md describes them."""
        return {
            "query": self.query,
            "question": self.question,
            "answers": [
                {"name": one.name, "probability": one.probability, "predicted": one.predicted} for one in self.answers
            ],
            "left_out": [self._effect(effect) for effect in self.effects],
            "images": [picture.as_dict() for picture in self.pictures],
            "passes": [one.as_dict() for one in self.passes],
            "notes": [*self.notes],
        }

    def _effect(self, effect: Effect) -> dict[str, Any]:
        rows = zip(self.answers, effect.after, strict=True)
        changes = [
            {
                "name": one.name,
                "before": one.probability,
                "after": after,
                "delta": after - one.probability,
            }
            for one, after in rows
        ]
        return {"part": effect.part, "kind": effect.kind, "predicted": [*effect.predicted], "answers": changes}


def plain(values: np.ndarray) -> Any:
    """Nested lists of rounded numbers."""
    return values.astype(np.float64).round(DECIMALS).tolist()
