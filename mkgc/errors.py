"""Errors a user can cause: commands print the message and exit with 2; anything else is a bug and keeps its trace."""

from __future__ import annotations

from pathlib import Path

LONGEST = 1000
"""Characters of a message: what is wrong with many keys fits, the content of a file does not."""


def one_line(text: str, longest: int = LONGEST) -> str:
    """The text without its middle, if it is too long, and with escapes for what would break or colour a line.

    >>> one_line("two lines\\nand a very long end", 20)
    'two lines\\\\n… long end'
    """
    if len(text) > longest:
        text = f"{text[: longest // 2]}…{text[len(text) - (longest - longest // 2) + 1 :]}"
    return printable(text)


def unfolded(text: str, *hidden: str) -> str:
    """Several lines in one, without empty ones and those that begin with what is ``hidden``.

    >>> unfolded("Key 'foo' is not known\\n    full_key: foo\\n  To add it, use +", "full_key:")
    "Key 'foo' is not known To add it, use +"
    """
    lines = (line.strip() for line in text.splitlines())
    return " ".join(line for line in lines if line and not line.startswith(hidden))


def printable(text: str) -> str:
    """The text with escapes for what is no visible sign: line ends, terminal commands, marks of direction, half signs.

    >>> printable("red: \\x1b[31m")
    'red: \\\\x1b[31m'
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class MkgcError(Exception):
    """A mistake that the user can mend; the message says in one line what was wrong and what would be right."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class ConfigError(MkgcError):
    """A key, a value or a combination of them that cannot be run."""


class DataError(MkgcError):
    """A file or a line of the user's data that cannot be used.

    The message reads ``path:line: reason``, as far as path and line are known.
    """

    def __init__(self, reason: str, path: Path | str | None = None, line: int | None = None) -> None:
        place = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        super().__init__(one_line(place) + one_line(reason, LONGEST // 2))


class CheckpointError(MkgcError):
    """A checkpoint that is missing, damaged or of another kind."""


class ImagesNeededError(ConfigError):
    """A model that cannot do without the images of its examples."""


class DivergedError(MkgcError):
    """Training that has led to numbers that are not finite."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"training has diverged: {what}; the last good best.ckpt, if any, is kept: lower optim.lr, or lengthen "
            "optim.warmup"
        )
