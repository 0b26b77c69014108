"""Twitter-2015 and Twitter-2017: tweets with an image and a tag for every token."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

from mkgc.data.formats import crops, fields
from mkgc.data.formats.locate import find_image
from mkgc.data.formats.text_files import find, read_lines
from mkgc.errors import DataError
from tasks.mner.example import TaggedExample

NAMES = {"train": ("train",), "dev": ("valid", "val", "dev"), "test": ("test",)}
"""The files' names for each split."""

MARK = "IMGID:"


class _Block(NamedTuple):
    line: int
    image: str
    tokens: list[str]
    tags: list[str]


def read(root: Path, split: str, groups: Collection[str] = ("image",)) -> list[TaggedExample]:
    """The examples of ``train``, ``dev`` or ``test``, in the order of the file, with their tags as written.

    Images lie in ``images`` or ``*_images`` in the folder, or in ``<folder>_images`` beside it.

    Raises:
        DataError: A file is missing, empty or damaged, or a line cannot be used, as when its tag has an entity type
            that does not occur in train.
    """
    types = None if split == "train" else read_labels(root)
    path = _file(root, split)
    blocks = _blocks(path, types)
    finders = {group: _finder(root, split, group) for group in groups}
    return [
        TaggedExample(
            block.image,
            tuple(block.tokens),
            tuple(block.tags),
            {group: at(block.image) for group, at in finders.items()},
            f"{path}:{block.line}",
        )
        for block in blocks
    ]


def read_labels(root: Path) -> tuple[str, ...]:
    """The entity types that occur in train, sorted.

    Raises:
        DataError: The file is missing or empty, or a line cannot be used.
    """
    tags = {tag for block in _blocks(_file(root, "train")) for tag in block.tags}
    return tuple(sorted({tag[2:] for tag in tags if tag != "O"}))


def _file(root: Path, split: str) -> Path:
    return find(*(root / f"{name}.txt" for name in NAMES[split]))


def _blocks(path: Path, types: Collection[str] | None = None) -> list[_Block]:
    """The sentences of a file; one ends at a blank line, at the next image's, or with the file."""
    blocks: list[_Block] = []
    inside = False
    for number, line in read_lines(path):
        if line.startswith(MARK):
            blocks.append(_Block(number, line.removeprefix(MARK).strip(), [], []))
            inside = True
        elif not line.strip():
            inside = False
        elif inside:
            token, tag = _columns(line, path, number)
            _check(tag, types, path, number)
            blocks[-1].tokens.append(token)
            blocks[-1].tags.append(tag)
        else:
            raise DataError(f"a sentence begins without a line '{MARK}…' for its image", path, number)
    if not blocks:
        raise DataError("is empty", path)
    for block in blocks:
        if not block.tokens:
            raise DataError(f"'{MARK}{block.image:.40}' is followed by no token", path, block.line)
    return blocks


def _columns(line: str, path: Path, number: int) -> tuple[str, str]:
    # Not split(): in the real data a token can be a lone no-break space.
    columns = line.split("\t")
    if len(columns) != 2 or not columns[0]:
        raise DataError(f"expected token<TAB>label, got {line[:40]!r}", path, number)
    return columns[0], columns[1].strip()


def _check(tag: str, types: Collection[str] | None, path: Path, number: int) -> None:
    fields.tag(tag, f"{path}:{number}")
    if types is not None and tag != "O" and tag[2:] not in types:
        known = ", ".join(types)
        raise DataError(f"the tag '{tag}' has a type that train does not ({known})", path, number)


def _finder(root: Path, split: str, group: str) -> Callable[[str], tuple[Path, ...]]:
    if group == "image":
        folders = (root / "images", *_whole_folders(root), root.parent / f"{root.name}_images")
        folder = next((folder for folder in folders if folder.is_dir()), folders[0])
        return lambda image: (find_image((folder,), image) or folder / f"{image}.jpg",)
    cut = _crops(root, NAMES[split]) if group == "crops" else _objects(root)
    return lambda image: cut.of(f"{image}.jpg")


def _whole_folders(root: Path) -> list[Path]:
    return [folder for folder in sorted(root.glob("*_images")) if not folder.name.endswith("_aux_images")]


def _crops(root: Path, names: tuple[str, ...]) -> crops.Crops:
    listed = [path for name in names for path in sorted(root.glob(f"*_{name}_dict.pth"))]
    path = find(*listed, root / f"{root.name}_{names[0]}_dict.pth", why=crops.needed_by("crops"))
    parents = (*sorted(root.glob("*_aux_images")), root.parent / "data_vg" / root.name)
    return crops.read(path, *(parent / name / "crops" for parent in parents for name in names), root / "crops")


def _objects(root: Path) -> crops.Crops:
    # Released as `twitter17_detect` beside `twitter2017`, with names that begin at the folder of both.
    beside = root.parent / f"twitter{root.name[-2:]}_detect"
    listed = [path for folder in (root, beside) for path in sorted(folder.glob("*_img2crop.pth"))]
    path = find(*listed, root / f"{root.name}_img2crop.pth", why=crops.needed_by("objects"))
    return crops.read(path, root / "objects", beside / "crops", root.parent)
