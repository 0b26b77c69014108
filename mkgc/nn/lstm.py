"""A bidirectional LSTM over sequences that are filled up at their end."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


class BiLstm(nn.Module):
    """Two LSTMs, one of which reads each sequence from its end; a state is what both say of a place, joined.

    A sequence stands at the left, as ``mask`` says, and nothing behind it reaches its states: the second LSTM reads
    from the sequence's own end. Both take their steps together, as tensor programs: PyTorch's own module would be
    packed by lengths that the host has to know, and TorchDynamo does not compile it.

    Source: Hochreiter and Schmidhuber (1997) with forget gates, in PyTorch's order: input, forget, cell, output; read
    in both directions by Graves and Schmidhuber (2005). To forget little at first: Jozefowicz et al. (2015), section
    2.2.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.width = 2 * hidden
        self.input_weight = nn.Parameter(torch.empty(2, width, 4 * hidden))
        self.hidden_weight = nn.Parameter(torch.empty(2, hidden, 4 * hidden))
        self.bias = nn.Parameter(torch.zeros(2 * 4 * hidden))  # a vector, which is not decayed
        for weight in (self.input_weight, self.hidden_weight):
            nn.init.uniform_(weight, -(hidden**-0.5), hidden**-0.5)
        nn.init.ones_(self.bias.view(2, 4, hidden)[:, 1])

    def forward(self, states: Float[Tensor, "B S D"], mask: Bool[Tensor, "B S"]) -> Float[Tensor, "B S W"]:
        turned = turn(mask)
        both = torch.stack([states, _taken(states, turned)])
        gates = torch.einsum("kbsd,kdg->skbg", both, self.input_weight) + self.bias.view(2, 1, -1)
        hidden = cell = gates.new_zeros(*gates.shape[1:3], self.width // 2)
        out = []
        for gate in gates.unbind(0):
            entry, forget, new, leave = (gate + hidden @ self.hidden_weight).chunk(4, 2)
            cell = forget.sigmoid() * cell + entry.sigmoid() * new.tanh()
            hidden = leave.sigmoid() * cell.tanh()
            out.append(hidden)
        ahead, back = torch.stack(out, 2).unbind(0)
        return torch.cat([ahead, _taken(back, turned)], 2)

    def ends(self, states: Float[Tensor, "B S D"], mask: Bool[Tensor, "B S"]) -> Float[Tensor, "B W"]:
        """What either LSTM says when it has read all of a sequence."""
        out, hidden = self(states, mask), self.width // 2
        last = (mask.sum(1) - 1).clamp(min=0)[:, None, None].expand(-1, 1, hidden)
        return torch.cat([out[:, :, :hidden].gather(1, last)[:, 0], out[:, 0, hidden:]], 1)


def turn(mask: Bool[Tensor, "B S"]) -> Int[Tensor, "B S"]:
    """Where each place of a sequence goes when it is read from its end; what is behind it stays."""
    places = torch.arange(mask.shape[1], device=mask.device)
    return torch.where(mask, mask.sum(1, keepdim=True) - 1 - places, places)


def _taken(states: Float[Tensor, "B S D"], places: Int[Tensor, "B S"]) -> Float[Tensor, "B S D"]:
    return states.gather(1, places[..., None].expand_as(states))
