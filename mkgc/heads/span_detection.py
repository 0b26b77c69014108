"""Entity span detection beside the tagging of types: where entities are, of states that have seen no image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mkgc.nn.crf import Crf

MARKS = ("O", "B-span", "I-span")


class SpanDetection(nn.Module):
    """Scores B, I and O at each word, with a CRF of its own, and converts these scores to scores of typed tags.

    The conversion matrix gives each mark's score to the tags that it may be, in equal shares: a B to all B-types.

    Source: UMT (Yu et al., ACL 2020), section 3.4; the matrix as in its released code (0.25 for each of four types),
    where half of a tag's final score is the converted one.
    """

    mark: Int[Tensor, " C"]
    conversion: Float[Tensor, "3 C"]

    def __init__(self, width: int, tags: Sequence[str], dropout: float = 0.1) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.emit = nn.Linear(width, len(MARKS))
        self.crf = Crf(MARKS)
        mark = torch.tensor(["OBI".index(tag[0]) for tag in tags])
        chosen = (mark == torch.arange(len(MARKS))[:, None]).float()
        self.register_buffer("mark", mark, persistent=False)
        self.register_buffer("conversion", chosen / chosen.sum(1, keepdim=True), persistent=False)

    def forward(self, states: Float[Tensor, "B S D"]) -> Float[Tensor, "B S 3"]:
        return self.emit(self.dropout(states))

    def converted(self, scores: Float[Tensor, "B S 3"], tags: Float[Tensor, "B S C"]) -> Float[Tensor, "B S C"]:
        """The scores of typed tags, half of them the converted ones of the marks."""
        return (tags + scores @ self.conversion) / 2

    def loss(
        self, scores: Float[Tensor, "B S 3"], tags: Int[Tensor, "B S"], mask: Bool[Tensor, "B S"]
    ) -> Float[Tensor, ""]:
        """The negative log-likelihood of the tags' marks, a mean over sentences."""
        return self.crf(scores, self.mark[tags.clamp(min=0)], mask)
