"""The head of the released MKGformer's relation extraction."""

from __future__ import annotations

from mkgc.released.conversion import ReleasedTask


class ReleasedRelations(ReleasedTask):
    """One linear layer."""

    mark = "classifier.weight"
    head = {
        "classifier.weight": "head.classifier.weight",
        "classifier.bias": "head.classifier.bias",
    }
