"""Lists that people have judged: the figures of each system, against a loop, and files that are none."""

import json
from collections.abc import Callable, Sequence
from math import log2
from pathlib import Path
from random import Random
from typing import Any

import pytest

import mkgc
from mkgc.analysis.judged import judged_figures
from mkgc.data.formats.judgements import JudgedList, JudgedLists, read_judgements
from mkgc.errors import DataError
from tests.conftest import said

TITLES = "Query_image,A@10,-B@10,A_score,-B_score"
ROW = "a.jpg,\"['春, 风', '月']\",\"['月', '雪']\",\"[0.0, 1.0]\",\"[0.5, 0.0]\""


def write(path: Path, *lines: str) -> Path:
    path.write_bytes("".join(f"{line}\r\n" for line in lines).encode())
    return path


def drawn(seed: int) -> JudgedLists:
    """Lists of three systems over few items, some of them short, some judged by nobody."""
    random, items = Random(seed), [f"item {i}" for i in range(12)]

    def one() -> JudgedList:
        listed = random.sample(items, random.choice([4, 10]))
        return JudgedList(tuple(listed), tuple(random.choice([None, 0.0, 0.25, 0.5, 0.75, 1.0]) for _ in listed))

    return JudgedLists("query", tuple("abcdef"), {name: [one() for _ in range(6)] for name in ("x", "y", "z")})


def dcg(gains: Sequence[float]) -> float:
    return sum(gain / log2(rank + 1) for rank, gain in enumerate(gains[:5], 1))


def looped(lists: JudgedLists, system: str) -> list[float]:
    """HR@5, NDCG@5, MRR and the strict NDCG@5 of a system, query by query."""
    found = []
    for number in range(len(lists.queries)):
        pool: dict[str, list[float]] = {}
        for every in lists.systems.values():
            for item, judgement in zip(every[number].items, every[number].judgements, strict=True):
                if judgement is not None:
                    pool[item] = [*pool.get(item, []), judgement]
        mean = {item: sum(given) / len(given) for item, given in pool.items()}
        one = lists.systems[system][number]
        gains = [mean.get(i, 0.0) if j is None else j for i, j in zip(one.items, one.judgements, strict=True)]
        ranks = [rank for rank, gain in enumerate(gains, 1) if gain > 0.5]
        own, best = dcg(sorted(gains, reverse=True)), dcg(sorted(mean.values(), reverse=True))
        found.append(
            [
                float(any(rank <= 5 for rank in ranks)),
                dcg(gains) / own if own else 0.0,
                1 / ranks[0] if ranks else 0.0,
                dcg([mean.get(item, 0.0) for item in one.items]) / best if best else 0.0,
            ]
        )
    return [sum(column) / len(found) for column in zip(*found, strict=True)]


def unjudged(lists: JudgedLists, system: str) -> list[tuple[int, str]]:
    """What a system lists and nobody has judged, with the numbers of the queries."""
    judged = {
        (number, item)
        for every in lists.systems.values()
        for number, one in enumerate(every)
        for item, judgement in zip(one.items, one.judgements, strict=True)
        if judgement is not None
    }
    listed = [(number, item) for number, one in enumerate(lists.systems[system]) for item in one.items]
    return [one for one in listed if one not in judged]


@pytest.mark.parametrize("seed", range(5))
def test_figures_are_those_of_a_loop_also_where_judgements_are_missing(seed: int) -> None:
    lists = drawn(seed)
    for system, figures in judged_figures(lists).items():
        assert [*figures.values()][:4] == pytest.approx(looped(lists, system))
        assert figures["unjudged"] == len(unjudged(lists, system))


def test_an_ideal_of_its_own_list_praises_a_system_that_lists_little_good() -> None:
    good, bad = JudgedList(("a", "b"), (1.0, 1.0)), JudgedList(("c", "d"), (0.25, 0.0))
    figures = judged_figures(JudgedLists("query", ("q",), {"good": [good], "bad": [bad]}))
    assert figures["bad"]["NDCG@5"] == figures["good"]["NDCG@5"] == 1
    best = 1 + 1 / log2(3) + 0.25 / 2
    assert figures["bad"]["strict NDCG@5"] == pytest.approx(0.25 / best)
    assert figures["good"]["strict NDCG@5"] == pytest.approx((best - 0.25 / 2) / best)


