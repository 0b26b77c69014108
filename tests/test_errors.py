from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mkgc.errors import LONGEST, ConfigError, DataError, MkgcError, one_line


@pytest.mark.parametrize(
    "error", [MkgcError("x" * 10**6), ConfigError("x" * 10**6), DataError("x" * 10**6, "y" * 10**6, 3)]
)
def test_a_message_is_short_whatever_was_put_into_it(error: MkgcError) -> None:
    assert len(str(error)) <= 2 * LONGEST


def test_a_message_keeps_its_begin_and_its_end() -> None:
    said = str(DataError("the tag '" + "x" * 10**6 + "' is none of O", Path("train.txt"), 3))
    assert said.startswith("train.txt:3: the tag 'xxx")
    assert said.endswith("xxx' is none of O")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("two\nlines\r", "two\\nlines\\r"),
        ("a \x1b[31mred\x1b[0m word", "a \\x1b[31mred\\x1b[0m word"),
        ("half a \ud83d character", "half a \\ud83d character"),
        ("Zürich, 北京", "Zürich, 北京"),
    ],
)
def test_a_message_is_one_line_that_any_terminal_can_show(text: str, line: str) -> None:
    assert one_line(text) == line == str(MkgcError(text))


def test_a_text_of_just_the_right_length_is_left_alone() -> None:
    assert one_line("x" * 20, 20) == "x" * 20
    assert one_line("x" * 21, 20) == "x" * 10 + "…" + "x" * 9


@pytest.mark.parametrize("name", ["root", "format", "shots"])
def test_a_value_of_any_length_is_one_short_line(run: Callable[..., Any], tmp_path: Path, name: str) -> None:
    code, _, err = run("check", "task=mre", "data=jsonl", f"data.root={tmp_path}", f"data.{name}={'z' * 5000}")
    assert (code, len(err) < 2 * LONGEST, err.count("\n")) == (2, True, 1)


def test_names_of_any_length_in_the_data_are_cut_in_the_report(run: Callable[..., Any], tmp_path: Path) -> None:
    triples = [("x" * 5000, "r", "b"), ("b", "y" * 5000, "c"), ("c", "r", "x" * 5000)]
    for split, rows in (("train", triples), ("dev", triples[:1]), ("test", triples[2:])):
        (tmp_path / f"{split}.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
    code, out, err = run("check", "task=link_prediction", "data=tsv", f"data.root={tmp_path}", "backbone=kge/transe")
    assert (code, err) == (1, "")
    assert out.count("x") + out.count("y") < 5000
