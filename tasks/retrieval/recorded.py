"""What a test retrieved for each caption, for `mkgc.report`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from mkgc.data.words import split_words
from mkgc.metrics.retrieval import RECALLS, Gallery, recall_ranks
from mkgc.nn.full_products import full_products
from mkgc.training.recorded import short
from tasks.retrieval.example import CaptionExample

TOLD = 5
"""Images whose scores are told."""


@dataclass(frozen=True)
class Tested:
    """A tested split, its ``names`` by the numbers of images, and the ranks of each text's image and image's text.

    ``first_images`` are the places of the first image of each text, ``first_texts`` those of the first text of each
    image.
    """

    gallery: Gallery
    names: Mapping[int, str]
    scale: float
    text_ranks: Float64[Tensor, " T"]
    image_ranks: Float64[Tensor, " I"]
    first_images: Int[Tensor, " T"]
    first_texts: Int[Tensor, " I"]

    @classmethod
    def of(cls, gallery: Gallery, names: Mapping[int, str], scale: float) -> Tested:
        texts, images, right = gallery.texts, gallery.images, gallery.right
        ways = ((texts, images, right), (images, texts, right.flip(1)))
        ranks, first = [recall_ranks(*way) for way in ways], [_first(way[2], len(way[0])) for way in ways]
        return cls(gallery, names, scale, *ranks, *first)

    def describe(self, examples: Sequence[CaptionExample], pairs: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
        """A line for each pair, by the numbers of its caption and its image.

        What is predicted of a caption is the image that stands first, its own where one of its images does; the
        probability is that among all images of the split. Figures of a caption stand on the line of one of its images,
        and likewise those of an image.
        """
        texts, images = ({int(n): i for i, n in enumerate(ids)} for ids in (self.gallery[2], self.gallery[3]))
        places = [(texts[text], images[image]) for text, image in pairs]
        scores = full_products(self.gallery.texts[[text for text, _ in places]], self.gallery.images)
        return [self._line(*row) for row in zip(examples, places, scores, strict=True)]

    def _line(self, example: CaptionExample, place: tuple[int, int], scores: Float[Tensor, " I"]) -> dict[str, Any]:
        text, image = place
        rank, probabilities = float(self.text_ranks[text]), (self.scale * scores).softmax(0)
        order = scores.argsort(descending=True, stable=True)[:TOLD].tolist()
        right = {int(one) for one in self.gallery.right[self.gallery.right[:, 0] == text, 1]}
        found = image if rank <= 1 else next((i for i in order if i not in right), order[0])
        return {
            "text": example.text,
            "tokens": [*split_words(example.text).words],
            "gold": example.image,
            "predicted": self._name(found),
            "score": short(float(probabilities[found])),
            "gold_score": short(float(probabilities[image])),
            "counts": [int(rank <= 1), 1, 1],
            "rank": rank,
            "image_rank": float(self.image_ranks[image]),
            "figures": self._figures(text, image),
            "retrieved": [{"image": self._name(i), "score": short(float(scores[i]))} for i in order],
        }

    def _figures(self, text: int, image: int) -> dict[str, float]:
        """Those of the caption, if the image is the first of its own, and those of the image, likewise."""
        t2i = self.text_ranks[text] if image == self.first_images[text] else None
        i2t = self.image_ranks[image] if text == self.first_texts[image] else None
        ranks = {"t2i": t2i, "i2t": i2t}
        return {f"{way}_R@{k}": float(rank <= k) for way, rank in ranks.items() if rank is not None for k in RECALLS}

    def _name(self, place: int) -> str:
        return self.names[int(self.gallery.image_ids[place])]


def _first(right: Int[Tensor, "P 2"], count: int) -> Int[Tensor, " n"]:
    """The place of the first candidate that is right for each of so many queries."""
    last = right.new_full((count,), torch.iinfo(right.dtype).max)
    return last.scatter_reduce(0, right[:, 0], right[:, 1], "amin")
