"""What images do for a trained model: its test once more without any."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from mkgc.analysis.predictions import Predictions
from mkgc.analysis.queries import Queries
from mkgc.errors import ImagesNeededError, MkgcError
from mkgc.reports.saved import Run
from mkgc.reports.tested import read_tested

Tested = TypeVar("Tested", Queries, Predictions)

RESAMPLES = 2000

NONE_SHOWN = "the model was shown no image: there is no relevance of images"

TITLE = "The same model without images (A) and with them (B), 95 % intervals"


def tested_without_images(one: Run, tested: Tested, root: str | None, notes: list[str]) -> Tested | None:
    """The results of the same model without images, parallel to those ``tested``.

    None where they cannot be had, as without the run's ``best.ckpt`` or its data: then a note says why.

    Raises:
        MkgcError: The data at ``root`` are not those of the run.
    """
    from mkgc.training.retest import test_without_images

    try:
        with TemporaryDirectory() as folder:
            test_without_images(one.folder, root, Path(folder))
            without = read_tested(one._replace(folder=Path(folder)))
        if not isinstance(without, type(tested)):
            raise MkgcError("its best.ckpt is of another task")
        tested.require_same(without)
    except MkgcError as error:
        if root is not None and not isinstance(error, ImagesNeededError):
            raise
        notes.append(f"the relevance of images is not known: {error}")
        return None
    return without
