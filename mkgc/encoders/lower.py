"""The lower part of an encoder, which may be left as it was pretrained: it then runs once for each input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from mkgc.nn.kept import KeptStates, Masked


class Lower:
    """The layers below the uppermost ``trained`` ones, with the embeddings; None has no such part.

    They learn nothing and drop nothing out, so up to ``keep`` GiB of what they make of an input is kept.
    """

    def __init__(self, encoder: Any, trained: int | None, keep: float) -> None:
        self.encoder = encoder
        self.frozen = trained is not None
        self.count = max(len(encoder.layers) - trained, 0) if trained is not None else 0
        self.parts: list[nn.Module] = encoder.freeze(self.count) if self.frozen else []
        self.kept = KeptStates(keep)

    def rest(self) -> None:
        """Ends dropout in this part, whatever mode the rest is in."""
        for part in self.parts:
            part.eval()

    def states(
        self,
        keys: Callable[[], Sequence[bytes]],
        embed: Callable[[list[int]], Masked],
        size: int,
        keep: bool,
        width: int = 0,
    ) -> Masked:
        """States behind this part for ``size`` inputs, of which ``embed`` embeds some and ``keys`` tells them apart."""

        def make(rows: list[int]) -> Masked:
            states, mask = embed(rows)
            return self._through(states, mask), mask

        return self.kept(keys(), make, width) if self.frozen and keep else make(list(range(size)))

    def _through(self, states: Tensor, mask: Tensor) -> Tensor:
        for layer in self.encoder.layers[: self.count]:
            states = layer.feed(layer.attend(states, mask).state)
        return states
