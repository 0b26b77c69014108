"""Dependency trees: read with a record, followed into word pieces, and cut with the words."""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mkgc.data.dataset import read_dataset
from mkgc.data.examples import Span
from mkgc.data.parses import governor_rows, parse_dependencies, token_governors, within
from mkgc.errors import DataError

TREE = [2, 0, 2]
"""Ada <- saw -> Bob."""


def test_heads_are_those_of_conll_u() -> None:
    assert parse_dependencies(TREE, 3, "here") == (1, -1, 1)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([2, 0], "'dependencies' must be a list of 3 numbers, one a word"),
        ("2 0 2", "'dependencies' must be a list of 3 numbers"),
        ([2, 0, True], "'dependencies' must be a list of 3 numbers"),
        ([2, 0, 4], "'dependencies' has 4 for word 3: give 0 for a root, or another word"),
        ([2, -1, 2], "'dependencies' has -1 for word 2"),
        ([1, 0, 2], "'dependencies' has 1 for word 1"),
    ],
)
def test_what_is_no_tree_is_one_line(value: Any, said: str) -> None:
    with pytest.raises(DataError, match=f"^here: {said}"):
        parse_dependencies(value, 3, "here")


def test_pieces_depend_on_the_first_of_their_word_and_words_on_first_pieces() -> None:
    # [CLS] ada saw bo ##b [SEP]; the fourth word was cut
    assert token_governors((1, -1, 1, 2), {0: 1, 1: 2, 2: 3}, [1, 1, 2, 0], 6) == (-1, 2, -1, 2, 3, -1)


def test_a_part_of_a_sentence_keeps_what_depends_inside() -> None:
    assert within((1, -1, 1, 2), Span(1, 4)) == (-1, 0, 1)
    assert within(None, Span(1, 4)) is None


def test_a_sentence_without_a_parse_is_a_chain_beside_others() -> None:
    assert governor_rows([(-1, 2, -1), None], 4) == [[-1, 2, -1, -1], [-1, 0, 1, 2]]
    assert governor_rows([None, None], 4) is None


def test_the_tree_of_a_record_reaches_the_batch(mre_root: Path, mner_root: Path, tiny: Callable[..., Any]) -> None:
    mention = {"head": [0, 1], "tail": [2, 3]}
    for name, root, more in (("mre", mre_root, mention), ("mner", mner_root, {})):
        dataset = read_dataset(tiny(name, root, "backbone=mega"))
        record = {"tokens": ["ada", "saw", "bob"], "dependencies": TREE, **more}
        item = dataset.processor.parse(record, root, "record")
        if name == "mner":
            item = item.windows[0][1]
        text = dataset.processor.collate([item], dataset.store).text
        words = dataset.processor.tokenizer.pieces(record["tokens"])
        ids, governors = text.ids[0].tolist(), text.governors[0].tolist()
        ada = ids.index(words[0][0])
        saw = ids.index(words[1][0], ada + len(words[0]))
        bob = ids.index(words[2][0], saw + len(words[1]))
        assert (governors[ada], governors[saw], governors[bob]) == (saw, -1, saw)
        plain = read_dataset(tiny(name, root, "backbone=mkgformer")).processor
        item = plain.parse(record, root, "record")
        assert plain.collate([item.windows[0][1] if name == "mner" else item], dataset.store).text.governors is None


def test_mnre_may_have_trees(mre_root: Path, tiny: Callable[..., Any]) -> None:
    file = mre_root / "txt" / "ours_val.txt"
    lines = [ast.literal_eval(line) for line in file.read_text().splitlines()]
    for line in lines:
        line["dependencies"] = [0, *range(1, len(line["token"]))]
    file.write_text("".join(f"{line!r}\n" for line in lines))
    dataset = read_dataset(tiny("mre", mre_root, "backbone=mega"))
    assert dataset.source.splits["dev"][0].governors == tuple(range(-1, len(lines[0]["token"]) - 1))
    assert dataset.source.splits["train"][0].governors is None
