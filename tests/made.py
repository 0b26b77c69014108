"""Sources of data that are made up in memory instead of read from files."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from mkgc.data.formats import SentenceFormat
from mkgc.data.sentences import SentenceSource
from mkgc.data.settings import DataSettings

Source = TypeVar("Source", bound=SentenceSource)


def made(
    kind: type[Source], labels: Sequence[str], splits: Mapping[str, Sequence[Any]], settings: DataSettings | None = None
) -> Source:
    """A source of sentences with these labels and examples; splits that are not named have none."""

    class Made(kind):  # type: ignore[valid-type]
        formats = {
            "made": SentenceFormat(lambda root, split, groups: splits.get(split, ()), lambda root: tuple(labels))
        }

    return Made(settings or DataSettings("."))
