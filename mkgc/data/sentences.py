"""Labelled sentences, whatever their file format: what the tasks over sentences share on the way to items."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from mkgc.data.cutting import note_cuts
from mkgc.data.dataset import Dataset
from mkgc.data.examples import Sentences
from mkgc.data.formats import chosen
from mkgc.data.formats.files import note_unmatched
from mkgc.data.formats.locate import find_unnamed
from mkgc.data.processor import Processor
from mkgc.data.settings import DataSettings
from mkgc.data.subsets import cut_sentences
from mkgc.data.tokens import Tokenizer
from mkgc.errors import ConfigError, DataError
from mkgc.images.policy import load_images
from mkgc.inspect.report import Finding


class SentenceFormat(NamedTuple):
    """How a format is read: the examples of a split with the named groups of images, and all labels in order."""

    examples: Callable[[Path, str, Collection[str]], Sequence[Any]]
    labels: Callable[[Path], tuple[str, ...]]


class SentenceProcessor(Processor):
    """Encodes sentences with labels from a fixed set; ``kind`` is what the field calls a label."""

    kind: ClassVar[str]

    def __init__(self, tokenizer: Tokenizer, labels: tuple[str, ...], settings: DataSettings) -> None:
        self.tokenizer, self.labels, self.settings = tokenizer, labels, settings

    @abstractmethod
    def encode(self, example: Any) -> Any:
        """The item of an example."""

    def named(self) -> dict[str, Sequence[str]]:
        return {"word piece": self.tokenizer.names, self.kind: self.labels}

    def state(self) -> dict[str, Any]:
        return {
            "tokenizer": self.tokenizer.state(),
            "labels": list(self.labels),
            "settings": self.settings.carried(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> SentenceProcessor:
        tokenizer = Tokenizer.from_state(state["tokenizer"])
        return cls(tokenizer, tuple(state["labels"]), DataSettings.from_carried(state["settings"]))


def read_source(settings: DataSettings, formats: Mapping[str, SentenceFormat]) -> Sentences:
    """What is in the files of the data set that ``settings`` name.

    Raises:
        ConfigError: The task has no such format.
        DataError: A file is missing or a line malformed.
    """
    root, form = Path(settings.root), chosen(formats, settings.format)
    examples = {split: form.examples(root, split, tuple(settings.images)) for split in Processor.splits}
    read = [example.images for part in examples.values() for example in part]
    whole = [path for images in read for path in images.get("image", ())]
    unnamed = find_unnamed((path for images in read for paths in images.values() for path in paths), whole)
    return Sentences(form.labels(root), examples, note_unmatched(unnamed, root, "no sentence names"))


def note_silent(source: Sentences, scored: Callable[[Any], bool], what: str) -> tuple[Finding, ...]:
    """A warning for each of dev and test in which there is nothing to find."""
    return tuple(
        Finding("warning", f"no example of {split} has {what}: its F1 is 0, whatever is predicted")
        for split, part in source.splits.items()
        if split != "train" and not any(map(scored, part))
    )


def read_sentences(
    source: Sentences,
    settings: DataSettings,
    make: Callable[[Tokenizer, tuple[str, ...], DataSettings], SentenceProcessor],
    tokenizer: Callable[[Iterable[str]], Tokenizer] | None,
    processor: SentenceProcessor | None,
) -> Dataset:
    """The data set encoded for a trained model's ``processor`` or for the new one that ``make`` makes.

    Raises:
        ConfigError: There is no tokenizer, as the backbone reads no text.
        DataError: Too few images are usable, or the trained model does not know a label.
    """
    used = {**source.splits, "train": cut_sentences(source.splits["train"], settings)}
    examples, store, coverage = load_images(used, settings)
    if processor is None:
        if tokenizer is None:
            raise ConfigError("this backbone reads no text: it is one for task=link_prediction")
        processor = make(tokenizer(" ".join(example.tokens) for example in examples["train"]), source.labels, settings)
    elif strange := set(source.labels) - set(processor.labels):
        raise DataError(f"the model does not know the {processor.kind} '{min(strange)}'", settings.root)
    items = {split: [processor.encode(example) for example in part] for split, part in examples.items()}
    cuts = [
        f for s, part in items.items() for f in note_cuts(s, [item.cut for item in part], processor.settings.max_length)
    ]
    return Dataset(source, processor, items, store, coverage, (*source.notes, *cuts))
