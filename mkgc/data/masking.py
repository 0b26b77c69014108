"""Masked language modelling: which pieces of a text are hidden, whole words at a time."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

import numpy as np
import rjieba

from mkgc.data.tokens import Tokenizer

MASKED, RANDOM = 0.8, 0.9
"""Of the pieces to be predicted, 80 % become [MASK], 10 % any piece, and 10 % stay."""

HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
"""A Chinese character, which texts have as a word of its own."""


class Hidden(NamedTuple):
    """The pieces of a text as a model reads them, and by its place what each hidden one is."""

    ids: list[int]
    targets: dict[int, int]


class WordMasking:
    """Hides a share of a text's words, each with all of its pieces.

    Source: BERT (Devlin et al., 2019), section 3.1 and appendix A.1; whole words as in its later released code, of
    Chinese as in Cui et al. (2021), "Pre-Training with Whole Word Masking for Chinese BERT".
    """

    def __init__(self, tokenizer: Tokenizer, share: float) -> None:
        self.tokenizer, self.share = tokenizer, share

    @cached_property
    def _any(self) -> list[int]:
        """The pieces that may stand in the place of another: all but control tokens."""
        return sorted({*range(self.tokenizer.size)} - self.tokenizer.controls)

    def hide(
        self,
        ids: Sequence[int],
        units: Sequence[int],
        whole: Set[int],
        apart: Set[int],
        random: np.random.Generator,
    ) -> Hidden:
        """Hides words of a text, as many as fit into the share of its pieces, but at least one.

        ``units`` has the number of each piece's word, -1 of marks. All pieces at the places ``whole`` become [MASK]
        beside that share; those at ``apart`` are left as they are.
        """
        chosen = self._choose(units, {*whole, *apart}, random)
        out, targets = list(ids), {place: ids[place] for place in (*whole, *chosen)}
        for place, drawn in zip(chosen, random.random(len(chosen)).tolist(), strict=True):
            if drawn < MASKED:
                out[place] = self.tokenizer.mask
            elif drawn < RANDOM:
                out[place] = self._any[random.integers(len(self._any))]
        for place in whole:
            out[place] = self.tokenizer.mask
        return Hidden(out, targets)

    def _choose(self, units: Sequence[int], without: Set[int], random: np.random.Generator) -> list[int]:
        words: dict[int, list[int]] = {}
        for place, unit in enumerate(units):
            if unit >= 0:
                words.setdefault(unit, []).append(place)
        free = [places for places in words.values() if without.isdisjoint(places)]
        room, chosen = max(1, round(self.share * sum(map(len, words.values())))), list[int]()
        if self.share:
            for word in random.permutation(len(free)).tolist():
                if not chosen or len(chosen) + len(free[word]) <= room:
                    chosen += free[word]
        return sorted(chosen)


def word_units(tokens: Sequence[str]) -> list[int]:
    """The number of the word that each token belongs to; Chinese characters that follow each other are cut into words.

    >>> word_units(["in", "北", "京", "的", "首", "都"])
    [0, 1, 1, 2, 3, 3]
    """
    units: list[int] = []
    for chinese, group in groupby(tokens, key=lambda token: HAN.fullmatch(token) is not None):
        run = list(group)
        sizes = map(len, rjieba.cut("".join(run))) if chinese else [1] * len(run)
        for size in sizes:
            units += [units[-1] + 1 if units else 0] * size
    return units
