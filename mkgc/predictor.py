"""A trained model applied to a user's own records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from mkgc.checkpoint import read, restore
from mkgc.data.corpus import found_again, read_settings, read_source
from mkgc.data.examples import Sentences
from mkgc.data.graph import Graph
from mkgc.data.pictures import PictureStore
from mkgc.data.settings import DataSettings
from mkgc.data.survey import wanted
from mkgc.errors import ConfigError, DataError
from mkgc.task import Task


class Predictor:
    """Answers records (dictionaries in the task's JSONL form) with dictionaries."""

    def __init__(self, task: Task, config: DictConfig, device: str = "cpu") -> None:
        self.task, self.config = task.to(torch.device(device)), config
        self.settings: DataSettings = task.codec.settings
        self._shown: Path | str | None = None

    @torch.inference_mode()
    def predict(
        self,
        records: Sequence[Mapping[str, Any]],
        folder: Path | str = ".",
        places: Sequence[str] | None = None,
        batch_size: int = 32,
        novel_only: bool = False,
        root: Path | str | None = None,
    ) -> list[dict[str, Any]]:
        """One prediction a record, in order.

        Args:
            records: The examples; pictures are named relative to ``folder``.
            folder: Where the pictures lie.
            places: What an error calls each record; by default its number.
            batch_size: Records that go through the network at once; no prediction depends on it.
            novel_only: Leave out answers that the graph has already, in any of its splits.
            root: Where the model's graph lies, if it is no longer where it was in training. Models of link prediction
                that look at images take those of its entities from there.

        Raises:
            ConfigError: ``novel_only`` is for link prediction, and needs the graph.
            DataError: A record cannot be read, or one of its pictures cannot and ``bad_images`` is ``fail``.
        """
        unseen = self._show(root)
        named = places or [f"record {i}" for i in range(1, len(records) + 1)]
        items = self.task.codec.parse([dict(record) for record in records], Path(folder), named)
        shown = wanted([item.pictures for item in items], self.settings)
        store = PictureStore(shown, self.settings.pictures, fit=self.settings.fit)
        if novel_only:
            items = self.task.novel(items, lambda: self._source(root))
        out = self.task.answer(items, store, batch_size)
        bad = [
            _problems(item, store) + ([unseen] if unseen and self.task.codec.unshown(item) else []) for item in items
        ]
        return [self._with_problems(*row) for row in zip(out, bad, named, strict=True)]

    def _show(self, root: Path | str | None) -> str | None:
        """Shows the images of the model's graph, where they are asked for; says why not, if it is not found."""
        codec = self.task.codec
        if not (codec.illustrates and self.settings.pictures) or (root == self._shown and not codec.awaited):
            return None
        try:
            codec.show(self._source(root))
        except ConfigError as error:
            if root is not None:
                raise
            return f"no image of the entity: {error}"
        self._shown = root
        return None

    def _source(self, root: Path | str | None) -> Sentences | Graph:
        """The data set that the model was trained on, or the one at ``root``."""
        config = found_again(self.config, root)
        return read_source(config, read_settings(config))

    def _with_problems(self, answer: dict[str, Any], bad: list[str], place: str) -> dict[str, Any]:
        if bad and self.settings.bad_images == "fail":
            raise DataError(f"{place}: {bad[0]}")
        return answer | {"bad_pictures": bad} if bad else answer


def _problems(item: Any, store: PictureStore) -> list[str]:
    paths = [path for group in item.pictures.values() for path in group]
    return [str(store.problems[path]) for path in paths if path in store.problems]


def load(checkpoint: Path | str, device: str = "cpu", index: str | None = None) -> Predictor:
    """A predictor from a checkpoint of `mkgc.train` or `mkgc.convert`.

    With an ``index`` ("faiss" or "approximate") the entities of link prediction are found by one.

    Raises:
        CheckpointError: There is none, it is damaged, or it is not one of mkgc's.
        ConfigError: There is no such index for this model.
    """
    predictor = Predictor(*restore(read(checkpoint)), device=device)
    if index is not None:
        predictor.task.index(index)
    return predictor
