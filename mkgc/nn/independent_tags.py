"""Tags of words, each for itself: the softmax beside which a CRF is judged."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mkgc.batch import IGNORED
from mkgc.nn.crf import may_follow, repair_bio


class IndependentTags(nn.Module):
    """Loss, best tags and marginals where no tag depends on another: what :class:`mkgc.nn.crf.Crf` is without steps.

    With ``bio``, an I-X that continues nothing is decoded as B-X (:func:`mkgc.nn.crf.repair_bio`).

    Source: the softmax over each token's state of BERT (Devlin et al., 2019), section 5.3; conlleval reads tags so.
    """

    illegal_step: Bool[Tensor, "C C"]
    begin: Int[Tensor, " C"]

    def __init__(self, tags: Sequence[str], bio: bool = True) -> None:
        super().__init__()
        step = [[bio and not may_follow(before, tag) for tag in tags] for before in tags]
        begin = [tags.index(repair_bio([tag])[0]) if bio else i for i, tag in enumerate(tags)]
        self.register_buffer("illegal_step", torch.tensor(step), persistent=False)
        self.register_buffer("begin", torch.tensor(begin), persistent=False)

    def forward(
        self, emissions: Float[Tensor, "B W C"], tags: Int[Tensor, "B W"], mask: Bool[Tensor, "B W"]
    ) -> Float[Tensor, ""]:
        """The negative log-likelihood of the tags of a sentence, a mean over sentences with a word."""
        taught = tags.masked_fill(~mask, IGNORED)
        total = F.cross_entropy(emissions.float().mT, taught, ignore_index=IGNORED, reduction="sum")
        return total / mask[:, 0].sum().clamp(min=1)

    def decode(self, emissions: Float[Tensor, "B W C"], mask: Bool[Tensor, "B W"]) -> Int[Tensor, "B W"]:
        """The likeliest tag of each word, repaired, and :data:`IGNORED` where there is no word."""
        best = emissions.argmax(2)
        first, others = self.begin[best[:, :1]], best[:, 1:]
        others = torch.where(self.illegal_step[best[:, :-1], others], self.begin[others], others)
        return torch.cat([first, others], 1).masked_fill(~mask, IGNORED)

    def marginals(self, emissions: Float[Tensor, "B W C"], mask: Bool[Tensor, "B W"]) -> Float[Tensor, "B W C"]:
        """The probability of each tag at each word; zero where there is no word."""
        return emissions.float().softmax(2) * mask[..., None]
