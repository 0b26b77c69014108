"""The Atlas: a real graph of the world's countries with maps for images, built in seconds from two packages."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from random import Random

from rich.progress import track

from mkgc.app.scratch import scratch
from mkgc.data.atlas import mentions, relations, triples
from mkgc.data.atlas.facts import countries
from mkgc.errors import DataError
from mkgc.terminal import say

FORMAT = 1
"""Raised when the same seed begins to give other bytes."""

TITLE = "# The Atlas graph"

HOME = Path("data/atlas")
"""Where `conf/data/atlas.yaml` has it."""

SETS = {"link_prediction": triples.write, "mre": relations.write, "mner": mentions.write}


def build(output: Path, seed: int = 0) -> None:
    """Writes the three data sets below ``output``: all of it or nothing; what is there of this seed is kept.

    An Atlas of another seed or format is replaced, anything else never.

    Raises:
        DataError: ``output`` holds something that is no Atlas, or cannot be written.
    """
    output, stamp = output.resolve(), _stamp(seed)
    if _reads(output) == stamp:
        return
    _spare(output)
    try:
        with scratch(output) as beside:
            _draw(beside / "fresh", seed, stamp)
            if _reads(output) != stamp:  # another process may have been faster
                _replace(output, beside / "fresh", beside / "old", stamp)
    except OSError as error:
        reason = f"cannot be built: {error.strerror}; name a place that can be written and has room"
        raise DataError(reason, output) from error
    say(f"Atlas: built in {output}")


def _draw(fresh: Path, seed: int, stamp: str) -> None:
    facts = countries()
    for name, write in track(SETS.items(), "Atlas", transient=True, disable=not sys.stdout.isatty()):
        say(f"Atlas: drawing {name}")
        write(fresh / name, facts, Random(f"{seed}/{name}"))
    (fresh / "SOURCES.md").write_text(stamp, encoding="utf-8")


def _reads(folder: Path) -> str | None:
    """What the folder says of itself; None where it is no Atlas."""
    page = folder / "SOURCES.md"
    text = page.read_text(encoding="utf-8", errors="replace") if page.is_file() else ""
    return text if text.startswith(TITLE) else None


def _spare(output: Path) -> None:
    """Refuses to build where a user's files lie.

    ``data.root`` without ``data=folder`` ends here, too: the folder above it is taken for an Atlas.
    """
    if not output.exists():
        return
    found = {path.name for path in output.iterdir()} if output.is_dir() else {output.name}
    strange = found - {*SETS, "SOURCES.md"} if _reads(output) else found
    if strange:
        reason = f"holds {min(strange)}, which is not of an Atlas"
        raise DataError(f"{reason}: name a new or empty folder, or read your own files with data=folder", output)


def _replace(output: Path, fresh: Path, old: Path, stamp: str) -> None:
    """Moves what is there out of the way and the new one in, unless another process has just done so."""
    if output.exists():
        output.rename(old)
    try:
        fresh.rename(output)
    except OSError:
        if _reads(output) != stamp:
            raise


def _stamp(seed: int) -> str:
    return f"""{TITLE}

Built by `python -m mkgc.data.atlas` with seed {seed}, format {FORMAT}.

- Facts, outlines and borders: the package countryinfo {version("countryinfo")} (MIT).
- Names of languages, currencies and, in Chinese, of countries: Unicode CLDR, in the package babel {version("babel")}
  (BSD; CLDR under the Unicode licence).
- Images: drawn from those outlines. A country without an outline has none; where a sentence needs its map all the
  same, it is a disc of the country's own area at its capital.
- Sentences: templates of this project, filled with those names.

The facts are the packages': borders are taken as shared where either side lists the other. No claim about any disputed
border or name is made.
"""
