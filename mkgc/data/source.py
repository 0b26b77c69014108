"""What a task's data set is asked by everything that must not know which task it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from mkgc.data.examples import ImagePaths
from mkgc.data.settings import DataSettings
from mkgc.errors import ConfigError
from mkgc.inspect.report import Finding, Section

if TYPE_CHECKING:
    from mkgc.data.atlas.facts import Country
    from mkgc.data.dataset import Dataset
    from mkgc.inspect.published import Published


class DataSource(ABC):
    """The files of a data set as they are: no image looked at, nothing left out.

    A subclass reads them in its constructor. ``notes`` say what it decided.

    Raises:
        MkgcError: A file is missing or a line malformed.
    """

    subset_suffix: ClassVar[str] = "rows"
    """Of the files that hold low-resource splits."""

    notes: tuple[Finding, ...] = ()

    def __init__(self, settings: DataSettings) -> None:
        self.settings = settings

    @abstractmethod
    def examples(self) -> Mapping[str, Any]:
        """The examples of each split, in the order of the files: a sequence, or the rows of an array."""

    @abstractmethod
    def images(self, broken: Collection[Path] = ()) -> list[ImagePaths]:
        """The images that may be shown, of each thing that has some, as far as it is known which are ``broken``."""

    @abstractmethod
    def classes(self, example: Any) -> frozenset[str]:
        """The classes of which an example is one: low-resource splits have some of each."""

    @abstractmethod
    def inspect(self, dataset: Dataset, settings: DataSettings, published: Published | None) -> list[Section]:
        """What `mkgc.check` says of the data beside their images.

        ``dataset`` was read with broken images masked; ``settings`` are the user's own, which judge them.
        """

    def subset_lines(self) -> Sequence[str]:
        """What stands for each example of train in the file of a low-resource split; equal ones are drawn once."""
        return [str(row) for row in range(len(self.examples()["train"]))]

    @classmethod
    def draw_atlas(cls, folder: Path, countries: Mapping[str, Country], random: Random) -> None:
        """Writes the task's data set of the built-in world (`data=atlas`) in a layout that the source reads.

        Raises:
            ConfigError: The task has none.
        """
        raise ConfigError("data.atlas_seed: this task has no Atlas: give data=folder data.root=DIR data.format=NAME")
