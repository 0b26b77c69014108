"""`mkgc VERB key=value …`: the same commands as `python -m mkgc.VERB key=value …`."""

from __future__ import annotations

import sys
from importlib import import_module

from mkgc.app.help import VERBS, show_verbs
from mkgc.app.provenance import installed_version
from mkgc.terminal import say


def main() -> None:
    """Hands the arguments behind the verb to the verb's own module."""
    verb = sys.argv[1] if len(sys.argv) > 1 else ""
    if verb == "--version":
        say(f"mkgc {installed_version()}")
    elif verb in ("--help", "-h"):
        show_verbs()
    elif verb in VERBS:
        sys.argv = [f"mkgc {verb}", *sys.argv[2:]]
        import_module(f"mkgc.{verb}").main()
    else:
        known = ", ".join(VERBS)
        say(f"mkgc: no command '{verb}'; choose {known}" if verb else f"usage: mkgc {{{known}}} key=value …")
        sys.exit(2)


if __name__ == "__main__":
    main()
