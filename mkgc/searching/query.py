"""What can be searched for, and by what code a question that cannot is told."""

from __future__ import annotations

from mkgc.errors import DataError

LONGEST = 10_000
"""Characters of a text that is looked for: more than any model reads, and few enough to be split at once."""


class QueryError(DataError):
    """A question that cannot be answered; ``code`` tells its reason to whoever says it in other words."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def checked_text(text: str) -> str:
    """A text that can be looked for, without spaces around it.

    Raises:
        QueryError: It is empty, or longer than any model reads.
    """
    if len(text) > LONGEST:
        reason = f"the text has {len(text):,} characters, and {LONGEST:,} can be searched for at most"
        raise QueryError("long", reason)
    stripped = text.encode("utf-8", "replace").decode().strip()  # half signs are none that a tokeniser takes
    if not any(sign.isprintable() and not sign.isspace() for sign in stripped):
        raise QueryError("empty", "the text is empty: give some words to search for")
    return stripped
