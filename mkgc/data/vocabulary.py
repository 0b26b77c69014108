"""How a user's word is found among ids and names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property

from mkgc.data.near import NearTexts
from mkgc.errors import DataError


class Vocabulary:
    """Positions of entities or relations by id, by a name that only one has, or by such a synonym of one.

    ``synonyms`` are what else each is called, parallel to the ids: names in other languages, aliases.
    """

    def __init__(
        self, kind: str, ids: Sequence[str], names: Sequence[str], synonyms: Sequence[Sequence[str]] = ()
    ) -> None:
        self.kind = kind
        self._ids = {text: i for i, text in enumerate(ids)}
        self._named: dict[str, list[int]] = defaultdict(list)
        for i, name in enumerate(names):
            self._named[name].append(i)
        known = {*self._named}
        for i, further in enumerate(synonyms):
            for name in {*further} - known:  # whose own name it is counts more
                self._named[name].append(i)

    def find(self, wanted: str, place: str) -> int:
        """The position that an id or a name stands for.

        Raises:
            DataError: None has it, and the message names what is like it, or several; it begins with ``place``.
        """
        if wanted in self._ids:
            return self._ids[wanted]
        found = self._named.get(wanted, [])
        if len(found) != 1:
            said = (
                f"is unknown{self._near.suggest(wanted)}" if not found else f"names {len(found)} of them: give its id"
            )
            raise DataError(f"{place}: the {self.kind} '{wanted:.80}' {said}")
        return found[0]

    @cached_property
    def _near(self) -> NearTexts:
        return NearTexts((*self._named, *self._ids))
