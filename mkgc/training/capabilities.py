"""What some tasks can do, and others cannot: what a command needs of a task is asked by these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float, UInt8
from torch import Tensor

from mkgc.errors import ConfigError


@runtime_checkable
class GraphTask(Protocol):
    """A task that is asked of a graph, as far as others are not."""

    def exclude_known(self, features: Sequence[Any], source: Any) -> list[Any]:
        """The same questions, to be answered without what the model's own data set, its ``source``, knows."""

    def use_index(self, kind: str) -> None:
        """Lets answers be found by an index from now on.

        Raises:
            ConfigError: The model has nothing to be indexed.
        """

    def constrain(self, source: Any, kind: str | None) -> None:
        """Lets only entities be answers that fit, by what a data set says of their types; None: all, as they come.

        Raises:
            MkgcError: There is no such kind of constraint, or not with these data.
        """

    def use_language(self, language: str) -> None:
        """Lets answers call things by their names in a language from now on.

        Raises:
            ConfigError: The model knows no such names.
        """


def require_graph(task: object, asked: str) -> GraphTask:
    """The task as one that is asked of a graph.

    Raises:
        ConfigError: It is none; the message begins with what was ``asked`` of it.
    """
    if not isinstance(task, GraphTask):
        raise ConfigError(f"{asked} is for tasks that are asked of a graph, and this is none: leave it out")
    return task


@runtime_checkable
class PromptedTask(Protocol):
    """A task that classifies by sentences about classes, of which none needs to be learned."""

    def use_templates(self, asked: str | Sequence[str]) -> None:
        """Takes texts for names of classes from now on, in sentences of these templates, or of a language's.

        Raises:
            DataError: There are no such templates.
        """


@runtime_checkable
class RankingTask(Protocol):
    """A task that answers with the best of some: ``top_k`` of them, or all of them (None)."""

    top_k: int | None


@runtime_checkable
class EmbeddingTask(Protocol):
    """A task whose texts and images are vectors of one space, so that images can be indexed and searched."""

    @property
    def embedding_digest(self) -> str:
        """A digest of the weights and of the processor: vectors of one digest may be compared."""

    def embed_texts(self, texts: Sequence[str], size: int) -> Float[Tensor, "n D"]:
        """Unit vectors of texts, of which ``size`` go through the network at once; one that is too long is cut."""

    def embed_images(self, pixels: UInt8[Tensor, "n 3 S S"], size: int) -> Float[Tensor, "n D"]:
        """Unit vectors of images as :func:`mkgc.images.decode.read_image` makes them, in the processor's size and fit.

        They are bytes on the CPU, of which ``size`` go through the network at once.
        """


@runtime_checkable
class WordMatchingTask(Protocol):
    """A task whose words have vectors of their own in the space of texts and images."""

    def matched_words(self, text: str, images: Float[Tensor, "n D"]) -> list[list[tuple[str, float]]]:
        """For each image, the words of a text that are like it, the most alike first, with their cosines."""
