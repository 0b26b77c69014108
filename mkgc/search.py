"""`python -m mkgc.search index=INDEX text="…"|image=FILE`: the images of an index that fit a text or an image best."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig

from mkgc.app.command import exit_on_user_error, require, require_one, run
from mkgc.app.config import check_keys
from mkgc.app.files import check_output, json_text, only_contents, write_whole
from mkgc.app.keys import SEARCH
from mkgc.app.overrides import in_quotes
from mkgc.app.packages import CONF
from mkgc.errors import ConfigError
from mkgc.terminal import say

SHOWN = 40
"""Characters of a text that are printed."""


def search(config: DictConfig) -> dict[str, Any]:
    """Finds images, and writes what was asked for; returns the answer.

    Raises:
        MkgcError: A key has a wrong value, an output cannot be written to, the index cannot be used, or the text or
            image cannot be searched for.
    """
    require(config, "index")
    check_keys(config, SEARCH)
    given = require_one(config, "query", "image")
    if given is None:
        raise ConfigError('give text="…", or image=FILE')
    from mkgc.searching.query import checked_text
    from mkgc.searching.searcher import described, open_searcher

    by_text = given == "query"
    query = checked_text(config.query) if by_text else config.image
    for output in (config.sheet, config.output):
        if output is not None:
            check_output(output, *([] if by_text else [Path(query)]))
    searcher = open_searcher(config.index, config.checkpoint, config.images, config.device, config.trusted)
    if config.sheet is not None and searcher.texts is not None:
        raise ConfigError(f"sheet={config.sheet}: a sheet shows images, and this is an index of texts: leave it out")
    if by_text:
        [hits] = searcher.by_texts([query], config.top_k)
    else:
        [hits] = searcher.by_pixels([searcher.decode(Path(query))], config.top_k)
    answer: dict[str, Any] = {"query": {"text" if by_text else "image": query}, "results": described(searcher, hits)}
    if config.sheet is not None:
        from mkgc.searching.sheet import draw_sheet

        draw_sheet(query if by_text else f"like {query}", answer["results"], Path(config.sheet))
    if config.output is not None:
        write_whole(Path(config.output), json_text(answer, ensure_ascii=False, indent=2) + "\n")
    return answer


def _tell(answer: dict[str, Any], config: DictConfig) -> None:
    results = answer["results"]
    if config.output is None and config.sheet is None:
        for one in results:
            say(f"{one['score']:.4f}  {_named(one)}{_matched(one)}{'  (missing)' if 'missing' in one else ''}")
    else:
        outputs = (output for output in (config.sheet, config.output) if output is not None)
        what = "texts" if results and "text" in results[0] else "images"
        say(f"{len(results):,} {what} into {' and '.join(outputs)}")
    if gone := [one["file"] for one in results if "missing" in one]:
        say(f"{len(gone):,} of them are no longer there, as {gone[0]}: mkgc.index brings it up to date", error=True)


def _named(one: dict[str, Any]) -> str:
    """An image by its name, a text by its name and its beginning."""
    return f"{one['name']}: {one['text'].replace(chr(10), '')[:SHOWN]}" if "text" in one else str(one["image"])


def _matched(one: dict[str, Any]) -> str:
    """The words that a text and an image have matched by, in brackets."""
    return f"  [{' '.join(word['word'] for word in one['words'])}]" if "words" in one else ""


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="search")
@exit_on_user_error
def _main(config: DictConfig) -> None:
    with only_contents(config.output), only_contents(config.sheet):
        _tell(search(config), config)


def _as_query(word: str) -> str:
    """A word of the command line in which the text is a key that Hydra takes for no group, quoted as it needs it.

    Raises:
        QueryError: The text cannot be searched for; Hydra would take long to read a long one.
    """
    key, _, value = word.partition("=")
    if key != "text":
        return word
    from mkgc.searching.query import checked_text

    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return f"query={checked_text(value) if quoted else in_quotes(checked_text(value))}"


def _typed() -> None:
    sys.argv[1:] = map(_as_query, sys.argv[1:])
    _main()


def main() -> None:
    """The command."""
    run(_typed, "search")


if __name__ == "__main__":
    main()
