"""Answers to what was left out of texts, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from jaxtyping import Float
from torch import Tensor

from mkgc.data.examples import Span
from mkgc.data.hidden import HiddenPieces


def fill_words(
    answers: Sequence[dict[str, Any]],
    probabilities: Float[Tensor, "K V"],
    hidden: HiddenPieces,
    width: int,
    pieces: Sequence[str],
) -> None:
    """Adds to each answer the most probable piece at each hidden place of its text, with its probability."""
    best = probabilities.max(-1)
    for answer in answers:
        answer["words"] = []
    for place, score, piece in zip(hidden.places.tolist(), best.values.tolist(), best.indices.tolist(), strict=True):
        answers[place // width]["words"].append({"predicted": pieces[piece], "score": score})


def gather_words(
    told: Sequence[Mapping[str, Any]], spans: Sequence[Span], asked: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The pieces of each hidden span together, with what is asked there; the score is the probability of all."""
    rest, out = iter(told), []
    for span, one in zip(spans, asked, strict=True):
        pieces = [next(rest) for _ in range(*span)]
        score = prod(piece["score"] for piece in pieces)
        out.append({**one, "predicted": [piece["predicted"] for piece in pieces], "score": score})
    return out
