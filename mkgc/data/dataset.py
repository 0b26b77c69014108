"""A data set: its files as they are, and what has been read of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf

from mkgc.data import atlas
from mkgc.data.digest import digest
from mkgc.data.examples import ImagePaths
from mkgc.data.processor import Processor
from mkgc.data.settings import DataSettings
from mkgc.data.states import StatesTable
from mkgc.data.tokens import Tokenizer
from mkgc.errors import ConfigError, DataError
from mkgc.images.coverage import Coverage
from mkgc.images.loaded import LoadedImages
from mkgc.inspect.report import Finding, Section

if TYPE_CHECKING:
    from mkgc.data.atlas.facts import Country
    from mkgc.inspect.published import Published


@dataclass(frozen=True)
class Dataset:
    """A data set as a task's reader returns it; ``source`` is the files, before images decided what may be used.

    ``notes`` are what a user should know of how the data were read, whatever is done with them. ``text_states`` are
    what frozen layers make of the texts. ``protocol`` names how dev and test are scored, where there are several ways.
    ``examples`` are what the features were made of, where a reader has such. ``graph`` is the digest of the knowledge
    graph that texts are read with, if any.
    """

    source: DataSource
    processor: Processor
    features: Mapping[str, Sequence[Any]]
    store: LoadedImages
    coverage: Coverage
    notes: tuple[Finding, ...] = ()
    text_states: StatesTable | None = None
    protocol: str | None = None
    examples: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    graph: str | None = None

    def show(self) -> None:
        """Prints how complete the images are, and the notes."""
        self.coverage.show()
        for note in self.notes:
            note.say()


class DataSource(ABC):
    """The files of a data set as they are: no image looked at, nothing left out.

    A subclass reads them in its constructor. ``notes`` say what it decided.

    Raises:
        ConfigError: The format has splits of its own, or none, other than the settings say, or no languages.
        MkgcError: A file is missing or a line malformed.
    """

    subset_suffix: ClassVar[str] = "rows"
    """Of the files that hold low-resource splits."""

    drawn_formats: ClassVar[Collection[str]] = ()
    """Those of which dev and test are drawn (`data.split`)."""

    multilingual_formats: ClassVar[Collection[str]] = ()
    """Those whose texts may be in several languages (`data.language`)."""

    has_words: ClassVar[bool] = False
    """Whether texts are read with a graph of words (`data.word_graph`)."""

    notes: tuple[Finding, ...] = ()

    def __init__(self, settings: DataSettings) -> None:
        _check_choices(settings, self.drawn_formats, self.multilingual_formats)
        if settings.word_graph is not None and not self.has_words:
            raise ConfigError("data.word_graph: this task reads no graph of words: leave it out")
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
        """The sections of `mkgc.check` about the data beside their images.

        ``dataset`` was read with broken images masked; ``settings`` are the user's own, which judge them.
        """

    def subset_lines(self) -> Sequence[str]:
        """The line for each example of train in the file of a low-resource split; equal ones are drawn once."""
        return [str(row) for row in range(len(self.examples()["train"]))]

    def digest(self) -> str:
        """What tells the examples of these files from others (:func:`mkgc.data.digest.digest`)."""
        return digest(self.examples())

    @classmethod
    def draw_atlas(cls, folder: Path, countries: Mapping[str, Country], random: Random) -> None:
        """Writes the task's data set of the built-in world (`data=atlas`) in a layout that the source reads.

        Raises:
            ConfigError: The task has none.
        """
        raise ConfigError("data.atlas_seed: this task has no Atlas: give data=folder data.root=DIR data.format=NAME")


def _check_choices(settings: DataSettings, drawn: Collection[str], multilingual: Collection[str]) -> None:
    name = settings.format
    if settings.split is None and name in drawn:
        needed = "{dev: 0.1, test: 0.1, seed: 0}"
        raise ConfigError(f"data.split=null: format={name} is one set, and needs it: {needed}, say")
    if settings.split is not None and name not in drawn:
        known = f"it is for {', '.join(drawn)}" if drawn else "no format of this task needs it"
        raise ConfigError(f"data.split: format={name or 'null'} has splits of its own; {known}")
    if settings.language is not None and name not in multilingual:
        known = f"those of {', '.join(multilingual)} may" if multilingual else "no format of this task has some"
        raise ConfigError(f"data.language={settings.language}: format={name or 'null'} has no languages; {known}")


def found_again(config: DictConfig, root: Path | str | None = None) -> DictConfig:
    """A trained model's configuration with its data at ``root``, or where they were when it was trained.

    The model may be a stranger's: but for the Atlas at its usual place, nothing is written where it says. Graphs that
    it reads texts with it carries itself.

    Raises:
        ConfigError: The data are not there.
    """
    place = Path(config.data.root if root is None else root)
    moved: dict[Any, Any] = {} if root is None else {"root": str(root), "store": None}
    moved |= {graph: None for graph in ("knowledge", "word_graph") if graph in config.data}
    if root is None and config.data.atlas_seed is not None and place.parent == atlas.HOME:
        built = config.copy()
        built.data = OmegaConf.merge(config.data, moved)
        return built
    if not place.is_dir():
        if root is not None:
            raise ConfigError(f"root={root}: there is no such folder")
        seen = "" if place.is_absolute() else f", seen from '{Path.cwd()}'"
        raise ConfigError(f"the data that the model was trained on are not at '{place}'{seen}: give root=DIR")
    found = config.copy()
    found.data = OmegaConf.merge(config.data, {"atlas_seed": None, **moved})
    return found


@contextmanager
def naming_root(root: Path | str | None) -> Iterator[None]:
    """Lets errors in a trained model's data say how to name another folder, where none was named."""
    try:
        yield
    except DataError as error:
        if root is not None:
            raise
        raise DataError(f"{error}; if the data that the model was trained on lie elsewhere, give root=DIR") from error


