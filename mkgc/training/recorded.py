"""What a test predicted of each example, kept in the run's folder: ``predictions.jsonl``, one JSON object a line.

Lines are in the order of the data set, whatever processes and batches the test was made in. Each has

- ``id``, ``text`` (the words, joined by spaces) and ``images``, which the model was shown: ``{group: [path, …]}``,
  relative to ``data.root``;
- ``gold`` and ``predicted``: a label, or the spans of the text's words, ``[{"type", "start", "end"}, …]``;
- ``score``, the probability of what was predicted, and ``gold_score``, that of the gold answer;
- ``counts``, what the example adds to the metric: true positives, predictions and gold answers that count;
- ``figures``, those of a query of retrieval (:mod:`mkgc.analysis.figures`);
- what else the task says of it, such as ``head`` and ``tail``, or ``scores`` of all labels.
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from mkgc.app.files import json_text, write_whole
from mkgc.data.examples import ImagePaths
from mkgc.images.loaded import LoadedImages
from mkgc.training.run import PREDICTIONS

if TYPE_CHECKING:
    from mkgc.data.dataset import Dataset
    from mkgc.training.task import Task


def write_predictions(task: Task, dataset: Dataset, folder: Path) -> None:
    """Writes what the test that the task's trainer has just made predicted; nothing, if the task records nothing.

    Called in every process, each of which has tested its share; the first one writes.

    Raises:
        MkgcError: A probability is not finite.
    """
    write_lines(task, recorded_predictions(task, dataset), folder)


def write_lines(task: Task, lines: list[dict[str, Any]], folder: Path) -> None:
    """Writes lines, which all processes have, in the first one; nothing, if there are none.

    Raises:
        MkgcError: A probability is not finite.
    """
    if lines and task.trainer.is_global_zero:
        write_whole(folder / PREDICTIONS, "".join(f"{json_text(line, ensure_ascii=False)}\n" for line in lines))


def recorded_predictions(task: Task, dataset: Dataset) -> list[dict[str, Any]]:
    """The same lines as plain values, in every process."""
    examples, own = dataset.examples.get("test", ()), []
    # Of a test that was told to end early, the last batches are missing.
    for recorded, rows in zip(task.recorded, task.trainer.test_dataloaders.batch_sampler, strict=False):  # type: ignore[union-attr]
        described = task.describe(recorded, [examples[row] for row in rows])
        own += [(row, _headed(row, examples[row], dataset) | one) for row, one in zip(rows, described, strict=True)]
    return [line for _, line in sorted(gathered(own, task.trainer.world_size), key=lambda pair: pair[0])]


def gathered(own: list[Any], world_size: int) -> list[Any]:
    """What all processes have, one process after the other."""
    if world_size == 1:
        return own
    shares: list[Any] = [None] * world_size
    torch.distributed.all_gather_object(shares, own)
    return [*chain.from_iterable(shares)]


def short(probability: float) -> float:
    """A probability with as many digits as single precision has."""
    return float(f"{probability:.6g}")


def _headed(row: int, example: Any, dataset: Dataset) -> dict[str, Any]:
    """What the lines of all tasks begin with."""
    images = _shown(example.images, dataset.store, Path(dataset.source.settings.root))
    return {"id": getattr(example, "id", None) or str(row), "text": " ".join(example.tokens), "images": images}


def _shown(images: ImagePaths, store: LoadedImages, root: Path) -> dict[str, list[str]]:
    """The files of each group that could be used, relative to the data set's root if they lie below it."""
    usable = {group: [path for path in paths if path not in store.problems] for group, paths in images.items()}
    return {
        group: [str(path.relative_to(root) if path.is_relative_to(root) else path) for path in paths]
        for group, paths in usable.items()
        if paths
    }
