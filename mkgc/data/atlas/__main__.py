"""`python -m mkgc.data.atlas output=DIR [seed=0]`"""

from __future__ import annotations

import sys
from pathlib import Path

from mkgc.app.command import run
from mkgc.data.atlas import build
from mkgc.errors import ConfigError


def main() -> None:
    """Builds the graph where it is told to."""
    given = dict(argument.partition("=")[::2] for argument in sys.argv[1:])
    if strange := given.keys() - {"output", "seed"}:
        raise ConfigError(f"no such key: {min(strange)}; give output=DIR and, if another graph is wanted, seed=N")
    if not given.get("output"):
        raise ConfigError("give output=DIR")
    if not given.get("seed", "0").isdecimal():
        raise ConfigError(f"seed={given['seed']} must be a whole number")
    build(Path(given["output"]), int(given.get("seed", "0")))


if __name__ == "__main__":
    run(main)
