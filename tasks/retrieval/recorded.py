"""What a test retrieved for each caption, for `mkgc.report`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Float64
from torch import Tensor

from mkgc.data.words import split_words
from mkgc.metrics.retrieval import Gallery, recall_ranks
from mkgc.nn.full_products import full_products
from mkgc.training.recorded import short
from tasks.retrieval.example import CaptionExample

TOLD = 5
"""Images whose scores are told."""


@dataclass(frozen=True)
class Tested:
    """A tested split, its ``names`` by the numbers of images, and the ranks of each text's image and image's text."""

    gallery: Gallery
    names: Mapping[int, str]
    scale: float
    text_ranks: Float64[Tensor, " T"]
    image_ranks: Float64[Tensor, " I"]

    @classmethod
    def of(cls, gallery: Gallery, names: Mapping[int, str], scale: float) -> Tested:
        texts, images, right = gallery.texts, gallery.images, gallery.right
        ranks = recall_ranks(texts, images, right), recall_ranks(images, texts, right.flip(1))
        return cls(gallery, names, scale, *ranks)

    def describe(self, examples: Sequence[CaptionExample], pairs: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
        """A line for each pair, by the numbers of its caption and its image.

        What is predicted of a caption is the image that stands first, its own where one of its images does; the
        probability is that among all images of the split.
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
            "retrieved": [{"image": self._name(i), "score": short(float(scores[i]))} for i in order],
        }

    def _name(self, place: int) -> str:
        return self.names[int(self.gallery.image_ids[place])]
