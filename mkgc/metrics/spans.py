"""Entity recognition: typed spans, right only if type and both ends are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

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

    def update(self, predicted: Sequence[Sequence[str]], gold: Sequence[Sequence[str]]) -> None:
        """Adds the tags of some sentences, predicted and right.

        Raises:
            MetricError: There are not as many predicted tags as right ones, or a span has an unknown type.
        """
        lengths = [len(tags) for tags in predicted], [len(tags) for tags in gold]
        if lengths[0] != lengths[1]:
            raise MetricError(f"sentences of {lengths[0]} predicted tags and {lengths[1]} right ones do not match")
        found, true = _numbered(predicted), _numbered(gold)
        columns = [self._count(spans) for spans in (found & true, found, true)]
        self.counts += torch.tensor(columns, device=self.counts.device).T
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

    def _count(self, spans: Iterable[tuple[int, Span]]) -> list[int]:
        """How many of the spans there are of each type."""
        counts = dict.fromkeys(self.types, 0)
        for _, (kind, _, _) in spans:
            if kind not in counts:
                raise MetricError(f"span of type '{kind}': the types are {', '.join(self.types)}")
            counts[kind] += 1
        return list(counts.values())


def _numbered(sentences: Sequence[Sequence[str]]) -> set[tuple[int, Span]]:
    return {(i, span) for i, tags in enumerate(sentences) for span in bio_spans(tags)}


def _measures(counts: Tensor) -> dict[str, float]:
    right, predicted, gold = counts.tolist()
    return precision_recall_f1(right, predicted, gold) | {"support": gold}
