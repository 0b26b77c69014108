"""A linear-chain CRF that knows which BIO tags may follow which, over the words of a sentence."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torchcrf import CRF

from mkgc.batch import IGNORED

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


class Crf(nn.Module):
    """Loss, best paths and marginals of a CRF over ``tags``; always in float32, under autocast too.

    With ``bio``, I-X follows B-X or I-X only. Loss, paths and marginals all obey, for a loss normalised over
    other paths than are decoded would train another model. Hence the tags that are taught must be legal,
    which :func:`repair_bio` makes them: an illegal path costs about 1e9. What is forbidden gets no gradient.

    Masks are True at words, which stand at the left; there is room for one word at least. A sentence without any word
    does not count in the loss.

    Source: Lafferty et al. (2001); the parameters are those of pytorch-crf.
    """

    illegal_start: Bool[Tensor, " C"]
    illegal_step: Bool[Tensor, "C C"]

    def __init__(self, tags: Sequence[str], bio: bool = True) -> None:
        super().__init__()
        self.chain = CRF(len(tags), batch_first=True)
        start = [bio and not may_follow("O", tag) for tag in tags]
        step = [[bio and not may_follow(before, tag) for tag in tags] for before in tags]
        self.register_buffer("illegal_start", torch.tensor(start), persistent=False)
        self.register_buffer("illegal_step", torch.tensor(step), persistent=False)

    def weights(self) -> tuple[Float[Tensor, " C"], Float[Tensor, "C C"], Float[Tensor, " C"]]:
        """The scores of a first tag, of a step and of a last tag, with what is forbidden made so."""
        chain = self.chain
        return (
            chain.start_transitions.float().masked_fill(self.illegal_start, FORBIDDEN),
            chain.transitions.float().masked_fill(self.illegal_step, FORBIDDEN),
            chain.end_transitions.float(),
        )

    def forward(
        self, emissions: Float[Tensor, "B W C"], tags: Int[Tensor, "B W"], mask: Bool[Tensor, "B W"]
    ) -> Float[Tensor, ""]:
        """The negative log-likelihood of the tags, a mean over sentences; where masked, tags may be anything."""
        likely = self.path_score(emissions, tags, mask) - self.log_partition(emissions, mask)
        rows = mask[:, 0]
        return -torch.where(rows, likely, 0).sum() / rows.sum().clamp(min=1)

    def path_score(
        self, emissions: Float[Tensor, "B W C"], tags: Int[Tensor, "B W"], mask: Bool[Tensor, "B W"]
    ) -> Float[Tensor, " B"]:
        """The score of each sentence's tags."""
        start, step, end = self.weights()
        tags = tags.masked_fill(~mask, 0)
        emitted = emissions.float().gather(2, tags[..., None])[..., 0].masked_fill(~mask, 0).sum(1)
        steps = step[tags[:, :-1], tags[:, 1:]].masked_fill(~mask[:, 1:], 0).sum(1)
        last = (mask.sum(1, keepdim=True) - 1).clamp(min=0)
        return start[tags[:, 0]] + emitted + steps + end[tags.gather(1, last)[:, 0]]

    def log_partition(self, emissions: Float[Tensor, "B W C"], mask: Bool[Tensor, "B W"]) -> Float[Tensor, " B"]:
        """The logarithm of the summed exponential scores of all paths."""
        _, _, end = self.weights()
        last = (mask.sum(1) - 1).clamp(min=0)[:, None, None].expand(-1, 1, len(end))
        return (self._forward_scores(emissions).gather(1, last)[:, 0] + end).logsumexp(1)

    def _forward_scores(self, emissions: Float[Tensor, "B W C"]) -> Float[Tensor, "B W C"]:
        """For each tag at each word, the log of the summed exponential scores of all paths that lead there.

        A step for each word, on vectors: to join pairs of steps as matrices takes fewer turns, but C times the work,
        and was 2 to 10 times slower on a CPU.
        """
        start, step, _ = self.weights()
        first, *others = emissions.float().unbind(1)
        scores = [start + first]
        for emitted in others:
            scores.append((scores[-1][:, :, None] + step).logsumexp(1) + emitted)
        return torch.stack(scores, 1)

    def _backward_scores(self, emissions: Float[Tensor, "B W C"], mask: Bool[Tensor, "B W"]) -> Float[Tensor, "B W C"]:
        """The same of all paths that go on from there; of a sentence's last word, the score of ending."""
        _, step, end = self.weights()
        scores = [end.expand(len(emissions), -1)]
        for word in range(emissions.shape[1] - 1, 0, -1):
            ahead = (step + (emissions[:, word].float() + scores[-1])[:, None]).logsumexp(2)
            scores.append(torch.where(mask[:, word, None], ahead, end))
        return torch.stack(scores[::-1], 1)

    @torch.no_grad()
    def decode(self, emissions: Float[Tensor, "B W C"], mask: Bool[Tensor, "B W"]) -> Int[Tensor, "B W"]:
        """The tags of each sentence's best path (Viterbi), and :data:`IGNORED` where there is no word."""
        start, step, end = self.weights()
        emissions = emissions.float()
        score, stay, pointers = start + emissions[:, 0], torch.arange(len(start), device=start.device), []
        for word in range(1, emissions.shape[1]):
            best, before = (score[:, :, None] + step + emissions[:, word, None]).max(1)
            score = torch.where(mask[:, word, None], best, score)
            pointers.append(torch.where(mask[:, word, None], before, stay))
        path = [(score + end).argmax(1, keepdim=True)]
        for before in reversed(pointers):
            path.append(before.gather(1, path[-1]))
        return torch.cat(path[::-1], 1).masked_fill(~mask, IGNORED)

    @torch.no_grad()
    def marginals(self, emissions: Float[Tensor, "B W C"], mask: Bool[Tensor, "B W"]) -> Float[Tensor, "B W C"]:
        """The probability of each tag at each word, given the sentence; zero where there is no word.

        Source: the forward-backward algorithm; Rabiner (1989), section III.
        """
        paths = self._forward_scores(emissions) + self._backward_scores(emissions, mask)
        return paths.softmax(2) * mask[..., None]
