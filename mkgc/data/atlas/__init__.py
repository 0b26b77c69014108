"""The Atlas: a real graph of the world's countries with maps for pictures, built in seconds from two packages."""

from __future__ import annotations

import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from random import Random

from mkgc.data.atlas import mentions, relations, triples
from mkgc.data.atlas.facts import countries

FORMAT = 1
"""Raised when the same seed begins to give other bytes."""

SETS = {"link_prediction": triples.write, "mre": relations.write, "mner": mentions.write}


def build(output: Path, seed: int = 0) -> None:
    """Writes the three data sets below ``output``: all of it or nothing; what is there of this seed is kept."""
    stamp = _stamp(seed)
    if (output / "SOURCES.md").is_file() and (output / "SOURCES.md").read_text(encoding="utf-8") == stamp:
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    facts = countries()
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as beside:
        for name, write in SETS.items():
            print(f"Atlas: drawing {name}", flush=True)
            write(Path(beside) / name, facts, Random(f"{seed}/{name}"))
        (Path(beside) / "SOURCES.md").write_text(stamp, encoding="utf-8")
        if output.exists():
            shutil.rmtree(output)
        Path(beside).rename(output)
        Path(beside).mkdir()  # for the context manager to remove
    print(f"Atlas: built in {output}")


def _stamp(seed: int) -> str:
    return f"""# The Atlas graph

Built by `python -m mkgc.data.atlas` with seed {seed}, format {FORMAT}.

- Facts, outlines and borders: the package countryinfo {version("countryinfo")} (MIT).
- Names of languages, currencies and, in Chinese, of countries: Unicode CLDR, in the package babel {version("babel")}
  (BSD; CLDR under the Unicode licence).
- Pictures: drawn from those outlines. A country without an outline has none; where a sentence needs its map all the
  same, it is a disc of the country's own area at its capital.
- Sentences: templates of this project, filled with those names.

The facts are the packages': borders are taken as shared where either side lists the other. No claim about any disputed
border or name is made.
"""
