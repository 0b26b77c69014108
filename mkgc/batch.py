"""The frozen parts of a typed batch: text, images, scene graphs, knowledge; in masks, True means present."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

P = TypeVar("P", bound="Part")
R = TypeVar("R", bound="Rows")

IGNORED = -100
"""The label of what is not there, or not to be learned and scored: as PyTorch's losses have it."""

CHARACTERS = 257
"""How many numbers a character may have: 0 where there is none, and from 1 on the bytes of UTF-8."""


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, tuple):
        return tuple(_moved(part, device) for part in value)
    return value.to(device) if is_dataclass(value) and hasattr(value, "to") else value


@dataclass(frozen=True)
class Part:
    """A frozen record of tensors and other parts that moves between devices as one."""

    def to(self: P, device: torch.device) -> P:
        return replace(self, **{f.name: _moved(getattr(self, f.name), device) for f in fields(self)})


@dataclass(frozen=True)
class Shared(Part):
    """Which rows of a batch an encoder computes, and whose states each example has: decided when a batch is made.

    ``rows`` are examples whose inputs differ. Where states were computed before, ``states`` are those, padded, and
    ``mask`` is True where there is one; ``place`` is the row of each example among these states, then the computed.
    """

    rows: Int[Tensor, " U"]
    place: Int[Tensor, " B"]
    states: Float[Tensor, "K S D"] | None = None
    mask: Bool[Tensor, "K S"] | None = None


@dataclass(frozen=True)
class Rows(Part):
    """A part whose tensors have a row for each example."""

    shared: Shared | None = field(default=None, kw_only=True)

    def rows(self: R, rows: Int[Tensor, " n"]) -> R:
        """Some of the examples."""
        given = ((f.name, getattr(self, f.name)) for f in fields(self))
        chosen = {name: value[rows] for name, value in given if isinstance(value, Tensor)}
        return replace(self, shared=None, **chosen)


@dataclass(frozen=True)
class Text(Rows):
    """Token ids; ``mask`` is False at padding, ``segments`` are token types.

    Where tokens are more than a sequence, as in a sentence tree, ``positions`` count from 0 and may repeat, and
    ``visible[b, i, j]`` says whether token ``i`` may attend to token ``j``. ``features`` are added to the embeddings,
    through a projection that the encoder must have. ``governors`` are the positions of the tokens that others depend on
    in a parse of the sentence, -1 for a root and for what is no word.

    Encoders of words may read what a token is made of, ``characters`` (0 where there is none), and ``distances``, how
    many tokens it stands behind either of two mentions.
    """

    ids: Int[Tensor, "B T"]
    mask: Bool[Tensor, "B T"]
    segments: Int[Tensor, "B T"]
    positions: Int[Tensor, "B T"] | None = None
    visible: Bool[Tensor, "B T T"] | None = None
    features: Float[Tensor, "B T F"] | None = None
    governors: Int[Tensor, "B T"] | None = None
    characters: Int[Tensor, "B T C"] | None = None
    distances: Int[Tensor, "B T 2"] | None = None

    @property
    def attention_mask(self) -> Bool[Tensor, "B *Q T"]:
        """The attention mask: the same for all tokens, or a row for each where there is a visible matrix."""
        return self.mask if self.visible is None else self.mask[:, None] & self.visible


@dataclass(frozen=True)
class Knowledge(Rows):
    """Entities and relations around each text as nodes of a small graph.

    ``mask`` is False at padding; ``adjacency[b, i, j]`` says whether node ``i`` may attend to node ``j``, which no
    padding may and none may to padding. ``spans[b, m]`` is the half-open range of tokens of the mention of node ``m``:
    nodes that are mentioned come first, and a padded span is empty.
    """

    nodes: Int[Tensor, "B G"]
    mask: Bool[Tensor, "B G"]
    adjacency: Bool[Tensor, "B G G"]
    spans: Int[Tensor, "B M 2"]

    @property
    def mentioned(self) -> Bool[Tensor, "B M"]:
        """Where there is a mention."""
        return self.spans[..., 0] < self.spans[..., 1]


@dataclass(frozen=True)
class Scene(Rows):
    """The objects that were detected in the whole image of each example, and the relations among them.

    ``boxes`` are left, top, right and bottom as shares of the image; ``names`` and ``predicates`` are word pieces of
    phrases, -1 where there is none. ``relations[b, r]`` are the objects that are subject and object of relation ``r``,
    -1 where there is none.
    """

    boxes: Float[Tensor, "B O 4"]
    names: Int[Tensor, "B O N"]
    relations: Int[Tensor, "B R 2"]
    predicates: Int[Tensor, "B R M"]

    @property
    def detected(self) -> Bool[Tensor, "B O"]:
        """Where there is an object."""
        return self.boxes[..., 2] > self.boxes[..., 0]

    @property
    def related(self) -> Bool[Tensor, "B R"]:
        """Where there is a relation."""
        return self.relations[..., 0] >= 0


@dataclass(frozen=True)
class Images(Part):
    """One group of images of one size, packed: only images that exist have pixels.

    ``pixels`` are raw bytes (normalised on the device by the encoder) or floats that are normalised already.
    ``slots[b, i]`` is the row of ``pixels`` that is image ``i`` of example ``b``, or -1 where there is none. All groups
    of a batch have the same ``shared``, in which examples differ that show different images of any group; its states
    stand in the first group. Images of examples whose states are there have slots, but need no pixels.
    """

    group: str
    pixels: UInt8[Tensor, "P 3 S S"] | Float[Tensor, "P 3 S S"]
    slots: Int[Tensor, "B I"]
    shared: Shared | None = None

    def rows(self, rows: Int[Tensor, " n"]) -> Images:
        """Some of the examples' images."""
        return Images(self.group, self.pixels, self.slots[rows])


Input = Rows | Sequence[Images]
"""The part of a batch that an encoder reads."""


def shared_of(x: Input) -> Shared | None:
    """The rows of an input that the examples of a batch share, if any."""
    if isinstance(x, Rows):
        return x.shared
    return x[0].shared if x else None


def select(x: Input, rows: Int[Tensor, " n"]) -> Input:
    """Some rows of an input."""
    return x.rows(rows) if isinstance(x, Rows) else [group.rows(rows) for group in x]
