"""Chinese in traditional and in simplified characters."""

from __future__ import annotations

from functools import cache

import opencc

SCRIPTS = {"zh-Hans": "t2s", "zh-Hant": "s2t"}
"""Tags of the scripts (BCP 47), and how OpenCC names the conversion to each."""


@cache
def _converter(language: str) -> opencc.OpenCC:
    return opencc.OpenCC(SCRIPTS[language])


def in_script(text: str, language: str | None) -> str:
    """A text in the characters of a script (:data:`SCRIPTS`); None leaves it as it is written.

    >>> in_script("明月松間照", "zh-Hans"), in_script("明月松间照", "zh-Hant"), in_script("間", None)
    ('明月松间照', '明月松間照', '間')
    """
    return text if language is None else str(_converter(language).convert(text))
