"""Long sentences are read in windows: every word once in the middle of one, or as near to it as the sentence allows."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

from mkgc.data.dataset import read_dataset
from mkgc.images.loaded import LoadedImages
from mkgc.inference import Predictor
from mkgc.training.checkpoint import build_task
from tasks.mner.windows import Window, join_windows, windows


@pytest.mark.parametrize("room", [1, 2, 3, 7, 30, 126])
def test_every_word_is_read_and_named_by_one_window(room: int) -> None:
    draw = Random(room)
    for count in (1, 2, 50, 700):
        lengths = [draw.randint(1, max(1, room // 4)) for _ in range(count)]
        found = windows(lengths, room)
        assert [word for window in found for word in window.names] == [*range(count)]
        for window in found:
            assert 0 < sum(lengths[word] for word in window.read) <= room
            assert {*window.names} <= {*window.read}


@pytest.mark.parametrize("room", [30, 126])
def test_a_word_has_a_quarter_of_the_room_on_either_side_where_the_sentence_does(room: int) -> None:
    for window in windows([1] * 700, room):
        read, names = window.read, window.names
        assert names.start - read.start >= room // 4 or read.start == 0
        assert read.stop - names.stop >= room // 4 or read.stop == 700


def test_a_sentence_that_fits_is_one_window() -> None:
    assert windows([3, 4], 7) == [Window(range(2), range(2))]


def test_an_entity_belongs_to_the_window_in_which_it_begins_in_the_middle() -> None:
    first, second = Window(range(0, 8), range(0, 6)), Window(range(4, 12), range(6, 12))
    across, cut_off = ("PER", 5, 8, 0.9), ("PER", 0, 1, 0.8)  # the second begins at the edge of its window
    inside, after = ("LOC", 3, 4, 0.7), ("LOC", 5, 6, 0.6)  # words 7 and 9
    assert join_windows([(first, [across]), (second, [cut_off, inside, after])]) == [across, ("LOC", 9, 10, 0.6)]
    assert join_windows([(first, []), (second, [inside, after])]) == [("LOC", 7, 8, 0.7), ("LOC", 9, 10, 0.6)]


@pytest.fixture
def model(mner_root: Path, tiny: Callable[..., Any]) -> Predictor:
    """An untrained tagger that reads 30 pieces at once, and finds entities everywhere."""
    config = tiny("mner", mner_root, "backbone=text_only", "data.max_length=32")
    torch.manual_seed(1)
    return Predictor(build_task(config, read_dataset(config).processor).eval(), config)


def test_a_sentence_that_fits_is_answered_as_its_only_window(model: Predictor) -> None:
    words = ["We", "saw", "Paris", "Hilton", "again", "and", "saw", "Paris"]
    query = model.task.processor.parse({"tokens": words}, Path(), "")
    ((window, features),) = query.windows
    assert window == Window(range(8), range(8))
    batch = model.task.processor.collate([features], LoadedImages({}, {}))
    assert model.predict([{"tokens": words}]) == [{"query": {"tokens": words}} | model.task.predict(batch)[0]]


@pytest.mark.parametrize("place", [0, 300, 600, 698])
def test_of_700_words_each_part_is_answered_as_if_it_stood_alone(model: Predictor, place: int) -> None:
    draw = Random(place)
    words = [draw.choice(["We", "saw", "again", "Paris", "Hilton"]) for _ in range(700)]
    words[place : place + 2] = ["Paris", "Hilton"]
    query = model.task.processor.parse({"tokens": words}, Path(), "")
    window = next(window for window, _ in query.windows if place in window.names)
    (whole,) = model.predict([{"tokens": words}])
    (alone,) = model.predict([{"tokens": words[window.read.start : window.read.stop]}])

    def seen(answer: Any, shift: int) -> list[Any]:
        entities = [(span["start"] + shift, span["end"] + shift, span["type"]) for span in answer["spans"]]
        return [entity for entity in entities if entity[0] in window.names[3 * (place > 0) :]]

    assert seen(whole, 0) == seen(alone, window.read.start)  # but for what an entity of the window before reaches
    assert seen(whole, 0)
    assert whole["tokens"] == words
    assert "cut" not in whole
