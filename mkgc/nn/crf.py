"""A linear-chain CRF that knows which BIO tags may follow which, over the words of a sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn
from torch.func import functional_call
from torchcrf import CRF

FORBIDDEN = -1e9
"""The score of a step that BIO forbids; finite, so that a product with a mask of 0 is 0."""


def may_follow(before: str, tag: str) -> bool:
    """Whether BIO lets ``tag`` follow ``before``; a sentence begins as if after ``O``."""
    return not tag.startswith("I-") or before in (tag, f"B-{tag[2:]}")


def repair_bio(tags: Sequence[str]) -> list[str]:
    """The tags with every I-X that continues nothing turned into B-X.

    Public data hold such tags, and a CRF that forbids them must not be taught them.

    >>> repair_bio(["O", "I-PER", "I-PER", "I-LOC"])
    ['O', 'B-PER', 'I-PER', 'B-LOC']
    """
    repaired: list[str] = []
    for tag in tags:
        legal = may_follow(repaired[-1] if repaired else "O", tag)
        repaired.append(tag if legal else f"B-{tag[2:]}")
    return repaired


def select_words(
    pieces: Shaped[Tensor, "B T *rest"], first: Bool[Tensor, "B T"]
) -> tuple[Shaped[Tensor, "B W *rest"], Bool[Tensor, "B W"]]:
    """What stands at the first piece of each word, packed to the left, and the mask of what is a word.

    ``W`` is the number of words of the longest sentence; behind the words of a shorter one stands anything.
    """
    counts = first.sum(1)
    width = int(counts.max())
    order = (~first).int().argsort(dim=1, stable=True)[:, :width]
    rows = torch.arange(len(first), device=first.device)[:, None]
    return pieces[rows, order], torch.arange(width, device=first.device) < counts[:, None]


class _Chain(CRF):
    """torchcrf's CRF with its methods behind ``forward``, where ``functional_call`` can lend it weights."""

    def forward(self, method: Callable[..., Any], *args: Any) -> Any:
        return method(self, *args)


class Crf(nn.Module):
    """Loss, best paths and marginals of a CRF over ``tags``; always in float32, under autocast too.

    With ``bio``, I-X follows B-X or I-X only. Loss, paths and marginals all obey, for a loss normalised over
    other paths than are decoded would train another model. Hence the tags that are taught must be legal,
    which :func:`repair_bio` makes them: an illegal path costs about 1e9. What is forbidden gets no gradient.

    Masks are True at words, which stand at the left (:func:`select_words`). A sentence without any word does
    not count in the loss and has an empty path.

    Source: Lafferty et al. (2001), as implemented by pytorch-crf.
    """

    illegal_start: Bool[Tensor, " C"]
    illegal_step: Bool[Tensor, "C C"]

    def __init__(self, tags: Sequence[str], bio: bool = True) -> None:
        super().__init__()
        self.chain = _Chain(len(tags), batch_first=True)
        start = [bio and not may_follow("O", tag) for tag in tags]
        step = [[bio and not may_follow(before, tag) for tag in tags] for before in tags]
        self.register_buffer("illegal_start", torch.tensor(start), persistent=False)
        self.register_buffer("illegal_step", torch.tensor(step), persistent=False)

    def forward(
        self, emissions: Float[Tensor, "B W C"], tags: Int[Tensor, "B W"], mask: Bool[Tensor, "B W"]
    ) -> Float[Tensor, ""]:
        """The negative log-likelihood of the tags, a mean over sentences; where masked, tags may be -100."""
        rows = mask.any(1)
        begun = F.pad(mask, (0, 0 if mask.shape[1] else 1))  # torchcrf wants a first word of each sentence
        begun[:, 0] = True
        missing = begun.shape[1] - mask.shape[1]
        known = F.pad(tags.masked_fill(~mask, 0), (0, missing))
        likely = self._run(CRF.forward, F.pad(emissions, (0, 0, 0, missing)), known, begun, "none")
        return -torch.where(rows, likely, 0).sum() / rows.sum().clamp(min=1)

    @torch.no_grad()
    def decode(self, emissions: Float[Tensor, "B W C"], mask: Bool[Tensor, "B W"]) -> list[list[int]]:
        """The best path of each sentence, one tag a word."""
        # On the CPU: torchcrf reads paths back number by number, and a GPU makes one wait for each.
        emissions, mask = emissions.cpu(), mask.cpu()
        rows = mask.any(1)
        paths = iter(self._run(CRF.decode, emissions[rows], mask[rows]) if rows.any() else ())
        return [next(paths) if row else [] for row in rows.tolist()]

    def marginals(self, emissions: Float[Tensor, "B W C"], mask: Bool[Tensor, "B W"]) -> Float[Tensor, "B W C"]:
        """The probability of each tag at each word, given the sentence; zero where there is no word.

        Source: the gradient of the log-partition function with respect to the emissions is exactly that.
        """
        out = torch.zeros_like(emissions, dtype=torch.float)
        rows = mask.any(1)
        if rows.any():
            # Lightning predicts in inference mode, whose tensors have no gradient: hence the copies.
            with torch.inference_mode(False), torch.enable_grad():
                inputs = emissions[rows].detach().float().clone().requires_grad_()
                time_first = inputs.transpose(0, 1), mask[rows].clone().transpose(0, 1)
                partition = self._run(CRF._compute_normalizer, *time_first)
                (gradient,) = torch.autograd.grad(partition.sum(), inputs)
            out[rows] = gradient
        return out

    def _run(self, method: Callable[..., Any], emissions: Tensor, *args: Any) -> Any:
        """One of torchcrf's methods with constrained weights, in float32, on the emissions' device."""
        chain = self.chain
        weights = {
            "start_transitions": chain.start_transitions.float().masked_fill(self.illegal_start, FORBIDDEN),
            "transitions": chain.transitions.float().masked_fill(self.illegal_step, FORBIDDEN),
            "end_transitions": chain.end_transitions.float(),
        }
        lent = {name: weight.to(emissions.device) for name, weight in weights.items()}
        with torch.autocast(emissions.device.type, enabled=False):
            return functional_call(chain, lent, (method, emissions.float(), *args))
