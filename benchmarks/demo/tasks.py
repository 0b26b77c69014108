"""The demo's tasks: the command that trains each, and where its files lie."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

EXPLANATIONS = "explanations"
"""The folder, in that of a run, of why its answers are what they are."""


@dataclass(frozen=True)
class Shown:
    """A task as the demo shows it; ``metric`` is what it is judged by, ``explained`` whether its answers can be."""

    name: str
    metric: str
    what: str
    overrides: tuple[str, ...]
    explained: bool = True

    @property
    def folder(self) -> Path:
        """The folder of its run."""
        return Path("runs/demo") / self.name

    @property
    def cards(self) -> Path:
        """The questions and answers, written last: where they are, all is done."""
        return self.folder / "cards.json"

    @property
    def picture(self) -> Path:
        """The questions and answers as a picture."""
        return self.folder / "predictions.png"

    def figures(self) -> dict[str, Any]:
        """The figures of its run, once it has ended."""
        found: dict[str, Any] = json.loads((self.folder / "metrics.json").read_text())
        return found

    def title(self, figures: Mapping[str, Any]) -> str:
        """The task and how well it was learned."""
        return f"{self.what}: test {self.metric} {figures['test'][self.metric]:.3f}"

    def progress(self) -> str:
        """How far its training is, in words; from what a run writes while it goes on."""
        if (self.folder / "metrics.json").exists():
            return "asking it"
        curves, settings = self.folder / "curves" / "metrics.csv", self.folder / "config.yaml"
        rows = csv.DictReader(curves.read_text().splitlines()) if curves.exists() else []
        scored = [row for row in rows if row.get(f"dev/{self.metric}")]
        if not scored:
            return "first epoch"
        epochs = yaml.safe_load(settings.read_text())["task"]["epochs"]
        score = float(scored[-1][f"dev/{self.metric}"])
        return f"epoch {int(scored[-1]['epoch']) + 1} of {epochs}, dev {self.metric} {score:.2f}"


TASKS = (
    Shown("link_prediction", "mrr", "Link prediction", ("task=link_prediction", "system=ikrl"), False),
    Shown("mre", "f1", "Relation extraction", ("task=mre", "data.images.image=80")),  # 25 patches for 36
    Shown("mner", "f1", "Named entity recognition", ("task=mner",)),
)
"""The quickest first, so that there soon is something to see."""
