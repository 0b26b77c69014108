"""Scene graphs: the objects that were detected in an image, and how they stand to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, as shares of an image's width and height."""


class SceneObject(NamedTuple):
    """A detected object: what it is called, where it lies, and how it looks."""

    name: str
    box: Box
    attributes: tuple[str, ...] = ()

    @property
    def phrase(self) -> str:
        """Its attributes and its name as words."""
        return " ".join((*self.attributes, self.name))


class SceneRelation(NamedTuple):
    """A triple of a scene graph; subject and object are numbers of objects."""

    subject: int
    predicate: str
    object: int


@dataclass(frozen=True)
class SceneGraph:
    """The objects of an image, the surest first, and the relations among them."""

    objects: tuple[SceneObject, ...] = ()
    relations: tuple[SceneRelation, ...] = ()

    def first(self, count: int) -> SceneGraph:
        """So many of the objects, and the relations that hold among these."""
        kept = tuple(r for r in self.relations if max(r.subject, r.object) < count)
        return SceneGraph(self.objects[:count], kept)


@runtime_checkable
class Depicted(Protocol):
    """An example whose image may have a scene graph."""

    @property
    def scene(self) -> SceneGraph | None: ...
