"""An unknown id or name is answered with those that it may be a slip of."""

import time
from pathlib import Path

import pytest

from mkgc.data.formats.triples import Index
from mkgc.data.near import NearTexts, suggest
from mkgc.data.vocabulary import Vocabulary
from mkgc.errors import DataError

NAMES = ["France", "Germany", "Niger", "Nigeria", "South Korea", "North Korea", "大韩民国"]


@pytest.mark.parametrize(
    ("wanted", "first"),
    [
        ("Frnace", "France"),
        ("germany ", "Germany"),
        ("NIGERIA", "Nigeria"),
        ("Korea", "South Korea"),
        ("大韩国", NAMES[6]),
    ],
)
def test_slips_case_and_spaces_are_seen_through(wanted: str, first: str) -> None:
    assert NearTexts(NAMES).find(wanted)[0] == first


@pytest.mark.parametrize("wanted", ["Wyoming", "", "\ud800", "17"])
def test_what_is_like_nothing_gets_no_suggestion(wanted: str) -> None:
    assert suggest(wanted, [*NAMES, "1", "7", "170"]) == ""
    assert suggest(wanted, []) == ""


def test_several_are_told_by_how_like_they_are() -> None:
    assert suggest("Nigera", ["France", "Niger", "Nigeria"]) == "; did you mean 'Nigeria' or 'Niger'?"


def test_the_index_of_a_vocabulary_knows_ids_and_names() -> None:
    countries = Vocabulary("entity", ["country/FR", "country/DE"], ["France", "Germany"])
    with pytest.raises(DataError, match=r"here: the entity 'Frace' is unknown; did you mean 'France'\?"):
        countries.find("Frace", "here")
    with pytest.raises(DataError, match=r"'country/fr' is unknown; did you mean 'country/FR' or 'country/DE'\?"):
        countries.find("country/fr", "here")


def test_a_line_of_triples_that_names_what_its_list_lacks() -> None:
    relations = Index("relation", ["borders", "speaks"], "relations.txt")
    with pytest.raises(
        DataError, match=r"train.tsv:3: .*'boarders', which relations.txt does not list; did you mean 'b"
    ):
        relations.find("boarders", Path("train.tsv"), 3)


def test_it_takes_a_moment_among_a_hundred_thousand() -> None:
    near = NearTexts(f"entity number {i}" for i in range(100_000))
    before = time.process_time()
    assert near.find("entty number 777")[0] == "entity number 777"
    assert time.process_time() - before < 1
