"""Explanations of a few test predictions, as pictures for a tracker."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8

from mkgc.analysis.predictions import Prediction
from mkgc.errors import ConfigError, DataError

if TYPE_CHECKING:
    from mkgc.data.dataset import Dataset

EXPLAINED = 3
"""Test examples that are explained, spread over those that have images."""


def explained(task: Any, dataset: Dataset, rows: Sequence[Prediction]) -> list[UInt8[np.ndarray, "H W 3"]]:
    """Why a few test examples were answered as they were; nothing of a model that has nothing to explain.

    They are read as records, as users write them; one whose record is ambiguous (a mention that stands in it twice) is
    left out.
    """
    from PIL import Image

    from mkgc.explanations.contract import require_explainable
    from mkgc.explanations.explainer import Explainer
    from mkgc.explanations.picture import draw
    from mkgc.training.smoke import spread

    try:
        require_explainable(task)
    except ConfigError:
        return []
    illustrated = [row for row in rows if row.images.get("image")]
    explainer, found = Explainer(task.eval(), dataset.store, dataset.processor.settings.batch_size), []
    with TemporaryDirectory() as folder:
        for number in spread(len(illustrated), EXPLAINED).tolist() if illustrated else []:
            path, record = Path(folder) / f"{number}.png", _record(illustrated[number])
            with suppress(DataError):
                item: Any = task.processor.parse(record, Path(dataset.source.settings.root), f"example {number}")
                draw(explainer.explain(item, record), path)
                with Image.open(path) as picture:
                    found.append(np.array(picture.convert("RGB")))
    return found


def _record(row: Prediction) -> dict[str, Any]:
    return {"tokens": [*row.words], "image": [*row.images["image"]], **row.details}
