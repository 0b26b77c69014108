"""What is answered to a user's questions: rankings, how well a pair goes together, or vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mkgc.nn.directions import directions_together
from mkgc.nn.full_products import full_products
from tasks.retrieval.question import Question

Prompt = tuple[int, ...]
Vectors = Mapping[Any, Float[Tensor, " D"]]

NAMES = {"texts": "text", "labels": "label", "images": "image"}
"""What one of those is called that are ranked."""


def answer(
    question: Question,
    prompts: Mapping[Prompt, Float[Tensor, " D"]],
    images: Sequence[Float[Tensor, " D"] | None],
    scale: float,
    top_k: int | None,
) -> dict[str, Any]:
    """The answer to a question by the vectors of its prompts and of its images (None: it cannot be used).

    ``score`` is the cosine of two vectors, ``probability`` the share of a candidate among all that are ranked, at the
    temperature that was learned.
    """
    texts = [directions_together(torch.stack([prompts[ids] for ids in each])) for each in question.prompts]
    usable = [(name, one) for name, one in zip(question.names, images, strict=True) if one is not None]
    if not texts or not question.names:
        vectors = texts or [one for _, one in usable]
        return {"vector": vectors[0].tolist()} if vectors else {}
    if not usable:
        return {question.ranked: []} if question.ranked else {}
    if question.ranked is None:
        return {"score": float(full_products(texts[0], usable[0][1][None]))}
    names, candidates = zip(*usable, strict=True)
    if question.ranked == "images":
        return {"images": ranked("image", names, texts[0], torch.stack(candidates), scale, top_k)}
    what = NAMES[question.ranked]
    return {question.ranked: ranked(what, question.texts, candidates[0], torch.stack(texts), scale, top_k)}


def ranked(
    what: str,
    names: Sequence[str],
    query: Float[Tensor, " D"],
    candidates: Float[Tensor, "N D"],
    scale: float,
    top_k: int | None,
) -> list[dict[str, Any]]:
    """The candidates from the best on, all or as many as ``top_k``; of equal ones the first given comes first."""
    scores = full_products(query, candidates)
    probabilities = (scale * scores).softmax(0).tolist()
    order = scores.argsort(descending=True, stable=True).tolist()[:top_k]
    return [{what: names[i], "score": float(scores[i]), "probability": probabilities[i]} for i in order]