def read_settings(config: DictConfig) -> DataSettings:
    """The data settings of a configuration; the Atlas is built first, where it is not there.

    Images and scene graphs are left alone where they are none of the backbone's inputs.

    Raises:
        ConfigError: The settings cannot be used.
    """
    inputs, settings = config.backbone.inputs, instantiate(config.data)
    settings = check_scenes(settings) if "scene" in inputs else replace(settings, max_objects=None)
    if settings.atlas_seed is not None:
        draw = get_object(config.task.source["_target_"]).draw_atlas
        atlas.build(Path(settings.root), config.task.name, draw, settings.atlas_seed)
    return settings if "images" in inputs else replace(settings, images={})


def check_scenes(settings: DataSettings) -> DataSettings:
    """The settings, if boxes of detected objects stay where they are in what is made of an image.

    Raises:
        ConfigError: They do not, or no object is to be read.
    """
    moved = {"flip=true": settings.flip, "translate": settings.translate, "fit=crop": settings.fit == "crop"}
    if wrong := next((name for name, asked in moved.items() if asked), None):
        raise ConfigError(
            f"data.{wrong} moves what is seen, and not the boxes of scene graphs, which this backbone reads"
        )
    if settings.max_objects is None:
        raise ConfigError("data.max_objects=null: this backbone reads scene graphs: give a number of objects")
    return settings


def read_source(config: DictConfig, settings: DataSettings) -> DataSource:
    """Reads the files of the task's data set, no image looked at.

    Raises:
        MkgcError: The data cannot be used.
    """
    return instantiate(config.task.source)(settings)


def read_dataset(config: DictConfig, processor: Processor | None = None, tokenizer: Tokenizer | None = None) -> Dataset:
    """Reads the data set of a configuration with its task's reader.

    With the ``processor`` of a trained model the data are encoded as that model knows them, with a ``tokenizer`` texts
    become the word pieces of that.

    Raises:
        MkgcError: The data or the settings cannot be used.
    """
    source, reader = read_source(config, read_settings(config)), instantiate(config.task.data)
    if processor is not None:
        return reader(source=source, processor=processor)
    make = instantiate(config.size.tokenizer) if "text" in config.backbone.inputs else None
    given = tokenizer
    return reader(source=source, tokenizer=make if given is None else lambda _: given)
