"""Ids and names that a mistyped one may stand for."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

import numpy as np
from jaxtyping import UInt8

BUCKETS = 64
"""Characters are counted by their code points modulo this."""

SHORTLIST = 50
"""Texts that are compared character by character with what is looked for."""

MOST = 3
"""Texts that are named."""

ALIKE = 0.6
"""The share of characters that two texts have in common in the same order, from which they are much alike."""


class NearTexts:
    """Texts as counts of their characters, among which those most like another are found.

    Of a million, counting takes 3 s of processor time, and each search 0.2 s. Case and outer spaces do not count.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self.texts = [*dict.fromkeys(texts)]
        self._folded = [*map(_folded, self.texts)]
        self._counts = _counts(self._folded)

    def find(self, wanted: str, least: float = ALIKE) -> list[str]:
        """The texts that are ``least`` as much like another one, the most like first; a number is like none."""
        folded = _folded(wanted)
        if not self.texts or folded.isdecimal():
            return []
        mine = _counts([folded])
        distance = (np.maximum(self._counts, mine) - np.minimum(self._counts, mine)).sum(1, dtype=np.int64)
        rows = np.argsort(distance, kind="stable")[:SHORTLIST].tolist()
        originals = {self._folded[row]: self.texts[row] for row in reversed(rows)}
        return [originals[text] for text in get_close_matches(folded, originals, MOST, least)]

    def suggest(self, wanted: str) -> str:
        """The end of a message about an unknown text: ``; did you mean 'France'?``, or nothing if none is like it."""
        quoted = [f"'{text:.80}'" for text in self.find(wanted)]
        listed = " or ".join(filter(None, (", ".join(quoted[:-1]), *quoted[-1:])))
        return f"; did you mean {listed}?" if listed else ""


def suggest(wanted: str, known: Collection[str]) -> str:
    """:meth:`NearTexts.suggest`, of texts that are asked once.

    >>> suggest("boarders", ["borders", "speaks"])
    "; did you mean 'borders'?"
    >>> suggest("speeks ", ["speaks", "peaks", "borders"])
    "; did you mean 'speaks' or 'peaks'?"
    """
    return NearTexts(known).suggest(wanted)


def _folded(text: str) -> str:
    return text.strip().casefold()


def _counts(texts: list[str]) -> UInt8[np.ndarray, "n _"]:
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    rows = np.repeat(np.arange(len(texts)), [*map(len, texts)])
    counts = np.zeros((len(texts), BUCKETS), np.uint8)
    np.add.at(counts, (rows, codes % BUCKETS), 1)
    return counts
