"""Text encoders that read words, each as one token, and learn all from a task, but vectors of words that are given."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mkgc.data.word_vectors import read_vectors
from mkgc.encoders.base import Encoder
from mkgc.errors import ConfigError
from mkgc.nn.embeddings import ExtendedEmbedding
from mkgc.terminal import say

CLASSES = ("mkgc.encoders.recurrent.RecurrentEncoder", "mkgc.encoders.convolutional.ConvolutionalEncoder")
"""The classes that a configuration names to have an encoder of words."""


class WordEncoder(Encoder):
    """The embedding of words, drawn at random, or with rows of a file of ``vectors`` (:meth:`load_vectors`).

    ``sizes`` are the numbers that build the encoder again.

    Source: the spread is that of Ma and Hovy (2016), section 3.1.
    """

    def __init__(self, vocabulary: int, dim: int, vectors: str | None, sizes: Mapping[str, Any]) -> None:
        super().__init__()
        check_vectors(vectors)
        self.vectors, self.sizes = vectors, {"dim": dim, **sizes}
        self.word_embeddings: nn.Embedding | ExtendedEmbedding = nn.Embedding(vocabulary, dim)
        spread = math.sqrt(3 / dim)
        nn.init.uniform_(self.words.weight, -spread, spread)

    @property
    def words(self) -> nn.Embedding | ExtendedEmbedding:
        """The token embedding."""
        return self.word_embeddings

    def add_tokens(self, new_tokens: dict[str, int]) -> ExtendedEmbedding:
        """Adds tables of new tokens behind the vocabulary and returns the joint embedding."""
        if isinstance(self.word_embeddings, ExtendedEmbedding):
            raise ConfigError("the text encoder has been given new tokens already")
        self.word_embeddings = extended = ExtendedEmbedding(self.word_embeddings, new_tokens)
        return extended

    @property
    def learns_tokens(self) -> bool:
        """Embeddings that nothing has pretrained learn with the rest: no states of texts are kept."""
        return True

    @torch.no_grad()
    def load_vectors(self, words: Sequence[str]) -> None:
        """Gives each of the vocabulary's ``words`` its vector in the file, as far as that has it.

        Raises:
            DataError: The file cannot be read, or its vectors are of another width.
        """
        if self.vectors is None:
            return
        rows, values = read_vectors(Path(self.vectors), words, self.words.weight.shape[1])
        table: Tensor = self.words.weight
        table[rows] = values
        say(f"{self.vectors}: vectors of {len(rows):,} of {len(words):,} words; the others begin at random")

    def embedding_modules(self) -> list[nn.Module]:
        return [self.word_embeddings]

    def architecture_config(self) -> dict[str, Any]:
        kind = type(self)
        return {"_target_": f"{kind.__module__}.{kind.__qualname__}", **self.sizes}


def check_vectors(vectors: str | None) -> None:
    """Checks that a file of vectors is there.

    Raises:
        ConfigError: It is not.
    """
    if vectors is not None and not Path(vectors).is_file():
        raise ConfigError(
            f"backbone.text.vectors={vectors}: there is no such file of word vectors (GloVe's or word2vec's text)"
        )