def test_what_a_list_repeats_counts_once_against_the_best_of_all_lists() -> None:
    one = judged_figures(JudgedLists("query", ("q",), {"x": [JudgedList(("a", "a"), (1.0, 1.0))]}))["x"]
    assert (one["strict NDCG@5"], one["repeated"]) == (1, 1)


def test_the_command_prints_a_table_and_writes_its_figures(run: Callable[..., Any], tmp_path: Path) -> None:
    file = write(tmp_path / "image_to_poetry.csv", f"\ufeff{TITLES}", ROW, "", ROW.replace("1.0", "nan"))
    code, out, err = run("evaluate", f"judgements={file}", f"output={tmp_path}/figures.json")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "image_to_poetry.csv: 2 queries (Query_image)"
    # In the first row 月 is judged twice, 0.75 on average; in the second in B's list alone, which serves for A's.
    assert "| A | **0.5000** | 0.6309 | **0.2500** | 0.6309 |" in lines
    assert "| -B | 0.0000 | **1.0000** | 0.0000 | **1.0000** |" in lines
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures == mkgc.evaluate(judgements=str(file))


@pytest.mark.slow
def test_the_published_table_follows_from_the_released_judgements(
    run: Callable[..., Any], real: Callable[[str], Path]
) -> None:
    """Table 1 of PKG-Bert (Li et al., 2022), from poems to images."""
    file = real("poetry") / "pkg_bert/evaluation/poetry_to_image.csv"
    out = run("evaluate", f"judgements={file}")[1]
    assert out.splitlines()[4:10] == [
        "| PKG-Bert | **0.4600** | **0.7011** | **0.3607** | **0.5655** |",
        "| -Visual | 0.4000 | 0.6802 | 0.3312 | 0.5491 |",
        "| -KG | 0.1600 | 0.3499 | 0.1120 | 0.2287 |",
        "| BriVL | 0.2600 | 0.4918 | 0.2227 | 0.3400 |",
        "| CLIP | 0.2200 | 0.5193 | 0.1826 | 0.3389 |",
        "| ViLT | 0.2400 | 0.4440 | 0.1667 | 0.3098 |",
    ]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], "is empty"),
        ([TITLES], "has no query below its titles"),
        (["query,A,B"], "no column holds judgements"),
        (["query,A@10,B_score", "q,[],[]"], "has a column of"),
        (["query,A@10,A@10,A_score", "q,[],[],[]"], "two columns have the title 'A@10'"),
        ([TITLES, 'q,"[1]"'], "2 cells, and 5 titles"),
        ([TITLES, ROW.replace("['月', '雪']", "月 雪")], "'-B' is no list as Python writes it"),
        ([TITLES, ROW.replace("[0.5, 0.0]", "__import__('os')")], "'-B_score' is no list as Python writes it"),
        ([TITLES, ROW.replace("[0.5, 0.0]", "[0.5, 2]")], "'-B_score': a judgement is a number from 0 to 1, or None"),
        ([TITLES, ROW.replace("[0.5, 0.0]", "[0.5]")], "'-B' lists 2, and has 1 judgements"),
        ([TITLES, ROW.replace("\"[0.5", "\"['0.5'")], "a judgement is a number from 0 to 1"),
        ([TITLES, 'q,"[1]'], "is no CSV"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_named_with_its_line(tmp_path: Path, lines: list[str], reason: str) -> None:
    file = write(tmp_path / "judged.csv", *lines)
    with pytest.raises(DataError) as found:
        read_judgements(file)
    assert str(found.value).startswith(str(file))
    assert reason in str(found.value)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["checkpoint=x"], "checkpoint and judgements are two different things: give one"),
        (["root=."], "root=. is for checkpoint=PATH, and not for judgements=FILE: leave it out"),
        (["smoke=true"], "smoke=True is for checkpoint=PATH, and not for judgements=FILE: leave it out"),
        (["output=judged.csv"], "output=judged.csv: is judged.csv, which is read: give another file"),
        (["output=nowhere/x.json"], "output=nowhere/x.json: there is no folder"),
    ],
)
def test_keys_of_a_checkpoint_are_refused(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[str], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "judged.csv", TITLES, ROW)
    code, out, err = run("evaluate", "judgements=judged.csv", *given)
    assert (code, out) == (2, "")
    assert reason in said(err)


def test_one_of_both_is_needed(run: Callable[..., Any]) -> None:
    code, _, err = run("evaluate")
    assert (code, said(err)) == (2, "give checkpoint=…, or judgements=FILE.csv")
