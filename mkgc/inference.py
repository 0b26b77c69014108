"""A trained model applied to a user's own records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from omegaconf import DictConfig

from mkgc.app.devices import find_device
from mkgc.app.packages import own_tasks
from mkgc.data.dataset import DataSource, found_again, naming_root, read_settings, read_source
from mkgc.data.settings import DataSettings
from mkgc.errors import ConfigError, DataError, one_line
from mkgc.images.held import take_images
from mkgc.images.loaded import LoadedImages
from mkgc.images.policy import wanted
from mkgc.training.capabilities import GraphTask, RankingTask, require_graph
from mkgc.training.checkpoint import open_trained
from mkgc.training.task import Task
from mkgc.training.trust import Trust

if TYPE_CHECKING:
    from mkgc.explanations.explanation import Explanation


class _Read(NamedTuple):
    """Records as they were read: each as a query, with its features or what is wrong with it.

    ``unseen`` says why the graph has no images, where they are asked for.
    """

    queries: list[Any]
    parsed: list[Any]
    store: LoadedImages
    unseen: str | None


class Predictor:
    """Answers records (dictionaries in the task's JSONL form) with dictionaries."""

    def __init__(self, task: Task, config: DictConfig, device: str = "cpu") -> None:
        self.task, self.config = task.to(find_device(device)), config
        self.settings: DataSettings = task.processor.settings
        self._shown: Path | str | None = None
        self._graph: Any = None

    @torch.inference_mode()
    def predict(
        self,
        records: Sequence[Mapping[str, Any] | DataError],
        folder: Path | str = ".",
        places: Sequence[str] | None = None,
        batch_size: int = 32,
        exclude_known: bool = False,
        root: Path | str | None = None,
        bad_records: Literal["fail", "skip"] = "fail",
        bad_images: Literal["mask", "skip", "fail"] | None = None,
        top_k: int | None = None,
        type_constraints: Literal["seen", "types"] | None = None,
    ) -> list[dict[str, Any]]:
        """One prediction a record, in order. All records are read and checked before anything is computed.

        Each has its record as ``query``, where images that were no files have names. Where a text was too long, ``cut``
        says what of it was not read.

        Args:
            records: The examples, or what is wrong with them. Images are names of files, relative to ``folder``, or
                images themselves: Pillow's, arrays (height × width × channels), or bytes of a file.
            folder: Where the images lie.
            places: What an error calls each record; by default its number.
            batch_size: Records that go through the network at once; no prediction depends on it.
            exclude_known: Leave out answers that the graph has already, in any of its splits.
            root: Where the model's graph lies, if it is no longer where it was in training. Models of link prediction
                that look at images take those of its entities from there.
            bad_records: What a record that cannot be used is: an error (``fail``), or a prediction that holds nothing
                but ``error`` (``skip``), in its place among the others.
            bad_images: What a record with an image that cannot be used is: answered without (``mask``), passed over as
                ``bad_records=skip`` does (``skip``), or a record that cannot be used (``fail``); None: as trained.
            top_k: How many entities, relations or scores an answer holds at most; None: as trained.
            type_constraints: Which entities and relations may be answers: those that train shows with the relation
                ("seen"), or also those that share a type with them ("types"); None: all.

        Raises:
            ConfigError: ``exclude_known`` is for tasks that are asked of a graph, and needs it; ``top_k`` is for those
                that answer with the best of some.
            DataError: A record cannot be used, and ``bad_records`` is ``fail``.
        """
        _check_top_k(self.task, top_k)
        self._check_root(root, bool(exclude_known or type_constraints))
        source = cache(partial(self._source, root))  # a whole graph may have to be read: once, and only if it is needed
        read = self._read(records, folder, places, root, source, bad_records, bad_images)
        asked = features = [item for item in read.parsed if not isinstance(item, DataError)]
        if exclude_known:
            asked = require_graph(self.task, "exclude_known=true").exclude_known(features, source())
        self._constrain(type_constraints, source)
        with _answering(self.task, top_k):
            answers = iter(self.task.predict_items(asked, read.store, batch_size))
        return [
            {"error": str(item)}
            if isinstance(item, DataError)
            else {"query": query} | next(answers) | self._told(item, read.store, read.unseen)
            for query, item in zip(read.queries, read.parsed, strict=True)
        ]

    def explain(
        self,
        records: Sequence[Mapping[str, Any] | DataError],
        folder: Path | str = ".",
        places: Sequence[str] | None = None,
        batch_size: int = 32,
        root: Path | str | None = None,
        bad_records: Literal["fail", "skip"] = "fail",
        bad_images: Literal["mask", "skip", "fail"] | None = None,
    ) -> Iterator[Explanation | DataError]:
        """Why a record is answered as it is, one explanation a record, or what is wrong with it, one after another.

        All records are read and checked before the first is explained. The arguments are those of :meth:`predict`.

        Raises:
            ConfigError: The model has nothing that could be explained: it looks at no images, or reads no records.
            DataError: A record cannot be used, and ``bad_records`` is ``fail``.
        """
        from mkgc.explanations.contract import require_explainable
        from mkgc.explanations.explainer import Explainer

        require_explainable(self.task)
        self._check_root(root, False)
        read = self._read(records, folder, places, root, partial(self._source, root), bad_records, bad_images)
        explainer = Explainer(self.task, read.store, batch_size)
        return (
            item
            if isinstance(item, DataError)
            else explainer.explain(item, query, _notes(self._told(item, read.store, read.unseen)))
            for query, item in zip(read.queries, read.parsed, strict=True)
        )

    def _check_root(self, root: Path | str | None, asked: bool) -> None:
        if root is not None and not (asked or self.task.processor.illustrates):
            raise ConfigError(f"root={root} says where a graph lies, and nothing is read of one here: leave it out")

    def _read(
        self,
        records: Sequence[Mapping[str, Any] | DataError],
        folder: Path | str,
        places: Sequence[str] | None,
        root: Path | str | None,
        source: Callable[[], DataSource],
        bad_records: str,
        bad_images: str | None,
    ) -> _Read:
        """The features of records, or what is wrong with each, and their images."""
        unseen = self._show(root, source)
        named = places or [f"record {i}" for i in range(1, len(records) + 1)]
        queries, held = take_images(records, named, Path(folder))
        store = LoadedImages({}, self.settings.images, fit=self.settings.fit, held=held)
        parsed = self._seen([*zip(queries, named, strict=True)], Path(folder), store, bad_records)
        policy = bad_images or self.settings.bad_images
        parsed = [_judged(*row, store, policy) for row in zip(parsed, named, strict=True)]
        if bad_records == "fail" and policy == "fail":
            _raise_first(parsed)
        return _Read(queries, parsed, store, unseen)

    def _seen(self, rows: Sequence[tuple[Any, str]], folder: Path, store: LoadedImages, bad_records: str) -> list[Any]:
        """The features of records, or what is wrong with them, whose images are read into the store.

        As in training, others of an entity's images take the place of those that prove to be broken.
        """
        known = -1
        while known < len(store.problems):
            if known >= 0 and self._graph is not None:
                self.task.processor.show(self._graph, store.problems)
            known = len(store.problems)
            parsed = [self._parsed(record, place, folder) for record, place in rows]
            if bad_records == "fail":
                _raise_first(parsed)
            store.read(wanted([item.images for item in parsed if not isinstance(item, DataError)], self.settings))
        return parsed

    def _parsed(self, record: Mapping[str, Any] | DataError, place: str, folder: Path) -> Any:
        """The item of a record, or what is wrong with it."""
        if isinstance(record, DataError):
            return record
        try:
            return self.task.processor.parse(record, folder, place)
        except DataError as error:
            return error if str(error).startswith(one_line(place)) else DataError(str(error), place)

    def _told(self, item: Any, store: LoadedImages, unseen: str | None) -> dict[str, Any]:
        """Inputs that an answer lacked: images (``unseen`` says why the graph has none), and ends of text."""
        bad = _problems(item, store) + ([unseen] if unseen and self.task.processor.unshown(item) else [])
        lost = {} if item.cut is None else {"cut": item.cut.as_dict()}
        return lost | ({"bad_images": bad} if bad else {})

    def _show(self, root: Path | str | None, source: Callable[[], DataSource]) -> str | None:
        """Shows the images of the model's graph, where they are asked for; says why not, if it is not found."""
        processor = self.task.processor
        if not (processor.illustrates and self.settings.images) or (root == self._shown and not processor.awaited):
            return None
        try:
            self._graph = source()
            processor.show(self._graph)
        except ConfigError as error:
            if root is not None:
                raise
            return f"no image of the entity: {error}"
        self._shown = root
        return None

    def _constrain(self, kind: str | None, source: Callable[[], DataSource]) -> None:
        if kind is not None:
            require_graph(self.task, f"type_constraints={kind}").constrain(source(), kind)
        elif isinstance(self.task, GraphTask):
            self.task.constrain(None, None)

    @own_tasks()
    def _source(self, root: Path | str | None) -> DataSource:
        """The data set that the model was trained on, or the one at ``root``."""
        config = found_again(self.config, root)
        with naming_root(root):
            return read_source(config, read_settings(config))


def _notes(told: Mapping[str, Any]) -> list[str]:
    """Inputs that an answer lacked, in words."""
    cut = [f"a part of the text is not read: {told['cut']}"] if "cut" in told else []
    return [*cut, *told.get("bad_images", [])]


def _check_top_k(task: Task, top_k: int | None) -> None:
    if top_k is not None and top_k < 1:
        raise ConfigError(f"top_k={top_k} must be at least 1")
    if top_k is not None and not isinstance(task, RankingTask):
        raise ConfigError(f"top_k={top_k} limits entities, relations or scores, and this task answers with none")


@contextmanager
def _answering(task: Task, top_k: int | None) -> Iterator[None]:
    """Lets the task answer with so many of the best meanwhile."""
    if top_k is None or not isinstance(task, RankingTask):
        yield
        return
    before, task.top_k = task.top_k, top_k
    try:
        yield
    finally:
        task.top_k = before


def _raise_first(parsed: Sequence[Any]) -> None:
    if error := next((item for item in parsed if isinstance(item, DataError)), None):
        raise error


def _judged(item: Any, place: str, store: LoadedImages, policy: str) -> Any:
    """The item, or why an image of its keeps it from being used."""
    if isinstance(item, DataError) or policy == "mask" or not (bad := _problems(item, store)):
        return item
    return DataError(f"{bad[0]}, and bad_images={policy}", place)


def _problems(item: Any, store: LoadedImages) -> list[str]:
    paths = [path for group in item.images.values() for path in group]
    return [str(store.problems[path]) for path in paths if path in store.problems]


@own_tasks()
def load(
    checkpoint: Path | str,
    device: str = "cpu",
    index: str | None = None,
    trusted: Iterable[str] = (),
    language: str | None = None,
) -> Predictor:
    """A predictor from a checkpoint of `mkgc.train` or `mkgc.convert`, or from the folder of a run.

    With an ``index`` ("faiss" or "approximate") the entities of a graph are found by one. ``trusted`` are packages of
    the user's own that define the checkpoint's task, and may be imported. Answers name entities in the ``language``,
    where the graph has names in several.

    Raises:
        CheckpointError: There is none, it is damaged, or it is not one of mkgc's.
        ConfigError: There is no such device, no such package, or no such index or language for this model.
    """
    find_device(device)  # before anything is read
    predictor = Predictor(*open_trained(checkpoint, Trust.of(trusted)), device=device)
    if index is not None:
        require_graph(predictor.task, f"index={index}").use_index(index)
    if language is not None:
        require_graph(predictor.task, f"language={language}").use_language(language)
    return predictor
