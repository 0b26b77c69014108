"""The null relation: the label that says there is no relation, which is predicted like any, but not scored."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mkgc.data.near import suggest
from mkgc.data.notes import note_twins
from mkgc.data.sentences import SentenceSource
from mkgc.errors import ConfigError, DataError
from mkgc.inspect.report import Finding
from mkgc.relations.processor import PairProcessor

KEY = "task.data.null_relation"

WEAK = frozenset({"other", "others", "其他", "其它"})
"""Names that are taken only where no other one occurs: beside 'None' or 'NA', 'Other' is a relation of its own."""


def find_null(labels: Sequence[str], names: str | Sequence[str] | None) -> str | None:
    """The null relation among the labels: the one that is named, or the one with one of several names it may have.

    Of several names, letters and digits are compared, in any case: ``no_relation`` is ``No Relation``.

    Raises:
        ConfigError: No label has the one name, or several have one of the names.

    >>> find_null(["Other", "NA", "born_in"], ["na", "other"])
    'NA'
    """
    if isinstance(names, str):
        if names not in labels:
            known = ", ".join(labels[:10]) + (", …" if len(labels) > 10 else "")
            unknown = f"{KEY}={names:.40}: no relation of the data has that name; there are {known}"
            raise ConfigError(f"{unknown}{suggest(names, labels)}")
        return names
    known_names = {_plain(name) for name in names or ()}
    found = [label for label in labels if _plain(label) in known_names]
    strong = [label for label in found if _plain(label) not in WEAK] or found
    if len(strong) > 1:
        listed = ", ".join(f"'{label}'" for label in strong)
        raise ConfigError(f"{listed} may each say that there is no relation: give {KEY}=NAME, or null if all count")
    return strong[0] if strong else None


def choose_null(
    source: SentenceSource, processor: PairProcessor | None, names: str | list[str] | None
) -> tuple[str | None, tuple[Finding, ...]]:
    """The null relation of a trained model's ``processor``, or of a new model (:func:`find_null`), and what is said.

    Raises:
        ConfigError: A new model's is not to be found.
        DataError: A new model would learn but one relation.
    """
    known = {example.relation for example in source.splits["train"]}
    if processor is None and len(known) < 2:
        root = source.settings.root
        raise DataError(f"train has one relation only, '{min(known)}': there is nothing to tell apart", root)
    null = processor.null_relation if processor else find_null(source.labels, names)
    silent = source.note_silent(lambda example: example.relation != null, "a relation")
    return null, (note_null(null), *note_twins("relations", source.labels), *silent)


def note_null(name: str | None) -> Finding:
    """The relations that are scored."""
    if name is None:
        return Finding("info", f"null relation: none found, so every relation counts in F1 ({KEY} names one)")
    return Finding("info", f"null relation: '{name}', which does not count in F1 ({KEY})")


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())
