"""Entity recognition: typed spans, right only if type and both ends are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor
from torchmetrics import Metric

from mkgc.batch import IGNORED
from mkgc.metrics import EmptyMetricError, MetricError, precision_recall_f1

Span = tuple[str, int, int]
"""Type, first word, and the word after the last."""


def bio_spans(tags: Sequence[str]) -> list[Span]:
    """The spans that tags mark, read strictly: only B begins one, only I of its type continues it.

    Source: seqeval (Nakayama, 2018), scheme IOB2 in strict mode.

    >>> bio_spans(["B-PER", "I-PER", "O", "I-LOC", "B-LOC", "I-PER"])
    [('PER', 0, 2), ('LOC', 4, 5)]
    """
    spans: list[Span] = []
    kind, start = None, 0
    for i, tag in enumerate([*tags, "O"]):
        prefix, _, name = tag.partition("-")
        if prefix == "I" and name == kind:
            continue
        if kind is not None:
            spans.append((kind, start, i))
        kind, start = (name, i) if prefix == "B" else (None, i)
    return spans


class SpanF1(Metric):
    """Precision, recall and F1 of spans, over all types (micro) and of each of ``types``.

    By convention precision is 0 where nothing was predicted, and recall where there is nothing to find
    (``support`` is 0).
    """

    full_state_update = False
    counts: Tensor  # per type: right, predicted, gold
    sentences: Tensor

    def __init__(self, types: Sequence[str]) -> None:
        super().__init__()
        self.types = tuple(types)
        self.add_state("counts", torch.zeros(len(self.types), 3, dtype=torch.long), "sum")
        self.add_state("sentences", torch.tensor(0), "sum")

    def update(self, predicted: Int[Tensor, "B W"], gold: Int[Tensor, "B L"]) -> None:
        """Adds the tags of some sentences, predicted and right.

        Tag 0 is O; B of the n-th type is 2 n + 1, and I is 2 n + 2. Where ``gold`` is -100 there is no word.

        Raises:
            MetricError: There are not as many predicted tags as right ones.
        """
        if predicted.shape != gold.shape:
            raise MetricError(f"{tuple(predicted.shape)} predicted tags and {tuple(gold.shape)} right ones differ")
        found, true = (tags.masked_fill(gold == IGNORED, 0) for tags in (predicted, gold))
        same = (found == true) & (span_ends(found) == span_ends(true))
        begin = 2 * torch.arange(len(self.types), device=gold.device) + 1
        starts, right = found[..., None] == begin, true[..., None] == begin
        self.counts += torch.stack([(starts & same[..., None]).sum((0, 1)), starts.sum((0, 1)), right.sum((0, 1))], 1)
        self.sentences += len(gold)

    def compute(self) -> dict[str, float]:
        """``precision``, ``recall``, ``f1`` and ``support`` (gold spans); of each type as ``PER/f1``.

        Raises:
            EmptyMetricError: There was no sentence.
        """
        if not self.sentences:
            raise EmptyMetricError("no span was scored: the split has no sentences")
        out = _measures(self.counts.sum(0))
        for kind, row in zip(self.types, self.counts, strict=True):
            out |= {f"{kind}/{name}": value for name, value in _measures(row).items()}
        return out


def span_ends(tags: Int[Tensor, "B W"]) -> Int[Tensor, "B W"]:
    """For each word that begins a span, the word after its last: the next that is no I behind a tag of its type."""
    width = tags.shape[1]
    kind = (tags + 1) // 2
    before = F.pad(kind[:, :-1], (1, 0))
    goes_on = (tags > 0) & (tags % 2 == 0) & (kind == before)
    stop = torch.where(goes_on, width, torch.arange(width, device=tags.device))
    after = F.pad(stop[:, 1:], (0, 1), value=width)
    return after.flip(1).cummin(1).values.flip(1)


def _measures(counts: Tensor) -> dict[str, float]:
    right, predicted, gold = counts.tolist()
    return precision_recall_f1(right, predicted, gold) | {"support": gold}
