"""A convolution over words and how far they stand from two mentions."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mkgc.app.ranges import Count, PartialShare
from mkgc.batch import Text
from mkgc.encoders.base import Stream
from mkgc.encoders.words import WordEncoder
from mkgc.errors import ConfigError


class ConvolutionalEncoder(WordEncoder):
    """The encoder of PCNN: word and position embeddings, then filters over windows of words.

    A position embedding is a row for each distance from a mention, one table for either mention; words further away
    than ``reach`` are as far as that. What PCNN does next, a maximum for each filter in each of the three pieces into
    which mentions cut a sentence, is :func:`mkgc.nn.piecewise.piecewise_max`.

    Source: Zeng et al. (2015), sections 3.1 and 3.2; sizes are their section 4.2. Here the ends of a sentence are
    words, too, distances are from a mention's first word, and words have random vectors unless ``vectors`` are given.

    Raises:
        ConfigError: The window has no middle, or there is no such file of vectors.
    """

    def __init__(
        self,
        vocabulary: int,
        dim: Count = 50,
        distance_dim: Count = 5,
        reach: Count = 60,
        filters: Count = 230,
        window: Count = 3,
        dropout: PartialShare = 0.0,
        vectors: str | None = None,
    ) -> None:
        sizes = {"distance_dim": distance_dim, "reach": reach, "filters": filters, "window": window, "dropout": dropout}
        super().__init__(vocabulary, dim, vectors, sizes)
        if window % 2 == 0:
            raise ConfigError(f"backbone.text.window={window}: an odd number of words, so that one is in the middle")
        self.reach, self.width = reach, filters
        self.dropout = nn.Dropout(dropout)
        self.distance_embeddings = nn.ModuleList(nn.Embedding(2 * reach + 1, distance_dim) for _ in range(2))
        self.layers = nn.ModuleList([nn.Conv1d(dim + 2 * distance_dim, filters, window, padding=window // 2)])

    def embedding_modules(self) -> list[nn.Module]:
        return [*super().embedding_modules(), self.distance_embeddings]

    def embed(self, text: Text) -> Stream:
        """The vector of each word and of its distances, joined; zeros where there is none.

        Raises:
            ConfigError: The text has no distances.
        """
        if text.distances is None:
            raise ConfigError("this text encoder reads distances, and is given none: backbone.inputs must name them")
        states = torch.cat([self.words(text.ids), *self._placed(text.distances)], 2)
        return Stream(self.dropout(states) * text.mask[..., None], text.mask)

    def _placed(self, distances: Int[Tensor, "B T 2"]) -> list[Float[Tensor, "B T E"]]:
        rows = distances.clamp(-self.reach, self.reach) + self.reach
        return [table(rows[..., mention]) for mention, table in enumerate(self.distance_embeddings)]

    def run(self, x: Stream, start: int = 0, stop: int | None = None) -> Stream:
        for layer in self.layers[start:stop]:
            x = Stream(layer(x.states.mT).mT, x.mask)
        return x
