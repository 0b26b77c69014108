"""What leaving out parts of a record changes is what a record without them would be answered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mkgc.explanations.explanation import Explanation
from mkgc.inference import Predictor
from tests.conftest import paint
from tests.explanations.conftest import RECORDS, slow


def effects(one: Explanation) -> dict[str, dict[str, float]]:
    names = [answer.name for answer in one.answers]
    return {effect.part: dict(zip(names, effect.after, strict=True)) for effect in one.effects}


@pytest.mark.slow
def test_what_is_predicted_is_what_predict_says(predictor: Callable[..., Predictor], folder: Path) -> None:
    for task, record in RECORDS.items():
        model = predictor(task)
        (one,), (said,) = model.explain([record], folder), model.predict([record], folder)
        assert isinstance(one, Explanation)
        told = {answer.name: pytest.approx(answer.probability, abs=1e-6) for answer in one.answers}
        if task == "mre":
            assert told == said["scores"]
            assert [a.name for a in one.answers if a.predicted] == [said["relation"]]
        elif task == "mner":
            spans = {f"{s['type']} {s['text']} [{s['start']}, {s['end']})": s["score"] for s in said["spans"]}
            assert told == spans
        else:
            assert told == {entity["name"]: entity["score"] for entity in said["entities"]}


def test_a_record_without_an_image_is_what_leaving_it_out_shows(
    predictor: Callable[..., Predictor], folder: Path
) -> None:
    model, record = predictor("mre"), RECORDS["mre"]
    (one,) = model.explain([record], folder)
    found = effects(one)
    for part, images in {"image red.png": ["blue.png"], "image blue.png": ["red.png"], "all images": []}.items():
        (said,) = model.predict([record | {"image": images}], folder)
        assert found[part] == {name: pytest.approx(score, abs=1e-5) for name, score in said["scores"].items()}
    assert len({round(after["None"], 4) for after in found.values()}) > 3


def test_words_that_are_left_out_tell_nothing_any_more(predictor: Callable[..., Predictor], folder: Path) -> None:
    """Without the head's words a sentence about Ada and one about Eve are the same, and keep everything else."""
    model, record = predictor("mre", "task.vocab_size=1"), RECORDS["mre"]
    other = record | {"text": "Bob and Ada today .", "head": "Bob", "tail": "Ada"}
    ones = [*model.explain([record, other], folder)]
    found = [effects(one) for one in ones]
    both = [{name: pytest.approx(p, abs=1e-5) for name, p in one["all other words"].items()} for one in found]
    assert found[0]["all other words"] != both[1]
    without = [one.effects[3] for one in ones]
    assert [effect.part for effect in without] == ["head Ada", "head Bob"]
    assert ones[0].passes[0].marked == {"head Ada": (2, 3, 4), "tail Bob": (10, 11, 12)}
    left = [answer.probability - after for answer, after in zip(ones[0].answers, without[0].after, strict=True)]
    assert max(map(abs, left)) > 1e-3


def test_an_entity_is_predicted_from_what_stands_around_its_words(explained: Callable[..., Explanation]) -> None:
    one = explained("mner")
    assert one.answers, "the seed of the weights gives no entity"
    found = effects(one)
    assert {answer.name for answer in one.answers} <= {*found}
    for name, places in one.passes[0].marked.items():
        assert places == tuple(range(places[0], places[0] + len(places)))
        assert found[name] != {answer.name: answer.probability for answer in one.answers}


def test_a_described_entity_has_text_and_images_to_leave_out(explained: Callable[..., Explanation]) -> None:
    entity = {"name": "X", "description": "thing number 4", "images": ["red.png"]}
    one = explained("link_prediction", record={"head": entity, "relation": "near"})
    assert one.question == "the described entity is near …?"
    parts = [effect.part for effect in one.effects]
    assert parts == ["image red.png", "text of the described entity", "relation is near"]


