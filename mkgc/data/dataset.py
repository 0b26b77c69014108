"""A data set that has been read: items of each split, the images they point to, and how complete they were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf

from mkgc.data import atlas
from mkgc.data.processor import Processor
from mkgc.data.settings import DataSettings
from mkgc.data.source import DataSource
from mkgc.data.states import StatesTable
from mkgc.errors import ConfigError
from mkgc.images.coverage import Coverage
from mkgc.images.loaded import LoadedImages
from mkgc.inspect.report import Finding


@dataclass(frozen=True)
class Dataset:
    """What a task's reader returns; ``source`` is what was in the files, before images decided what may be used.

    ``notes`` are what a user should know of how the data were read, whatever is done with them. ``text_states`` are
    what frozen layers make of the texts.
    """

    source: DataSource
    processor: Processor
    features: Mapping[str, Sequence[Any]]
    store: LoadedImages
    coverage: Coverage
    notes: tuple[Finding, ...] = ()
    text_states: StatesTable | None = None

    def show(self) -> None:
        """Prints how complete the images are, and the notes."""
        self.coverage.show()
        for note in self.notes:
            note.say()


def found_again(config: DictConfig, root: Path | str | None = None) -> DictConfig:
    """A trained model's configuration with its data at ``root``, or where they were when it was trained.

    The model may be a stranger's: but for the Atlas at its usual place, nothing is written where it says.

    Raises:
        ConfigError: The data are not there.
    """
    place = Path(config.data.root if root is None else root)
    moved: dict[Any, Any] = {} if root is None else {"root": str(root), "store": None}
    if root is None and config.data.atlas_seed is not None and place.parent == atlas.HOME:
        return config
    if not place.is_dir():
        if root is not None:
            raise ConfigError(f"root={root}: there is no such folder")
        raise ConfigError(f"the data that the model was trained on are not at '{place}': give root=…")
    found = config.copy()
    found.data = OmegaConf.merge(config.data, {"atlas_seed": None, **moved})
    return found


def read_settings(config: DictConfig) -> DataSettings:
    """What a configuration says of the data; the Atlas is built first, where it is not there.

    Images are left alone where they are none of the backbone's inputs.

    Raises:
        ConfigError: The settings cannot be used.
    """
    settings = instantiate(config.data)
    if settings.atlas_seed is not None:
        draw = get_object(config.task.source["_target_"]).draw_atlas
        atlas.build(Path(settings.root), config.task.name, draw, settings.atlas_seed)
    return settings if "images" in config.backbone.inputs else replace(settings, images={})


def read_source(config: DictConfig, settings: DataSettings) -> DataSource:
    """What is in the files of the task's data set, no image looked at.

    Raises:
        MkgcError: The data cannot be used.
    """
    return instantiate(config.task.source)(settings)


def read_dataset(config: DictConfig, processor: Processor | None = None) -> Dataset:
    """Reads the data set of a configuration with its task's reader.

    With the ``processor`` of a trained model the data are encoded as that model knows them.

    Raises:
        MkgcError: The data or the settings cannot be used.
    """
    source, reader = read_source(config, read_settings(config)), instantiate(config.task.data)
    if processor is not None:
        return reader(source=source, processor=processor)
    tokenizer = instantiate(config.size.tokenizer) if "text" in config.backbone.inputs else None
    return reader(source=source, tokenizer=tokenizer)
