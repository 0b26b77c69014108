"""Settings that refer to others, as OmegaConf writes them: ``${task.epochs}``. No function of its is called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

REFERENCE = re.compile(r"\$\{(\w[\w.]*)\}")

DEEPEST = 5
"""How many references may lead to one another; those of our configurations are two."""


def referred(value: Any, settings: Mapping[str, Any], deepest: int = DEEPEST) -> Any:
    """A value with what it refers to in its place, as far as the settings have it.

    A reference to a section is followed where the section is the whole value, and none within it: nothing grows beyond
    the product of two files.

    >>> referred({"root": "data/${task.name}"}, {"task": {"name": "moods"}})
    {'root': 'data/moods'}
    """
    if isinstance(value, dict):
        return {key: referred(each, settings, deepest) for key, each in value.items()}
    if isinstance(value, list):
        return [referred(each, settings, deepest) for each in value]
    if not isinstance(value, str) or deepest == 0:
        return value
    if whole := REFERENCE.fullmatch(value):
        found = setting(settings, whole[1])
        return value if found is None else _followed(found, settings, deepest - 1)
    return REFERENCE.sub(lambda one: _text(one, settings), value)


def _followed(found: Any, settings: Mapping[str, Any], deepest: int) -> Any:
    """What a reference leads to; of the entries of a section, those that refer to plain values."""
    if not isinstance(found, dict | list):
        return referred(found, settings, deepest)
    entries = found.items() if isinstance(found, dict) else enumerate(found)
    out = {key: REFERENCE.sub(lambda one: _text(one, settings), v) if isinstance(v, str) else v for key, v in entries}
    return out if isinstance(found, dict) else [*out.values()]


def setting(settings: Mapping[str, Any], key: str) -> Any:
    """The value at a dotted key, None where there is none."""
    found: Any = settings
    for part in key.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _text(reference: re.Match[str], settings: Mapping[str, Any]) -> str:
    found = setting(settings, reference[1])
    plain = isinstance(found, str | int | float) and "${" not in str(found)
    return f"{found!s:.200}" if plain else reference[0]
