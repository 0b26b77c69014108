"""A trained model applied to a user's own records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from mkgc.checkpoint import read, restore
from mkgc.data.pictures import PictureStore
from mkgc.data.settings import DataSettings
from mkgc.data.survey import wanted
from mkgc.errors import DataError
from mkgc.task import Task


class Predictor:
    """Answers records (dictionaries in the task's JSONL form) with dictionaries."""

    def __init__(self, task: Task, config: DictConfig, device: str = "cpu") -> None:
        self.task, self.config = task.to(torch.device(device)), config
        self.settings: DataSettings = task.codec.settings

    @torch.inference_mode()
    def predict(
        self,
        records: Sequence[Mapping[str, Any]],
        folder: Path | str = ".",
        places: Sequence[str] | None = None,
        batch_size: int = 32,
    ) -> list[dict[str, Any]]:
        """One prediction a record, in order.

        Args:
            records: The examples; pictures are named relative to ``folder``.
            folder: Where the pictures lie.
            places: What an error calls each record; by default its number.
            batch_size: Records that go through the network at once; no prediction depends on it.

        Raises:
            DataError: A record cannot be read, or one of its pictures cannot and ``bad_images`` is ``fail``.
        """
        named = places or [f"record {i}" for i in range(1, len(records) + 1)]
        items = self.task.codec.parse([dict(record) for record in records], Path(folder), named)
        store = PictureStore(wanted([item.pictures for item in items], self.settings), self.settings.pictures)
        out: list[dict[str, Any]] = []
        for start in range(0, len(items), batch_size):
            batch = self.task.codec.collate(items[start : start + batch_size], store)
            out += self.task.predict(batch.to(self.task.device))
        bad = [_problems(item, store) for item in items]
        return [self._with_problems(*row) for row in zip(out, bad, named, strict=True)]

    def _with_problems(self, answer: dict[str, Any], bad: list[str], place: str) -> dict[str, Any]:
        if bad and self.settings.bad_images == "fail":
            raise DataError(f"{place}: {bad[0]}")
        return answer | {"bad_pictures": bad} if bad else answer


def _problems(item: Any, store: PictureStore) -> list[str]:
    paths = [path for group in item.pictures.values() for path in group]
    return [str(store.problems[path]) for path in paths if path in store.problems]


def load(checkpoint: Path | str, device: str = "cpu") -> Predictor:
    """A predictor from a checkpoint of `mkgc.train` or `mkgc.convert`.

    Raises:
        CheckpointError: There is none, it is damaged, or it is not one of mkgc's.
    """
    return Predictor(*restore(read(checkpoint)), device=device)
