"""What is asked of a task whose predictions are to be explained: passes, answers, and parts that can be left out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from mkgc.data.context import KnowledgeContext
from mkgc.data.processor import Processor
from mkgc.data.sentences import SentenceProcessor
from mkgc.errors import ConfigError

if TYPE_CHECKING:
    from mkgc.training.task import Task

Kind = Literal["image", "images", "node", "nodes", "text"]


@dataclass(frozen=True)
class Pass:
    """One text with its images, as the network reads it; ``tokens`` are the names of its tokens, in order.

    ``features`` are what the task's processor makes batches of; they have ``images``.
    """

    features: Any
    tokens: tuple[str, ...]


@dataclass(frozen=True)
class Slot:
    """The place of an image in a pass: its group, and its number in the group."""

    group: str
    number: int


@dataclass(frozen=True)
class Part:
    """Something that can be left out: positions of ``tokens`` and of a graph's ``nodes``, and places of ``images``, by
    the number of the pass."""

    name: str
    kind: Kind = "text"
    tokens: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    images: Mapping[int, tuple[Slot, ...]] = field(default_factory=dict)
    nodes: Mapping[int, tuple[int, ...]] = field(default_factory=dict)

    @property
    def passes(self) -> list[int]:
        """The passes that it is a part of."""
        return sorted({*self.tokens, *self.images, *self.nodes})


@dataclass(frozen=True)
class Answer:
    """Something that may be answered, with its probability; ``key`` is what the task knows it by."""

    name: str
    probability: float
    predicted: bool
    key: Any = field(default=None, compare=False)


@dataclass(frozen=True)
class Shown:
    """A pass whose attention is shown, and the tokens of it that matter most, by what they are."""

    number: int
    marked: Mapping[str, tuple[int, ...]]


class TaskExplainer(ABC):
    """What a task says of a record's features for an explanation.

    A record is read in one pass or in several; what :meth:`read` makes of all of them gives the answers.
    """

    @abstractmethod
    def question(self, item: Any) -> str:
        """What is asked, in words."""

    @abstractmethod
    def passes(self, item: Any) -> list[Pass]:
        """The passes in which a record is read."""

    @abstractmethod
    def read(self, batch: Any) -> list[Any]:
        """What the network says of each pass of a batch, which :meth:`answers` and :meth:`probability` understand."""

    @abstractmethod
    def answers(self, item: Any, read: Sequence[Any]) -> list[Answer]:
        """The answers to a record, those that are predicted first, then others that might have been."""

    @abstractmethod
    def probability(self, item: Any, read: Sequence[Any], answer: Answer) -> float:
        """The probability of an answer by another reading of the same passes."""

    @abstractmethod
    def texts(self, item: Any, answers: Sequence[Answer]) -> list[Part]:
        """The parts of a record's text that can be left out."""

    @abstractmethod
    def shown(self, item: Any, answers: Sequence[Answer]) -> list[Shown]:
        """The passes whose attention explains the answers."""


@runtime_checkable
class ExplainableTask(Protocol):
    """A task whose predictions can be explained."""

    def explainer(self) -> TaskExplainer:
        """What it says of records for an explanation."""


def require_explainable(task: Task) -> TaskExplainer:
    """The explainer of a task whose model looks at text and at images, or at a graph.

    Raises:
        ConfigError: It has none, or its model looks at neither.
    """
    name = type(task).__name__
    if not isinstance(task, ExplainableTask):
        raise ConfigError(
            f"the checkpoint's model, {name} over {type(task.backbone).__name__}, does not read a record's text and "
            "images, so there is nothing in it to explain: give one of backbone=mkgformer, say"
        )
    inputs = task.metadata.get("config", {}).get("backbone", {}).get("inputs", ["images"])
    left_out = getattr(task.backbone, "side", task.backbone) is None  # where no text state would depend on it
    if not left_out and graph_of(task.processor) is not None:
        return task.explainer()
    if left_out or "images" not in inputs or not task.processor.settings.images:
        raise ConfigError(
            f"the checkpoint's model, {name}, looks at no images (text_only, caf=false, or no data.images): there is "
            "no attention between text and images to explain"
        )
    return task.explainer()


def graph_of(processor: Processor) -> KnowledgeContext | None:
    """The graph that a processor's texts are read with, if any."""
    return processor.knowledge if isinstance(processor, SentenceProcessor) else None
