"""The head of the released MKGformer's entity recognition."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from mkgc.errors import CheckpointError
from mkgc.released.conversion import Orders, ReleasedTask

HEAD = {
    "fc.weight": "head.emit.weight",
    "fc.bias": "head.emit.bias",
    "crf.start_transitions": "head.crf.chain.start_transitions",
    "crf.end_transitions": "head.crf.chain.end_transitions",
    "crf.transitions": "head.crf.chain.transitions",
}


class ReleasedTagging(ReleasedTask):
    """A linear layer and a CRF whose states are ``tags``, in the order of the weights, between marks of their own."""

    mark = "crf.transitions"
    head = HEAD

    def __init__(self, tags: list[str]) -> None:
        self.tags = tags

    def arranged(self, state: Mapping[str, Tensor], model: Any, root: Path) -> tuple[Mapping[str, Tensor], Orders]:
        return reordered_states(state, self.tags, model.states), {}


def reordered_states(state: Mapping[str, Tensor], tags: list[str], ours: tuple[str, ...]) -> dict[str, Tensor]:
    """A released tagging head with its states in our order.

    The type that Twitter-2015 calls OTHER is MISC there.

    Raises:
        CheckpointError: A tensor is missing or of another shape, or the tags there and here are not the same.
    """
    if lost := [name for name in HEAD if name not in state]:
        raise CheckpointError(f"the weights lack {', '.join(lost)}: they are no whole tagger of MKGformer")
    if "B-OTHER" in ours and "B-MISC" not in ours:
        tags = [tag.replace("-MISC", "-OTHER") for tag in tags]
    theirs = ["PAD", *tags, "X", "[CLS]", "[SEP]"]
    shapes = {name: list(state[name].shape) for name in HEAD}
    if any(shape[:1] != [len(theirs)] for shape in shapes.values()) or len({*shapes["crf.transitions"]}) > 1:
        raise CheckpointError(f"the weights have states of the shapes {shapes}, and tags={tags} makes {len(theirs)}")
    if sorted(theirs) != sorted(ours):
        strange = sorted(set(theirs) ^ set(ours))
        raise CheckpointError(
            f"the weights have the states {theirs}, the data set {list(ours)}: not both have {strange}"
        )
    order = [theirs.index(name) for name in ours]
    rows = {name: state[name][order] for name in HEAD if name != "crf.transitions"}
    return {**state, **rows, "crf.transitions": state["crf.transitions"][order][:, order]}
