"""A bidirectional LSTM over words and what their characters say."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from mkgc.app.ranges import Count, PartialShare
from mkgc.batch import Text
from mkgc.encoders.base import Stream
from mkgc.encoders.words import WordEncoder
from mkgc.errors import ConfigError
from mkgc.nn.character_cnn import CharacterCnn
from mkgc.nn.character_lstm import CharacterLstm
from mkgc.nn.lstm import BiLstm


class RecurrentEncoder(WordEncoder):
    """CNN-BiLSTM, or with an LSTM over ``characters`` HBiLSTM: a word's vector and its characters', joined, are read.

    The field calls the second one hierarchical, as words are made of characters by the same kind of network.

    Source: Ma and Hovy (2016), sections 2.2 to 2.4, with a CNN over characters; Lample et al. (2016), sections 2.1 and
    4, with an LSTM. Both have a CRF above, and dropout on what the LSTM reads, the first also on what it says, and so
    here. Here the ends of a sentence are words, too, there is no hidden layer between LSTM and CRF (the second's
    section 5.1), and words have random vectors unless ``vectors`` are given.

    Raises:
        ConfigError: There is no such file of vectors.
    """

    def __init__(
        self,
        vocabulary: int,
        dim: Count = 100,
        hidden: Count = 100,
        dropout: PartialShare = 0.5,
        characters: CharacterCnn | CharacterLstm | None = None,
        vectors: str | None = None,
    ) -> None:
        super().__init__(vocabulary, dim, vectors, {"hidden": hidden, "dropout": dropout})
        self.characters = characters
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList([BiLstm(dim + (0 if characters is None else characters.width), hidden)])
        self.width = 2 * hidden

    def embedding_modules(self) -> list[nn.Module]:
        return [*super().embedding_modules(), *([] if self.characters is None else [self.characters])]

    def embed(self, text: Text) -> Stream:
        """A vector of each word, with dropout.

        Raises:
            ConfigError: The text has no characters, and these are to be read.
        """
        parts = [self.words(text.ids)]
        if self.characters is not None:
            if text.characters is None:
                raise ConfigError(
                    "this text encoder reads characters, and is given none: backbone.inputs must name them"
                )
            parts.append(self.characters(text.characters))
        return Stream(self.dropout(torch.cat(parts, 2)), text.mask)

    def run(self, x: Stream, start: int = 0, stop: int | None = None) -> Stream:
        for layer in self.layers[start:stop]:
            x = Stream(self.dropout(layer(x.states, x.mask)), x.mask)
        return x

    def architecture_config(self) -> dict[str, Any]:
        node = super().architecture_config()
        if self.characters is None:
            return node
        kind = type(self.characters)
        return node | {"characters": {"_target_": f"{kind.__module__}.{kind.__qualname__}", **self.characters.sizes}}
