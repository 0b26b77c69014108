"""The images nearest to words, by the vectors of a model of two towers; what is found is kept as it is found."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mkgc.searching.searcher import Searcher

CHUNK = 64
"""Words that are looked up, and kept, together."""

Shown = dict[str, list[tuple[str, float]]]
"""Of each word its images, with their similarities."""


def nearest_images(
    searcher: Searcher, words: Sequence[str], most: int, kept: Path, done: Callable[[int], object]
) -> Shown:
    """The ``most`` images nearest to each word, those of equal similarity by name.

    Words that the file ``kept`` has from a run that was killed are not looked up again; ``done`` is told how many
    more are known.
    """
    header = {"digest": searcher.encoder.digest, "images": len(searcher.names), "most": most}
    found = _read(kept, header)
    missing = [word for word in words if word not in found]
    done(len(words) - len(missing))
    if not found:
        kept.write_text(json.dumps(header) + "\n", "utf-8")
    with kept.open("a", encoding="utf-8") as file:
        for first in range(0, len(missing), CHUNK):
            part = missing[first : first + CHUNK]
            for word, hits in zip(part, searcher.by_texts(part, most), strict=True):
                near = sorted((-hit.score, str(searcher.path(hit.number))) for hit in hits)
                found[word] = [(name, -score) for score, name in near]
                file.write(json.dumps([word, found[word]]) + "\n")
            file.flush()
            done(len(part))
    return {word: found[word] for word in words}


def _read(path: Path, header: Any) -> Shown:
    """What a run has kept that looked for the same; a line that it did not end is left out, and cut off."""
    if not path.is_file():
        return {}
    text = path.read_text("utf-8", "replace")
    whole = text[: text.rfind("\n") + 1]
    first, *lines = whole.splitlines() or [""]
    if first != json.dumps(header):
        return {}
    path.write_text(whole, "utf-8")
    return {word: [(name, score) for name, score in near] for word, near in map(json.loads, lines)}
