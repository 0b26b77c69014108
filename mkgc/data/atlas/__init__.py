"""The Atlas: the real world's countries with maps for images, drawn in seconds from two packages; a data set a task."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from importlib.metadata import version
from pathlib import Path
from random import Random

from mkgc.app.scratch import scratch
from mkgc.data.atlas.facts import Country, countries
from mkgc.errors import DataError
from mkgc.terminal import say

FORMAT = 3
"""Raised when the same seed begins to give other bytes, or to put them elsewhere."""

TITLE = "# The Atlas graph"

HOME = Path("data/atlas")
"""Where `conf/data/atlas.yaml` has the tasks' data sets."""

Draw = Callable[[Path, Mapping[str, Country], Random], None]
"""Writes a data set of the countries into a folder that is there not yet (:meth:`DataSource.draw_atlas`)."""


def build(output: Path, name: str, draw: Draw, seed: int = 0) -> None:
    """Writes a data set into ``output``, all of it or nothing; what is there of this seed is kept.

    ``name`` tells the data sets of one seed apart. An Atlas of another seed or format is replaced, anything else never.

    Raises:
        DataError: ``output`` holds something that is no Atlas, or cannot be written.
    """
    output, stamp = output.resolve(), _stamp(seed)
    if _reads(output) == stamp:
        return
    if not _reads(output):
        _spare(output, ())
    try:
        with scratch(output) as beside:
            say(f"Atlas: drawing {name}")
            draw(beside / "fresh", countries(), Random(f"{seed}/{name}"))
            (beside / "fresh" / "SOURCES.md").write_text(stamp, encoding="utf-8")
            if _reads(output) != stamp:  # another process may have been faster
                _spare(output, [path.name for path in (beside / "fresh").iterdir()])
                _replace(output, beside / "fresh", beside / "old", stamp)
    except OSError as error:
        reason = f"cannot be built: {error.strerror}; name a place that can be written and has room"
        raise DataError(reason, output) from error
    say(f"Atlas: built in {output}")


def _reads(folder: Path) -> str | None:
    """The folder's description of itself; None where it is no Atlas. (Format 1 had one page above all data sets.)"""
    pages = [page for page in (folder / "SOURCES.md", folder.parent / "SOURCES.md") if page.is_file()]
    text = pages[0].read_text(encoding="utf-8", errors="replace") if pages else ""
    return text if text.startswith(TITLE) else None


def _spare(output: Path, own: Collection[str]) -> None:
    """Refuses to build where files lie beside an Atlas' ``own``, as with ``data.root`` without ``data=folder``."""
    if not output.exists():
        return
    found = {path.name for path in output.iterdir()} if output.is_dir() else {output.name}
    if strange := found.difference(own):
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

Built by mkgc (`data=atlas data.atlas_seed={seed}`), format {FORMAT}.

- Facts, outlines and borders: the package countryinfo {version("countryinfo")} (MIT).
- Names of languages, currencies and, in Chinese, of countries: Unicode CLDR, in the package babel {version("babel")}
  (BSD; CLDR under the Unicode licence).
- Images: drawn from those outlines. A country without an outline has none; where a sentence needs its map all the
  same, it is a disc of the country's own area at its capital.
- Scene graphs: what is seen in those images, by their pixels and outlines; no name of a country is among it.
- Sentences: templates of this project, filled with those names.
- Poems, where a task reads some: classical, long in the public domain; pictures of their words: drawn by this project.

The facts are the packages': borders are taken as shared where either side lists the other. No claim about any disputed
border or name is made.
"""
