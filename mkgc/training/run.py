"""A run's identity and its folder: what lies there belongs to one run, however often it was interrupted."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FIGURES = ("metrics.json", "queries.npz")
"""The files that a run leaves when it has been tested."""

OUTPUTS = (*FIGURES, "best.ckpt", "last.ckpt", "curves", "wandb", "config.yaml")
"""All that a run leaves; its settings come last, so that figures never lie beside another run's."""

REPLACED = ".replaced"
"""The folder, within a run's, to which what an earlier run left is moved."""


@dataclass(frozen=True)
class Run:
    """A run in its ``folder``; one that was interrupted goes on from ``resumed``, where it had made ``epochs``."""

    folder: Path
    resumed: Path | None = None
    epochs: int = 0
    step: int = 0
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    @classmethod
    def going_on(cls, folder: Path, checkpoint: Path, contents: Mapping[str, Any]) -> Run:
        """The run that a ``last.ckpt`` is of."""
        return cls(folder, checkpoint.parent, contents["epoch"] + 1, contents["global_step"], contents["run"]["id"])

    def claim(self) -> Path | None:
        """Makes the folder this run's own.

        Figures of an interrupted run are removed, since they are to be found anew; what another run has left is moved
        to a folder below, which is returned.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.resumed is not None and self.resumed.resolve() == self.folder.resolve():
            for name in FIGURES:
                (self.folder / name).unlink(missing_ok=True)
            return None
        found = [self.folder / name for name in OUTPUTS if (self.folder / name).exists()]
        if not found:
            return None
        aside = self._aside()
        for path in found:
            path.rename(aside / path.name)
        return aside

    def _aside(self) -> Path:
        below = self.folder / REPLACED
        below.mkdir(exist_ok=True)
        aside = below / str(1 + max((int(path.name) for path in below.iterdir() if path.name.isdecimal()), default=0))
        aside.mkdir()
        return aside
