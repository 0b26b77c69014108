import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from seqeval.scheme import BILOU, IOBES, Entities

from mkgc.errors import DataError
from mkgc.metrics.spans import bio_spans
from tasks.mner.example import TaggedExample
from tasks.mner.schemes import BOUNDED, Noted, Splits, in_one_scheme

NEW_YORK = {
    "IOB2": "B-PER I-PER O B-LOC B-LOC I-LOC I-LOC O B-PER",
    "IOB1": "I-PER I-PER O I-LOC B-LOC I-LOC I-LOC O I-PER",
    "BIOES": "B-PER E-PER O S-LOC B-LOC I-LOC E-LOC O S-PER",
    "BMES": "B-PER E-PER O S-LOC B-LOC M-LOC E-LOC O S-PER",
    "BMEWO": "B-PER E-PER O W-LOC B-LOC M-LOC E-LOC O W-PER",
    "BILOU": "B-PER L-PER O U-LOC B-LOC I-LOC L-LOC O U-PER",
}
"""The same mentions in every scheme."""


def source(train: list[str], dev: Sequence[str] = (), test: Sequence[str] = ()) -> Splits:
    def part(split: str, rows: list[str]) -> list[TaggedExample]:
        tags = [tuple(row.split()) for row in rows]
        return [TaggedExample("7", ("w",) * len(t), t, {}, f"{split}.txt:{9 * i + 1}") for i, t in enumerate(tags)]

    return {"train": part("train", train), "dev": part("dev", dev), "test": part("test", test)}


def tags(read: Noted, split: str = "train") -> list[str]:
    return [" ".join(example.tags) for example in read.splits[split]]


def said(read: Noted) -> list[str]:
    return [note.text for note in read.notes]


@pytest.mark.parametrize("scheme", NEW_YORK)
def test_the_same_mentions_in_any_scheme_are_the_same_in_iob2(scheme: str) -> None:
    read = in_one_scheme(source([NEW_YORK[scheme]]))
    assert tags(read) == [NEW_YORK["IOB2"]]
    assert bio_spans(read.splits["train"][0].tags) == [("PER", 0, 2), ("LOC", 3, 4), ("LOC", 4, 7), ("PER", 8, 9)]


@pytest.mark.parametrize(("scheme", "changed"), [("IOB1", 3), ("BIOES", 4), ("BMES", 5), ("BMEWO", 5), ("BILOU", 4)])
def test_the_scheme_and_the_number_of_rewritten_tags_are_said(scheme: str, changed: int) -> None:
    read = in_one_scheme(source([NEW_YORK[scheme]]))
    assert said(read) == [f"tags: {scheme}, {changed} of 9 rewritten as IOB2, for training and scoring alike"]


def test_iob2_is_said_too_and_left_alone() -> None:
    read = in_one_scheme(source([NEW_YORK["IOB2"]]))
    assert said(read) == ["tags: IOB2, none rewritten"]


def test_inside_tags_alone_are_io_where_each_run_of_a_type_is_a_mention() -> None:
    read = in_one_scheme(source(["I-PER I-PER I-LOC O I-LOC"]))
    assert tags(read) == ["B-PER I-PER B-LOC O B-LOC"]
    assert said(read) == ["tags: IO, 3 of 5 rewritten as IOB2, for training and scoring alike"]


def test_all_splits_together_decide() -> None:
    read = in_one_scheme(source(["S-PER O"], ["B-LOC E-LOC"], ["B-LOC I-LOC E-LOC"]))
    assert [tags(read, split) for split in ("train", "dev", "test")] == [
        ["B-PER O"],
        ["B-LOC I-LOC"],
        ["B-LOC I-LOC I-LOC"],
    ]
    read = in_one_scheme(source(["I-PER O I-LOC"], ["I-PER B-PER"]))
    assert (tags(read), tags(read, "dev")) == (["B-PER O B-LOC"], ["B-PER B-PER"])


def test_a_few_inside_tags_that_continue_nothing_stay_in_iob2_as_in_twitter_2015() -> None:
    read = in_one_scheme(source(["B-PER O B-LOC", "O I-LOC O"]))
    assert tags(read) == ["B-PER O B-LOC", "O I-LOC O"]
    assert said(read) == ["tags: IOB2; 1 I- tags continue no mention: training reads them as B-, scoring as no mention"]


def test_a_split_that_is_iob1_in_a_data_set_of_iob2_is_a_warning() -> None:
    read = in_one_scheme(source(["B-PER O B-LOC", "B-PER"], ["B-PER"], ["I-PER O", "I-LOC"]))
    assert [note.severity for note in read.notes] == ["info", "warning"]
    assert said(read)[1].startswith("2 mentions of test begin with I- and 0 with B-, as in IOB1")


def test_tags_of_two_schemes_are_refused_with_the_first_of_the_rarest_mark() -> None:
    with pytest.raises(DataError) as error:
        in_one_scheme(source(["B-PER I-PER O B-LOC"] * 3, ["O B-PER O", "B-PER E-PER"]))
    assert str(error.value) == (
        "dev.txt:10: the tag 'E-PER' of word 2 fits no scheme together with the others (B- 8, E- 1, I- 3): "
        "all splits must be in one of IOB1, IOB2, IO, BIOES, BMES, BMEWO, BILOU"
    )
    with pytest.raises(DataError, match="train.txt:1: the tag 'L-PER' of word 2 fits no scheme"):
        in_one_scheme(source(["B-PER L-PER S-LOC S-LOC B-PER E-PER E-PER"]))


def test_what_breaks_the_rules_of_a_scheme_is_counted_and_begins_a_mention() -> None:
    read = in_one_scheme(source(["S-PER S-LOC S-PER", "O I-LOC E-LOC O S-PER S-LOC S-LOC S-PER"]))
    assert tags(read)[1] == "O B-LOC I-LOC O B-PER B-LOC B-LOC B-PER"
    assert read.notes[1].severity == "warning"
    assert said(read)[1] == (
        "1 steps between tags break the rules of BIOES, the first at train.txt:10, word 2: "
        "what they cut off is read as a mention of its own"
    )


def test_a_data_set_without_entities_has_no_scheme() -> None:
    assert said(in_one_scheme(source(["O O"]))) == []


@pytest.mark.parametrize(("scheme", "reference"), [(BOUNDED[0], IOBES), (BOUNDED[3], BILOU)])
def test_mentions_are_those_that_seqeval_finds_in_legal_tags(scheme: Any, reference: Any) -> None:
    rng = random.Random(0)
    for _ in range(50):
        row: list[str] = []
        for _ in range(rng.randint(1, 5)):
            kind, size = rng.choice(["PER", "LOC"]), rng.randint(0, 3)
            inside = [f"{scheme.inside}-{kind}"] * (size - 2)
            row += [["O"], [f"{scheme.single}-{kind}"], [f"{scheme.begin}-{kind}", *inside, f"{scheme.end}-{kind}"]][
                min(size, 2)
            ]
        expected = [entity.to_tuple()[1:] for entity in Entities([row], reference).entities[0]]
        assert bio_spans(scheme.rewrite(row)) == expected
        assert all(scheme.legal(*step) for step in pairwise(["O", *row, "O"]))
