"""Settings of files beside a data set, of which a model keeps all but the place."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, TypeVar

from mkgc.errors import CheckpointError

Settings = TypeVar("Settings", bound="CarriedSettings")


@dataclass(frozen=True)
class CarriedSettings:
    """Settings of what lies at ``root``; ``part`` is their key in a processor's state."""

    part: ClassVar[str]
    root: str

    def carried(self) -> dict[str, Any]:
        """The settings that a model keeps, wherever its graph lies."""
        return {name: value for name, value in asdict(self).items() if name != "root"}

    @classmethod
    def from_carried(cls: type[Settings], values: dict[str, Any]) -> Settings:
        """Undoes :meth:`carried`; the graph lies nowhere.

        Raises:
            CheckpointError: The values name a place.
        """
        if "root" in values:
            raise CheckpointError(f"the checkpoint's processor names a place of files, '{cls.part}.root'")
        return cls(root="", **values)
