"""Words as tokens, each as a whole: for encoders that are not pretrained, and that may read a word's characters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import tokenizers
import torch
from jaxtyping import Int
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import WhitespaceSplit
from torch import Tensor

from mkgc.data.tokens import SPECIALS, Tokenizer
from mkgc.errors import ConfigError

LONGEST = 32
"""Bytes of a word that are read as its characters."""


def whole_words(texts: Iterable[str], vocab_size: int = 50000, min_count: int = 2, lowercase: bool = True) -> Tokenizer:
    """The words of the training texts that occur at least ``min_count`` times, up to ``vocab_size`` of them.

    All others are one unknown word, which training then meets, too: with the same aim, Lample et al. (2016), section
    4.3, replace half of what occurs once.

    Raises:
        ConfigError: There cannot be a vocabulary of that size.
    """
    if vocab_size < 1 or min_count < 1:
        raise ConfigError(f"size.tokenizer.vocab_size={vocab_size} and min_count={min_count} must be at least 1")
    counts = Counter(word for text in texts for word in (text.lower() if lowercase else text).split())
    known = sorted(
        (word for word, count in counts.items() if count >= min_count), key=lambda word: (-counts[word], word)
    )
    rows = [*SPECIALS, *(word for word in known if word not in SPECIALS)][: vocab_size + len(SPECIALS)]
    ids = {word: number for number, word in enumerate(rows)}
    backend = tokenizers.Tokenizer(WordLevel(ids, unk_token="[UNK]"))
    backend.pre_tokenizer = WhitespaceSplit()
    if lowercase:
        backend.normalizer = Lowercase()
    return Tokenizer(backend, len(ids), *(ids[token] for token in SPECIALS))


def spell(sentences: Sequence[Mapping[int, str]], length: int) -> Int[Tensor, "B T C"]:
    """The characters of the words that stand at given positions of sentences of ``length`` tokens; 0 elsewhere.

    Characters are bytes of UTF-8, so that none is unknown, whatever the script: in English, letters and marks.
    """
    spelled = [{place: _bytes(word) for place, word in words.items()} for words in sentences]
    width = max((len(word) for words in spelled for word in words.values()), default=1)
    nothing = [0] * width
    return torch.tensor(
        [
            [[*word, *nothing[len(word) :]] for word in (words.get(place, ()) for place in range(length))]
            for words in spelled
        ]
    )


@lru_cache(1 << 16)
def _bytes(word: str) -> tuple[int, ...]:
    return tuple(1 + byte for byte in word.encode("utf-8", "replace")[:LONGEST])
