"""Names of entities are found in texts: the longest, from left to right, where words begin and end."""

import random
import resource
import time

import numpy as np
import pytest

from mkgc.data.examples import Span
from mkgc.data.linking import EntityLinker, divides


def linker(*names: str) -> EntityLinker:
    """Each name is that of an entity of its own, whose id is the name."""
    return EntityLinker(names, np.arange(len(names)), names)


def found(text: str, *names: str) -> list[str]:
    return [text[one.start : one.end] for one in linker(*names).link(text)]


def test_a_mention_has_its_characters_and_its_entity() -> None:
    both = EntityLinker(("Rome", "Roma", "罗马"), np.array([1, 1, 1]), ("Q90", "Q220"))
    assert both.link("Ä Rome 在罗马") == [(2, 6, "Q220"), (8, 10, "Q220")]


@pytest.mark.parametrize(
    ("text", "names", "mentions"),
    [
        ("New York City", ["New York", "York City", "New York City"], ["New York City"]),
        ("New York City", ["New York", "York City"], ["New York"]),
        ("New Yorkers", ["New York", "New"], ["New"]),
        ("Rome, Rome", ["Rome"], ["Rome", "Rome"]),
        ("Romeo in rome", ["Rome"], []),
        ("Rome's, Rome-based, (Rome)", ["Rome"], ["Rome", "Rome", "Rome"]),
        ("ROME 1Rome Rome2 _Rome", ["Rome"], []),
        ("", ["Rome"], []),
        (" \n", ["Rome"], []),
    ],
)
def test_the_longest_whole_words_win_from_left_to_right(text: str, names: list[str], mentions: list[str]) -> None:
    assert found(text, *names) == mentions


@pytest.mark.parametrize(
    ("text", "names", "mentions"),
    [
        ("北京大学在北京", ["北京", "北京大学"], ["北京大学", "北京"]),
        ("我在Rome住", ["Rome"], ["Rome"]),
        ("อยู่ในกรุงโรมแล้ว", ["กรุงโรม"], ["กรุงโรม"]),
        ("東京タワーへ", ["東京", "東京タワー"], ["東京タワー"]),
        ("로마는 크다", ["로마"], ["로마"]),
        ("대로마는", ["로마"], []),
        ("Риме и Рим", ["Рим"], ["Рим"]),
        ("Roma\u0301n", ["Roma"], []),
        ("Rome\u200dx", ["Rome"], []),
        ("कीव और की", ["की"], ["की"]),
    ],
)
def test_words_end_where_the_script_sets_them_apart(text: str, names: list[str], mentions: list[str]) -> None:
    assert found(text, *names) == mentions


def test_with_words_given_a_name_is_whole_ones_of_them() -> None:
    text, known = "北京大学生", linker("北京", "北京大学")
    assert [one.entity for one in known.link(text, [Span(0, 2), Span(2, 5)])] == ["北京"]
    assert known.link(text, [Span(0, 5)]) == []


def test_half_characters_and_an_empty_dictionary_do_no_harm() -> None:
    assert found("\ud83d Rome \ude00", "Rome") == ["Rome"]
    assert linker().link("Rome") == []


def test_it_finds_what_a_search_of_every_place_finds() -> None:
    draw = random.Random(0)

    def drawn(length: int) -> str:
        return "".join(draw.choice("ab 马") for _ in range(length))

    for _ in range(200):
        names = {drawn(draw.randint(1, 4)).strip() for _ in range(6)} - {""}
        text, known = drawn(30), linker(*sorted(names))
        assert [(one.start, one.entity) for one in known.link(text)] == searched(text, names)


def searched(text: str, names: set[str]) -> list[tuple[int, str]]:
    """The longest name that begins at each place and is whole words, a place after the other."""
    mentions, at = [], 0
    while at < len(text):
        for name in sorted(names, key=len, reverse=True):
            end = at + len(name)
            begins = at == 0 or divides(text[at - 1], text[at])
            if text.startswith(name, at) and begins and (end == len(text) or divides(text[end - 1], text[end], True)):
                mentions.append((at, name))
                at = end - 1
                break
        at += 1
    return mentions


@pytest.mark.slow
def test_a_million_names_are_a_dictionary_within_a_minute_and_a_gibibyte() -> None:
    names = tuple(f"Place {number:x} of 地{number % 997:x}" for number in range(1_000_000))
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    known = linker(*names)
    assert time.process_time() - began < 60
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20, "KiB"
    assert [one.entity for one in known.link(f"From {names[-1]} to {names[0]}.")] == [names[-1], names[0]]