def test_an_entity_of_the_graph_has_a_token_a_text_and_its_own_images(
    explained: Callable[..., Explanation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.link_prediction.explained.STOPS", "r")  # of "thing number 2", as if it were "thing: 2"
    one = explained("link_prediction", record={"relation": "likes", "tail": "e/2"})
    assert one.question == "…? likes name 2"
    parts = [effect.part for effect in one.effects]
    assert parts == [
        "image 0.png",
        "token of name 2",
        "text of name 2",
        "“thing number”",
        "“2”",
        "token and text of name 2",
        "relation likes",
    ]
    assert "[name 2]" in one.passes[0].tokens
    assert one.passes[0].tokens[one.passes[0].marked["[MASK]"][0]] == "[MASK]"


def test_images_of_one_name_are_told_apart_and_shown_where_they_are_read(explained: Callable[..., Explanation]) -> None:
    one = explained("link_prediction", record={"head": "e/0", "tail": "e/2"})
    assert [picture.name for picture in one.pictures] == ["e.0/0.png", "e.2/0.png"]
    assert [effect.part for effect in one.effects][:3] == ["image e.0/0.png", "image e.2/0.png", "all images"]
    shown = [{token.image for token in seen.visual} - {None} for seen in one.passes]
    assert shown == [{0}, {1}]


def test_a_question_for_a_relation_shows_both_prompts_of_the_best_one(explained: Callable[..., Explanation]) -> None:
    one = explained("link_prediction", record={"head": "e/0", "tail": "e/1"})
    best = one.answers[0].name
    assert [answer.name for answer in one.answers if answer.predicted] == [best]
    assert len(one.passes) == 2
    assert [f"[{best}]" in seen.tokens for seen in one.passes] == [True, True]
    assert [len(seen.layers) for seen in one.passes] == [2, 0]  # e/1 has no image
    parts = [effect.part for effect in one.effects]
    assert parts == ["image 0.png", "token and text of head name 0", "token and text of tail name 1"]
    assert sum(answer.probability for answer in one.answers) == pytest.approx(1, abs=1e-5)


@pytest.mark.slow
def test_each_record_is_explained_by_its_own_images_whatever_the_others_show(
    predictor: Callable[..., Predictor], folder: Path
) -> None:
    paint(folder / "green.png", "green")
    shown: tuple[list[str], ...] = (
        ["red.png", "blue.png"],
        ["blue.png"],
        [],
        ["red.png", "blue.png"],
        ["green.png", "red.png"],
    )
    records = [RECORDS["mre"] | {"image": images} for images in shown]
    model = predictor("mre", "size.side_trainable_layers=2", "size.trainable_layers=2")
    together = [*model.explain(records, folder, batch_size=2)]
    for record, images, one in zip(records, shown, together, strict=True):
        (alone,) = model.explain([record], folder)
        assert isinstance(one, Explanation)
        assert isinstance(alone, Explanation)
        assert [picture.name for picture in one.pictures] == images
        colours = {picture.name: picture.pixels[0, 0].tolist() for picture in one.pictures}
        assert all(max(value) == value[["red", "green", "blue"].index(name[:-4])] for name, value in colours.items())
        for a, b in zip(one.passes[0].layers, alone.passes[0].layers, strict=True):
            np.testing.assert_allclose(a.text.weights, b.text.weights, rtol=0, atol=1e-5)
        assert effects(one) == {
            part: {name: pytest.approx(p, abs=1e-5) for name, p in after.items()}
            for part, after in effects(alone).items()
        }


@pytest.mark.parametrize(
    ("overrides", "kinds", "note"),
    [
        (["backbone=vilbert"], ("co-attention", "co-attention"), "co-attention has no prefix"),
        slow(["backbone=visualbert"], ("attention in one stream", "attention in one stream"), "in one stream"),
        slow(["backbone=umt"], ("co-attention", "co-attention"), "co-attention has no prefix"),
        (["backbone.fusion.pgi=false"], ("CAF", None), "image tokens do not look at the text"),
    ],
)
def test_other_ways_to_join_text_and_images_show_what_they_have_and_say_what_they_have_not(
    explained: Callable[..., Explanation], overrides: list[str], kinds: Any, note: str
) -> None:
    one = explained("mre", *overrides)
    assert any(said.startswith(note) for said in one.notes)
    (of_pass,) = one.passes
    for layer in of_pass.layers:
        assert layer.text.kind.startswith(kinds[0])
        np.testing.assert_allclose(layer.text.weights.sum(-1) > 0, True)
    seen = of_pass.layers[0].images
    assert (seen.kind if seen else None) == kinds[1]
    if seen and seen.images is not None:
        np.testing.assert_allclose(seen.text.sum(-1) + seen.images.sum(-1), 1, atol=1e-5)
    assert len(one.effects) == 6


@pytest.mark.parametrize("name", ["bert_sg", *map(slow, ("adapcoatt", "umgf", "mega"))])
def test_systems_without_attention_over_patches_show_what_leaving_out_changes(
    predictor: Callable[..., Predictor], folder: Path, name: str
) -> None:
    """An image goes with the scene graph that describes it."""
    scene = {"objects": [{"name": "red", "box": [0, 0, 1, 1]}], "relations": []}
    record = RECORDS["mre"] | ({"scene": scene} if name in ("umgf", "bert_sg", "mega") else {})
    model = predictor("mre", f"backbone={name}")
    (one,) = model.explain([record], folder)
    assert any("no attention of text tokens over patches" in note for note in one.notes)
    assert one.passes[0].layers == ()
    assert [picture.name for picture in one.pictures] == ["red.png", "blue.png"]
    for part, images in {"image red.png": ["blue.png"], "all images": []}.items():
        (said,) = model.predict([RECORDS["mre"] | {"image": images}], folder)
        assert effects(one)[part] == {name: pytest.approx(p, abs=1e-5) for name, p in said["scores"].items()}
