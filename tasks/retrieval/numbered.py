"""Flickr8k-CN, Flickr30k-CN and COCO-CN: captions with numbers, one a line, and lists of the images of each split.

Source: Li et al., "Adding Chinese Captions to Images" (2016; li-xirong/flickr8kcn); Lan et al., "Fluency-Guided
Cross-Lingual Image Captioning" (2017: Flickr30k-CN); Li et al., "COCO-CN for Cross-Lingual Image Tagging, Captioning
and Retrieval" (2019; li-xirong/coco-cn). A line is ``IMAGE#zhc#0 caption`` (Flickr8k-CN, Flickr30k-CN) or
``IMAGE#0<tab>caption`` (COCO-CN).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from mkgc.data.formats.converted import Placed
from mkgc.data.formats.filenames import stem
from mkgc.data.formats.text_files import find, read_lines
from mkgc.errors import DataError
from mkgc.inspect.report import Finding
from mkgc.terminal import plural

LINE = re.compile(r"([^#\s]+)((?:#\w+)*#\d+)(?:\t|\s)(.*)")
"""Name of an image, what numbers its caption, and the caption."""

FLICKR8K = {"train": "flickr8ktrain", "dev": "flickr8kval", "test": "flickr8ktest"}
FLICKR30K = {"train": "flickr30kzhbbosontrain", "dev": "flickr30kzhbbosonval", "test": "flickr30kzhmbosontest"}
"""Folders of Flickr30k-CN: train and dev are machine translations (zhb), test is that of people (zhm)."""

COCO = {"train": "coco-cn_train", "dev": "coco-cn_val", "test": "coco-cn_test"}

FLICKR8K_IMAGES = ("images", "Flicker8k_Dataset", "Flickr8k_Dataset", "Images")
FLICKR30K_IMAGES = ("images", "flickr30k-images", "flickr30k_images")
COCO_IMAGES = {"COCO_train2014_": "train2014", "COCO_val2014_": "val2014"}
"""Folders of the original images, by how COCO's names begin."""

PART_OF_SPEECH = re.compile(r":[A-Za-z]+$")
"""Behind each word of Flickr30k-CN's test, by the program that has cut it into words (``警车:n``)."""

CUT = re.compile(r"(?<![A-Za-z0-9]) | (?![A-Za-z0-9])")
"""A space that only stands between Chinese words."""


def flickr8k(root: Path, split: str, notes: list[Finding], translated: bool = False) -> Iterator[Placed]:
    """Flickr8k-CN's captions written by people, five an image; ``translated``: test has those translated by people.

    Raises:
        DataError: A file is missing or empty, a line is malformed, or two captions have one number.
    """
    captions = "flickr8kzhmtest.captions" if translated and split == "test" else "flickr8kzhc.caption"
    yield from _of_split(
        find(root / f"{captions}.txt"),
        find(root / f"{FLICKR8K[split]}.txt"),
        _images_in(root, FLICKR8K_IMAGES),
        notes,
    )


def flickr30k(root: Path, split: str, notes: list[Finding]) -> Iterator[Placed]:
    """Flickr30k-CN's captions, put together again of their words; raises as :func:`flickr8k` does."""
    folder = root / FLICKR30K[split]
    yield from _of_split(
        find(folder / "TextData" / f"seg.{FLICKR30K[split]}.caption.txt"),
        find(folder / "ImageSets" / f"{FLICKR30K[split]}.txt"),
        _images_in(root, FLICKR30K_IMAGES),
        notes,
        together,
    )


def coco(root: Path, split: str, notes: list[Finding]) -> Iterator[Placed]:
    """COCO-CN's captions written by people, one or two an image; raises as :func:`flickr8k` does."""
    listed = find(root / f"{COCO[split]}.txt")
    yield from _of_split(find(root / "imageid.human-written-caption.txt"), listed, _coco_images(root), notes)


def coco_extension(root: Path, split: str, notes: list[Finding]) -> Iterator[Placed]:
    """The later captions of COCO-CN, which have no splits; raises as :func:`flickr8k` does."""
    where = _coco_images(root)
    for name, record, place in _captions(find(root / "coco-cn_ext.icap2020.txt"), str):
        yield record | {"image": where(name)}, place


def together(words: str) -> str:
    """A caption of which a program has made words, as it was written.

    >>> together("一个:m 穿:v T 恤 的:ude 人:n  在 骑 车")
    '一个穿T恤的人，在骑车'
    """
    parts = (" ".join(PART_OF_SPEECH.sub("", word) for word in part.split()) for part in re.split(r"\s{2,}", words))
    return "，".join(CUT.sub("", part) for part in parts if part)


def _of_split(
    captions: Path,
    listed: Path,
    where: Callable[[str], str],
    notes: list[Finding],
    clean: Callable[[str], str] = str,
) -> Iterator[Placed]:
    """The captions of the images that a list names, in the order of their own file."""
    images = dict.fromkeys(stem(line.strip()) for _, line in read_lines(listed) if line.strip())
    if not images:
        raise DataError("is empty", listed)
    described = set()
    for name, record, place in _captions(captions, clean):
        if name in images:
            described.add(name)
            yield record | {"image": where(name)}, place
    if without := [name for name in images if name not in described]:
        said = f"{len(without):,} {plural(len(without), 'image', 'images')} of {listed.name} without a caption"
        notes.append(Finding("warning", f"{said} in {captions.name}, as {without[0]:.60}: left out"))


def _captions(path: Path, clean: Callable[[str], str]) -> Iterator[tuple[str, dict[str, str], str]]:
    """The image of each caption, its record and its place."""
    for number, line in read_lines(path):
        if not line.strip():
            continue
        found = LINE.fullmatch(line)
        if found is None:
            raise DataError(f"a line must be IMAGE#0 and a caption, not {line.strip()[:40]!r}", path, number)
        name, key, text = found.groups()
        if not (caption := clean(text.strip())):
            raise DataError(f"the caption {name}{key} is empty", path, number)
        yield stem(name), {"id": f"{name}{key}", "text": caption}, f"{path}:{number}"


def _coco_images(root: Path) -> Callable[[str], str]:
    inside = "images/" if (root / "images").is_dir() else ""
    apart = any((root / inside / folder).is_dir() for folder in COCO_IMAGES.values())

    def where(name: str) -> str:
        folder = next((f"{folder}/" for start, folder in COCO_IMAGES.items() if name.startswith(start)), "")
        return f"{inside}{folder if apart else ''}{name}.jpg"

    return where


def _images_in(root: Path, names: Sequence[str]) -> Callable[[str], str]:
    """The file of an image in the first of some folders that is there."""
    folder = next((name for name in names if (root / name).is_dir()), names[0])
    return lambda name: f"{folder}/{name}.jpg"
