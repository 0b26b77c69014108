"""States that never change, kept by the input they were made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

Masked = tuple[Float[Tensor, "B S D"], Bool[Tensor, "B S"]]
"""States of several sequences, and where there is one."""


class KeptStates:
    """A memory of up to ``gib`` GiB of states; what no longer fits in is made anew each time."""

    def __init__(self, gib: float) -> None:
        self.room = int(gib * 2**30)
        self.states: dict[bytes, Float[Tensor, "S D"]] = {}

    def __call__(self, keys: Sequence[bytes], make: Callable[[list[int]], Masked], width: int = 0) -> Masked:
        """The states of each input, without gradients; ``make`` is asked for one row of each key that is new.

        What is masked is left out; the rest is padded to the longest, and at least to ``width``.
        """
        rows = {key: row for row, key in enumerate(keys) if key not in self.states}
        made = dict(zip(rows, _made(list(rows.values()), make), strict=True)) if rows else {}
        found = [made[key] if key in made else self.states[key] for key in keys]
        for key, state in made.items():
            self._keep(key, state)
        lengths = torch.tensor([len(state) for state in found], device=found[0].device)
        states = pad_sequence(found, batch_first=True)
        states = F.pad(states, (0, 0, 0, max(width - states.shape[1], 0)))
        return states, torch.arange(states.shape[1], device=states.device) < lengths[:, None]

    def _keep(self, key: bytes, state: Tensor) -> None:
        size = state.numel() * state.element_size()
        if size <= self.room:
            self.states[key] = state
            self.room -= size


def _made(rows: list[int], make: Callable[[list[int]], Masked]) -> list[Float[Tensor, "S D"]]:
    # Not in inference mode, where evaluation may be: its tensors could not be trained upon later.
    with torch.inference_mode(False), torch.no_grad():
        states, masks = make(rows)
        return [state[mask] for state, mask in zip(states, masks, strict=True)]
