"""What the page of explanations shows of a record: small whole numbers, and images as part of the page."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from mkgc.explanations.explanation import Explanation, LayerLooks, PassLooks, Picture

STEPS = 9999
"""Weights and shares are told to the page as so many parts of 1."""


def page_record(name: str, one: Explanation) -> dict[str, Any]:
    """The record as the page's program reads it; the template escapes it."""
    return {
        "name": name,
        "question": one.question,
        "answers": [[answer.name, answer.probability, answer.predicted] for answer in one.answers],
        "effects": [[e.part, e.kind, [*e.after], [*e.predicted]] for e in one.effects],
        "pictures": [_picture(picture) for picture in one.pictures],
        "passes": [_pass(of_pass) for of_pass in one.passes],
        "notes": [*one.notes],
    }


def _picture(picture: Picture) -> dict[str, Any]:
    return {
        "name": f"{picture.group} {picture.name}",
        "rows": picture.rows,
        "columns": picture.columns,
        "address": data_address(picture.pixels),
    }


def data_address(pixels: UInt8[np.ndarray, "S S 3"]) -> str:
    """An image as an address that holds all of it."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return f"data:image/png;base64,{b64encode(file.getvalue()).decode()}"


def _pass(one: PassLooks) -> dict[str, Any]:
    return {
        "tokens": [*one.tokens],
        "marked": [[name, [*places]] for name, places in one.marked.items()],
        "visual": [[token.image, token.row, token.column] for token in one.visual],
        "layers": [_layer(layer) for layer in one.layers],
    }


def _layer(one: LayerLooks) -> dict[str, Any]:
    seen = one.images
    side = (
        None
        if seen is None
        else {
            "kind": seen.kind,
            "share": None if seen.share is None else _steps(seen.share),
            "text": _steps(seen.text),
        }
    )
    text = {"kind": one.text.kind, "rows": [*one.text.rows], "weights": _steps(one.text.weights)}
    return {"layer": one.layer, "text": text, "side": side}


def _steps(weights: np.ndarray) -> Any:
    return (weights * STEPS).round().astype(int).tolist()
