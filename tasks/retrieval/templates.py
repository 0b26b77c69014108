"""Sentences around names of classes, by which images are classified that no class was learned of."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

from mkgc.errors import DataError

TEMPLATES: dict[str, tuple[str, ...]] = {
    "zh": (
        "{}",
        "{}的照片。",
        "一张{}的照片。",
        "{}的图片。",
        "一张{}的图片。",
        "一幅{}的画。",
        "{}的插图。",
        "{}的图标。",
        "一个{}的特写。",
        "一张清晰的{}的照片。",
    ),
    "en": (
        "{}",
        "a photo of {}.",
        "a photo of a {}.",
        "a picture of {}.",
        "a drawing of {}.",
        "an illustration of {}.",
        "an icon of {}.",
        "a close-up of a {}.",
        "a good photo of a {}.",
        "this is {}.",
    ),
}
"""By language. After those of CLIP (Radford et al., 2021, section 3.1.4) and Chinese-CLIP, with drawings and icons."""

SLOT = "{}"


def find_templates(asked: Any, labels: Sequence[str], place: str) -> tuple[str, ...]:
    """The templates that a record asks for: those of a language, its own, or, if it asks for none, of its labels'.

    Raises:
        DataError: There is no such language, or one has no place for the name.
    """
    if asked is None:
        asked = "zh" if any(map(is_chinese, labels)) else "en"
    if isinstance(asked, str):
        if asked not in TEMPLATES:
            raise DataError(f"'templates' must be {' or '.join(TEMPLATES)}, or a list of sentences with {SLOT}", place)
        return TEMPLATES[asked]
    if not isinstance(asked, list | tuple) or not asked:
        raise DataError(f"'templates' must be a language or a list of sentences with {SLOT}, not {asked!r:.40}", place)
    for one in asked:
        if not isinstance(one, str) or SLOT not in one:
            raise DataError(f"a template has {SLOT} in the place of a name, and {one!r:.40} has none", place)
    return tuple(asked)


def fill(templates: Sequence[str], name: str) -> list[str]:
    """A sentence of each template about a name.

    >>> fill(["a photo of {}."], "a dog")
    ['a photo of a dog.']
    """
    return [template.replace(SLOT, name) for template in templates]


def is_chinese(text: str) -> bool:
    """Whether a text has a Chinese character."""
    return any(unicodedata.name(character, "").startswith("CJK UNIFIED") for character in text)
