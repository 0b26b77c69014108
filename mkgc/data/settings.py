"""The user's settings of the data, checked when the configuration is composed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from mkgc.data.knowledge_settings import KnowledgeSettings
from mkgc.data.word_graph_settings import WordGraphSettings
from mkgc.errors import CheckpointError, ConfigError
from mkgc.images.decode import FITS, Fit

GROUPS = ("image", "crops", "objects")

PLACES = ("root", "store", "knowledge", "word_graph")
"""Settings that mean something on one machine only: no checkpoint carries them to another, but a graph itself."""


@dataclass(frozen=True)
class DataSettings:
    """Where the data lie and how they become batches.

    ``images`` maps a group to the size in pixels its images are brought to; groups that are not named, or have no
    size, are not read. ``fit`` says what makes them square: "stretch", or "crop" (the shorter side is brought to the
    size, and the centre kept).
    ``max_images`` limits the images of a group per example; which of an entity's are taken is drawn with the seed
    ``image_seed``, or goes by name. ``atlas_seed`` builds the embedded data set below ``root`` on first use; None means
    that the files are the user's. ``format`` is one of the task's (None: its first), ``name`` the published data set
    that the files should be, against whose counts `mkgc.check` holds them.

    ``store`` is the folder of images that `mkgc.prepare` has decoded; None is `images.store` below the root.

    ``pad`` fills every text up to ``max_length``, for models that read padding; else a batch's longest decides.

    ``max_objects`` limits the detected objects of an image's scene graph; None: no scene graph is read.

    In training, images are mirrored at random (``flip``) and moved by up to ``translate`` of their size.

    ``split`` draws dev and test out of data that are one set: ``dev`` and ``test`` are shares, ``seed`` that of the
    draw. ``language`` chooses among the names and texts of data that have them in several.

    ``knowledge`` is the graph that texts are read with, ``word_graph`` the one whose neighbours their words are given;
    None: they are read without.

    ``shots`` cuts train to that many examples of each class, ``fraction`` to that share of them; ``subset_seed`` is
    the seed of either choice. Dev and test stay whole.
    """

    root: str
    atlas_seed: int | None = None
    format: str | None = None
    name: str | None = None
    images: dict[str, Any] = field(default_factory=dict)  # None where a configuration leaves a group out
    fit: Fit = "stretch"
    max_images: int = 3
    max_objects: int | None = None
    image_seed: int | None = None
    flip: bool = False
    translate: float = 0.0
    bad_images: Literal["mask", "skip", "fail"] = "mask"
    min_image_coverage: float = 0.0
    max_length: int = 128
    pad: bool = False
    batch_size: int = 32
    workers: int = 0
    store: str | None = None
    shots: int | None = None
    fraction: float | None = None
    subset_seed: int = 42
    split: dict[str, float] | None = None
    language: str | None = None
    knowledge: KnowledgeSettings | None = None
    word_graph: WordGraphSettings | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "images", {group: size for group, size in self.images.items() if size is not None})
        if self.bad_images not in ("mask", "skip", "fail"):
            raise ConfigError(f"data.bad_images={self.bad_images}: choose mask, skip or fail")
        if not 0 <= self.min_image_coverage <= 1:
            raise ConfigError(f"data.min_image_coverage={self.min_image_coverage} must lie between 0 and 1")
        if self.fit not in FITS:
            raise ConfigError(f"data.fit={self.fit}: choose {' or '.join(FITS)}")
        for name in ("max_images", "max_length", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"data.{name}={getattr(self, name)} must be at least 1")
        if self.max_objects is not None and self.max_objects < 1:
            raise ConfigError(f"data.max_objects={self.max_objects} must be at least 1")
        if self.workers < 0:
            raise ConfigError(f"data.workers={self.workers} must not be negative")
        for group, size in self.images.items():
            if group not in GROUPS:
                raise ConfigError(f"data.images.{group}: no such group of images; choose {', '.join(GROUPS)}")
            if size < 1:
                raise ConfigError(f"data.images.{group}={size} must be a size in pixels")
        if not 0 <= self.translate < 1:
            raise ConfigError(f"data.translate={self.translate} is a share of an image's size: 0 <= shift < 1")
        self._check_subset()
        self._check_split()

    def carried(self) -> dict[str, Any]:
        """The settings that a model's processor keeps, wherever its data lie."""
        return {name: value for name, value in asdict(self).items() if name not in PLACES}

    @classmethod
    def from_carried(cls, values: dict[str, Any]) -> DataSettings:
        """Undoes :meth:`carried`; the data lie nowhere yet.

        Raises:
            CheckpointError: The values name a place.
        """
        if named := sorted({*PLACES} & {*values}):
            raise CheckpointError(f"the checkpoint's processor names a place of files, '{named[0]}'")
        return cls(root="", **values)

    @property
    def least_length(self) -> int:
        """How many tokens each text is filled up to at least."""
        return self.max_length if self.pad else 0

    @property
    def store_folder(self) -> Path:
        """Where prepared images lie, if any do."""
        return Path(self.root) / "images.store" if self.store is None else Path(self.store)

    def _check_subset(self) -> None:
        if self.shots is not None and self.fraction is not None:
            raise ConfigError(f"data.shots={self.shots} and data.fraction={self.fraction} exclude each other: set one")
        if self.shots is not None and self.shots < 1:
            raise ConfigError(f"data.shots={self.shots} must be at least 1")
        if self.fraction is not None and not 0 < self.fraction <= 1:
            raise ConfigError(f"data.fraction={self.fraction} must lie above 0 and not above 1")
        if self.subset_seed < 0:
            raise ConfigError(f"data.subset_seed={self.subset_seed} must not be negative")

    def _check_split(self) -> None:
        if self.split is None:
            return
        if {*self.split} != {"dev", "test", "seed"}:
            raise ConfigError(f"data.split={self.split}: give dev, test and seed")
        shares = self.split["dev"], self.split["test"]
        if min(shares) <= 0 or sum(shares) >= 1:
            raise ConfigError(f"data.split={self.split}: dev and test are shares above 0 that leave something to train")
        if self.split["seed"] != int(self.split["seed"]) or not 0 <= self.split["seed"] < 1 << 32:
            raise ConfigError(f"data.split.seed={self.split['seed']} must be a whole number from 0 to {(1 << 32) - 1}")
