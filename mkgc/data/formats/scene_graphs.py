"""Scene graphs beside a data set: `scene_graphs.jsonl`, an object a line for each image, or the `scene` of a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mkgc.data.formats import fields, jsonl
from mkgc.data.scenes import Depicted, SceneGraph, SceneObject, SceneRelation
from mkgc.data.settings import DataSettings
from mkgc.errors import ConfigError, DataError
from mkgc.inspect.report import Finding
from mkgc.terminal import plural

FILE = "scene_graphs.jsonl"

OBJECT, SCENE = {"name", "box", "attributes"}, {"objects", "relations"}
"""The keys of an object, and of a scene graph."""


def parse_scene(value: Any, place: str) -> SceneGraph:
    """``{"objects": [{"name", "box", "attributes"}, …], "relations": [[subject, predicate, object], …]}``.

    Raises:
        DataError: Something is missing or of another kind, a box lies outside its image, or a relation is among
            objects that are not there.
    """
    _known(value, SCENE, "a scene graph", place)
    objects = tuple(
        _object(one, place) for one in _list(fields.need(value, "objects", place, "scene"), place, "objects")
    )
    named = _list(value.get("relations", []), place, "relations")
    return SceneGraph(objects, tuple(_relation(one, len(objects), place) for one in named))


def read_scenes(path: Path) -> dict[str, SceneGraph]:
    """The scene graphs of a file by the names of their images.

    Raises:
        DataError: There is no such file, a line cannot be used, or an image comes twice.
    """
    found: dict[str, SceneGraph] = {}
    records, places = jsonl.require_records(jsonl.read_records(path))
    for record, place in zip(records, places, strict=True):
        image = fields.need(record, "image", place)
        if not isinstance(image, str) or not image:
            raise DataError(f"'image' must be the name of an image, not {image!r:.40}", place)
        if image in found:
            raise DataError(f"the image '{image:.80}' has two scene graphs", place)
        fields.plain(record, place)
        found[image] = parse_scene({key: record[key] for key in record if key != "image"}, place)
    return found


def add_scenes(
    splits: Mapping[str, Sequence[Any]], settings: DataSettings
) -> tuple[dict[str, Sequence[Any]], tuple[Finding, ...]]:
    """The examples with the scene graphs of their images, as the file has them where a record has none of its own.

    A data set without any may have crops in their place, which are objects, too.

    Raises:
        ConfigError: The task's examples have no place for a scene graph.
        DataError: There is neither a scene graph nor a group of crops, or the file cannot be used.
    """
    for example in (part[0] for part in splits.values() if part):
        if not isinstance(example, Depicted):
            raise ConfigError("this backbone reads scene graphs, and this task's examples have none (backbone.inputs)")
    root = Path(settings.root)
    if not (root / FILE).is_file():
        return dict(splits), _without_file(splits, settings)
    scenes = read_scenes(root / FILE)
    used: set[str] = set()
    given: dict[str, Sequence[Any]] = {
        split: [_with_scene(example, scenes, root, used) for example in part] for split, part in splits.items()
    }
    return given, _note_unknown(sorted(scenes.keys() - used), len(scenes))


def _without_file(splits: Mapping[str, Sequence[Any]], settings: DataSettings) -> tuple[Finding, ...]:
    if any(example.scene is not None for part in splits.values() for example in part):
        return ()
    if {*settings.images} - {"image"}:
        said = f"no scene graph: there is no {FILE}, so the objects that the backbone reads are crops, without names"
        return (Finding("info", said),)
    raise DataError(
        "no such file: this backbone reads scene graphs (data/README.md), or crops (data.images.crops=SIZE)",
        Path(settings.root) / FILE,
    )


def _with_scene(example: Any, scenes: Mapping[str, SceneGraph], root: Path, used: set[str]) -> Any:
    """The example with the scene graph of its first whole image; ``used`` are the names by which some were found."""
    names = [name for path in example.images.get("image", ())[:1] for name in _names(path, root)]
    known = next((name for name in names if name in scenes), None)
    if known is None:
        return example
    used.add(known)
    return example if example.scene is not None else replace(example, scene=scenes[known])


def _names(path: Path, root: Path) -> tuple[str, ...]:
    """What a file may call an image: by its place in the data set, by its name, by that without the suffix."""
    inside = (path.relative_to(root).as_posix(),) if path.is_relative_to(root) else ()
    return *inside, path.name, path.stem


def _note_unknown(unknown: Sequence[str], count: int) -> tuple[Finding, ...]:
    if not unknown:
        return ()
    have = plural(len(unknown), "is of an image that no sentence names", "are of images that no sentence names")
    return (Finding("warning", f"{len(unknown):,} of {count:,} scene graphs {have}, first '{unknown[0]:.80}'"),)


def _known(value: Any, keys: set[str], what: str, place: str) -> None:
    if not isinstance(value, Mapping):
        raise DataError(f"{what} must be a mapping with {', '.join(sorted(keys))}, not {value!r:.40}", place)
    if strange := value.keys() - keys:
        raise DataError(f"{what} has no key '{min(strange):.40}'; there are {', '.join(sorted(keys))}", place)


def _list(value: Any, place: str, what: str) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise DataError(f"'{what}' of a scene graph must be a list, not {value!r:.40}", place)
    return value


def _object(value: Any, place: str) -> SceneObject:
    _known(value, OBJECT, "an object of a scene graph", place)
    attributes = _list(value.get("attributes", []), place, "attributes")
    words = [fields.need(value, "name", place, "objects"), *attributes]
    if not all(isinstance(word, str) and word.strip() for word in words):
        raise DataError(f"names and attributes of objects are words, not {words!r:.60}", place)
    box = _list(fields.need(value, "box", place, "objects"), place, "box")
    if len(box) != 4 or not all(type(side) in (int, float) for side in box):
        raise DataError(f"'box' must be [left, top, right, bottom], not {box!r:.60}", place)
    left, top, right, bottom = map(float, box)
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise DataError(f"'box' {box!r:.60} must be shares of the image: 0 <= left < right <= 1, likewise top", place)
    return SceneObject(words[0], (left, top, right, bottom), tuple(attributes))


def _relation(value: Any, count: int, place: str) -> SceneRelation:
    triple = _list(value, place, "relations")
    if len(triple) != 3 or not all(type(end) is int for end in triple[::2]) or not _is_word(triple[1]):
        raise DataError(f"a relation is [subject, predicate, object] by numbers of objects, not {triple!r:.60}", place)
    strange = next((end for end in triple[::2] if not 0 <= end < count), None)
    if strange is not None:
        raise DataError(f"a relation names the object {strange}, and the scene graph has {count} from 0 on", place)
    return SceneRelation(*triple)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())
