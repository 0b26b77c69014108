"""Tags of words that mark spans, decoded by a CRF."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from mkgc.nn.crf import Crf


class SpanTagger(nn.Module):
    """Scores every tag for each state with one linear layer; ``crf`` reads losses and best paths off the scores.

    With ``bio``, the CRF knows which tags may follow which.

    Source: MKGformer (Chen et al., 2022), section 3.3.
    """

    def __init__(self, width: int, tags: Sequence[str], dropout: float = 0.1, bio: bool = True) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.emit = nn.Linear(width, len(tags))
        self.crf = Crf(tags, bio)

    def forward(self, states: Float[Tensor, "B S D"]) -> Float[Tensor, "B S C"]:
        return self.emit(self.dropout(states))
