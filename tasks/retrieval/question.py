"""What a user asks a trained model: records of texts and images that are to be compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mkgc.data.cutting import Cut
from mkgc.data.examples import ImagePaths
from mkgc.data.formats import fields
from mkgc.data.formats.locate import locate
from mkgc.data.formats.records import files
from mkgc.errors import DataError
from tasks.retrieval.example import GROUP, KEYS, captions
from tasks.retrieval.templates import SLOT, fill, find_templates

LABELS, TEMPLATES = "labels", "templates"

EncodeText = Callable[[str], tuple[tuple[int, ...], Cut | None]]
"""From a text to its ids and what of it was cut."""


@dataclass(frozen=True)
class Question:
    """Texts and images of a record, and which of them are to be ranked, if any.

    ``prompts`` are, for each of the ``texts``, the ids of the sentences that stand for it: its own, or those that
    templates make of a label. ``names`` are what the record calls its images.
    """

    texts: tuple[str, ...]
    prompts: tuple[tuple[tuple[int, ...], ...], ...]
    names: tuple[str, ...]
    images: ImagePaths
    ranked: Literal["texts", "labels", "images"] | None
    cut: Cut | None = None


def parse_question(encode: EncodeText, record: Mapping[str, Any], folder: Path, place: str) -> Question:
    """A record with a ``text`` and several images, of which the best are asked for, or with one ``image`` and ``texts``
    or ``labels``; with one of each, how well they go together is asked for, with one alone its vector.

    Labels are names of classes, which ``templates`` turn into sentences: those of a language ("zh" or "en"; by default
    that of the labels), or a list of sentences with {} in the place of the name.

    Raises:
        DataError: Something is missing or of another kind, or there is no such key.
    """
    given = fields.given(record, place)
    known = KEYS | {LABELS, TEMPLATES}
    if strange := given.keys() - known:
        raise DataError(f"no such key: '{min(map(str, strange))}'; there are {', '.join(sorted(known))}", place)
    names = tuple(files(given[GROUP], f"'{GROUP}'", place)) if GROUP in given else ()
    texts = _texts(given, place)
    templates: tuple[str, ...] = (SLOT,)
    if LABELS in given:
        templates = find_templates(given.get(TEMPLATES), texts, place)
    elif TEMPLATES in given:
        raise DataError(f"'{TEMPLATES}' make sentences of '{LABELS}', and there are none", place)
    ranked = _ranked(given, texts, names, place)
    encoded = [[encode(sentence) for sentence in fill(templates, text)] for text in texts]
    lost = sum(cut.pieces for each in encoded for _, cut in each if cut is not None)
    prompts = tuple(tuple(ids for ids, _ in each) for each in encoded)
    paths = tuple(locate((folder,), name) for name in names)
    return Question(tuple(texts), prompts, names, {GROUP: paths}, ranked, Cut(lost) if lost else None)


def _texts(given: Mapping[str, Any], place: str) -> list[str]:
    """The texts of a record, or its labels."""
    named = [key for key in ("text", "texts", LABELS) if key in given]
    if len(named) > 1:
        raise DataError(f"give one of 'text', 'texts' and '{LABELS}'", place)
    if not named:
        return []
    return captions({"texts": given[LABELS]} if named == [LABELS] else given, place)


def _ranked(
    given: Mapping[str, Any], texts: list[str], names: tuple[str, ...], place: str
) -> Literal["texts", "labels", "images"] | None:
    """Which of texts and images are several."""
    if not texts and not names:
        raise DataError(f"give a text, an image, or both ('text', 'texts', '{LABELS}', '{GROUP}')", place)
    if len(names) > 1 and len(texts) > 1:
        raise DataError("give one text and several images, or one image and several texts", place)
    if LABELS in given:
        if len(names) != 1:
            raise DataError(f"'{LABELS}' are those of one image: give '{GROUP}'", place)
        return "labels"
    if (len(names) > 1 and not texts) or (len(texts) > 1 and not names):
        raise DataError("several are ranked by what they are compared with: give both texts and images", place)
    return "images" if len(names) > 1 else "texts" if len(texts) > 1 else None
