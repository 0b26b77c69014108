"""Words of texts, and how often each stands there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Literal

import numpy as np
import rjieba

from mkgc.data.linking import EntityLinker
from mkgc.data.masking import HAN

Segmenter = Literal["jieba", "dictionary"]
"""How a text is cut: by jieba, or into the longest words of a dictionary."""


def count_words(texts: Iterable[str], dictionary: Collection[str], segmenter: Segmenter) -> Counter[str]:
    """How often each word of some texts stands there; only Chinese characters are counted as words by jieba.

    With the dictionary, words are those of it alone.
    """
    if segmenter == "dictionary":
        names = sorted(dictionary)
        linker = EntityLinker(names, np.arange(len(names)), names)
        return Counter(found.entity for text in texts for found in linker.link(text))
    words = (word for text in texts for word in rjieba.cut(text, False))  # nothing guessed
    return Counter(word for word in words if all(HAN.fullmatch(letter) for letter in word))
