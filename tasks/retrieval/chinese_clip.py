"""Chinese-CLIP's layout: images in base64, and texts with the ids of theirs; as text files, or as LMDB.

Source: OFA-Sys/Chinese-CLIP: ``train_imgs.tsv`` (id, tab, base64), ``train_texts.jsonl`` (``text_id``, ``text``,
``image_ids``), and what ``build_lmdb_dataset.py`` makes of the two: ``lmdb/train/imgs``, of base64 by id, and
``lmdb/train/pairs``, of pickled tuples (image_id, text_id, text) by their numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from mkgc.data.formats import fields, jsonl
from mkgc.data.formats.converted import Placed
from mkgc.data.formats.filenames import encode
from mkgc.data.formats.lmdb_values import lmdb_file, read_values
from mkgc.data.formats.plain_pickle import read_plain
from mkgc.data.formats.text_files import find, read_lines
from mkgc.errors import DataError
from mkgc.images.unpacked import Encoded, unpack_images
from mkgc.inspect.report import Finding

NAMES = {"train": ("train",), "dev": ("valid", "dev", "val"), "test": ("test",)}
"""How the files of each split begin."""

UNPACKED = "unpacked"
"""The folder in which images become files, when they are first read."""

UNPAIRED = "as in MUGE's test, whose pairs are not public: give a split in its place that has some"

NUMBER_OF_PAIRS, NUMBER_OF_IMAGES = "num_samples", "num_images"
"""Keys of the databases that are no pair's and no image's."""


def records(root: Path, split: str, notes: list[Finding]) -> Iterator[Placed]:
    """The texts of a split, each with its images, which are unpacked first; without TSV and LMDB they are ``images/``.

    Raises:
        ConfigError: LMDB is needed, and not installed.
        DataError: A file is missing or cut short, a line or a value cannot be used, or a text has no image.
    """
    folder = _images(root, split, notes)
    listed = next((path for name in NAMES[split] if (path := root / f"{name}_texts.jsonl").is_file()), None)
    pairs = None if listed else _database(root, split, "pairs")
    if pairs is not None:
        yield from _of_pairs(pairs, folder)
    else:
        yield from _of_texts(listed or find(root / f"{NAMES[split][0]}_texts.jsonl"), folder)


def _images(root: Path, split: str, notes: list[Finding]) -> str:
    """The folder of a split's images, from the root on."""
    table = next((path for name in NAMES[split] if (path := root / f"{name}_imgs.tsv").is_file()), None)
    database = None if table else _database(root, split, "imgs")
    source = table or database
    if source is None:
        return "images"
    read = partial(_of_table, source) if table else partial(_of_database, source)
    if broken := unpack_images(root / UNPACKED / split, source, read):
        more = f" and {len(broken) - 1:,} more" if len(broken) > 1 else ""
        notes.append(Finding("warning", f"images that cannot be unpacked, and are missing: {broken[0]}{more}"))
    return f"{UNPACKED}/{split}"


def _database(root: Path, split: str, kind: str) -> Path | None:
    folders = (root / above / name / kind for name in NAMES[split] for above in ("lmdb", "."))
    return next((path for folder in folders if (path := lmdb_file(folder)) is not None), None)


def _of_table(path: Path) -> Iterator[Encoded]:
    for number, line in read_lines(path):
        if line.strip():
            key, tab, text = line.partition("\t")
            if not tab or not key.strip() or "\t" in text:
                raise DataError("a line must be an image's id, a tab and the image in base64", path, number)
            yield Encoded(key.strip(), text.strip(), f"{path}:{number}")


def _of_database(path: Path) -> Iterator[Encoded]:
    for key, text in read_values(path):
        if key != NUMBER_OF_IMAGES:
            yield Encoded(key, text.decode("ascii", "replace"), f"{path}: {key}")


def _of_texts(path: Path, folder: str) -> Iterator[Placed]:
    texts, places = jsonl.require_records(jsonl.read_records(path))
    if not any(text.get("image_ids") for text in texts):
        raise DataError(f"no text has an image (image_ids), {UNPAIRED}", path)
    for text, place in zip(texts, places, strict=True):
        name, images = fields.need(text, "text_id", place), fields.need(text, "image_ids", place)
        if not isinstance(images, list) or not all(isinstance(one, int | str) and f"{one}" for one in images):
            raise DataError(f"'image_ids' must be a list of ids, not {images!r:.40}", place)
        if not images:
            raise DataError(f"the text {name!s:.40} has no image: 'image_ids' is empty", place)
        yield _record(name, fields.need(text, "text", place), images, folder), place


def _of_pairs(path: Path, folder: str) -> Iterator[Placed]:
    """The texts of a database of pairs: pairs of one text are one record."""
    values = dict(read_values(path))
    counted = values.get(NUMBER_OF_PAIRS, b"")
    if not counted.isdigit():
        raise DataError(f"'{NUMBER_OF_PAIRS}' must be a number, not {counted!r:.40}", path)
    if not int(counted):
        raise DataError(f"there is no pair, {UNPAIRED}", path)
    texts: dict[Any, tuple[str, list[Any], str]] = {}
    for key in map(str, range(int(counted))):
        if key not in values:
            raise DataError(f"there is no pair {key} of {int(counted):,}", path)
        image, name, text = _pair(values[key], place := f"{path}: {key}")
        known, images, first = texts.setdefault(name, (text, [], place))
        if known != text:
            raise DataError(f"the id '{name!s:.40}' is that of another text, too ({first})", place)
        images.append(image)
    for name, (text, images, place) in texts.items():
        yield _record(name, text, images, folder), place


def _pair(data: bytes, place: str) -> tuple[Any, Any, str]:
    """An image's id, a text's id and the text.

    Raises:
        DataError: It is anything else.
    """
    try:
        found = read_plain(data)
    except ValueError as error:
        raise DataError(f"the pair {error}", place) from None
    if not isinstance(found, tuple) or len(found) != 3 or not isinstance(found[2], str):
        raise DataError(f"a pair must be an image's id, a text's id and the text, not {found!r:.40}", place)
    return found


def _record(name: Any, text: Any, images: list[Any], folder: str) -> dict[str, Any]:
    return {"id": name, "text": text, "image": [f"{folder}/{encode(str(image))}" for image in images]}
