"""Entities that the graph does not have, given by description and images."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mkgc.errors import DataError
from mkgc.inference import Predictor
from tasks.link_prediction.batch import EncodedEntity
from tasks.link_prediction.known import Known
from tests.conftest import paint

DESCRIBED = {"name": "Mu", "description": "thing number 0"}


@torch.no_grad()
def test_a_described_entity_is_shown_as_a_hidden_one_is_in_training_but_for_its_text(
    built: Callable[..., Any], kg_root: Path
) -> None:
    model, dataset, _ = built("backbone=mkgformer")
    processor = dataset.processor
    image = next((kg_root / "images" / "e.0").iterdir())
    new = {"name": "Mu", "description": "thing number 0", "images": [image.name]}
    for target, record in (("tail", {"head": new}), ("head", {"tail": new})):
        item = processor.parse({**record, "relation": "near"}, image.parent, "here")
        batch = processor.collate([processor.query(0, 0, target)], dataset.store)
        own = int(batch.text.ids[0].tolist().index(processor.tokenizer.size))
        mask = batch.text.mask.clone()
        mask[0, own] = False
        hidden = replace(batch, text=replace(batch.text, mask=mask))
        described = processor.collate([item], dataset.store)
        torch.testing.assert_close(model.scores(described), model.scores(hidden), rtol=0, atol=1e-6)
        assert not torch.equal(model.scores(described), model.scores(batch))
        assert described.anchor_positions.sum() == batch.anchor_positions.sum() - 1


@torch.no_grad()
def test_sequences_read_a_described_entity_as_one_of_the_graph(built: Callable[..., Any]) -> None:
    model, dataset, _ = built("backbone=kg_bert")
    processor = dataset.processor
    asked = [{"head": DESCRIBED, "relation": "near"}, {"relation": "likes", "tail": DESCRIBED}]
    found = model.scores(processor.collate([processor.parse(one, Path(), "here") for one in asked], dataset.store))
    same = [processor.query(0, 0, "tail"), processor.query(3, 1, "tail"), processor.query(0, 1, "head")]
    expected = model.scores(processor.collate(same, dataset.store))
    torch.testing.assert_close(found, expected[[0, 2]], rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["mkgformer", "text_only", "visualbert", "vilbert", "kg_bert"])
def test_every_model_that_reads_answers_for_described_entities(predictor: Any, backbone: str) -> None:
    model = predictor(f"backbone={backbone}", "task.model.top_k=2")
    asked = [
        {"head": DESCRIBED, "relation": "near"},
        {"head": "e/1", "tail": {"name": "Nu"}},
        {"head": DESCRIBED, "tail": "e/3"},
    ]
    answers = model.predict(asked)
    assert [answer["side"] for answer in answers] == ["tail", "relation", "relation"]
    assert [answer["calibrated"] for answer in answers] == [False] * 3
    assert model.predict(asked, exclude_known=True) == answers


def test_the_name_is_read_where_there_is_no_description(built: Callable[..., Any]) -> None:
    _, dataset, _ = built("backbone=text_only")
    processor = dataset.processor
    named, described = (
        processor.parse({"head": {"name": "Nu", "description": text}, "relation": "near"}, Path(), "here")
        for text in (" ", "thing")
    )
    assert [named.ids[i] for i in named.anchor_positions] == processor.tokenizer.ids("Nu")
    assert [described.ids[i] for i in described.anchor_positions] == processor.tokenizer.ids("thing")


def test_a_described_entity_is_not_covered_by_the_calibration_of_those_in_dev(built: Callable[..., Any]) -> None:
    model, dataset, config = built("backbone=text_only")
    model.metadata["fitted"] = model.after_fit(dataset)
    asked = [{"head": DESCRIBED, "relation": "near"}, {"head": "e/1", "relation": "near"}]
    asked += [{"head": DESCRIBED, "tail": "e/1"}, {"head": "e/1", "tail": "e/2"}]
    answers = Predictor(model, config).predict(asked)
    assert [answer["calibrated"] for answer in answers] == [False, True, False, True]


def test_images_of_a_described_entity_lie_beside_the_records_and_bad_ones_are_reported(
    predictor: Any, tmp_path: Path
) -> None:
    model = predictor("backbone=mkgformer")
    paint(tmp_path / "asked" / "mu.png", "red")
    (tmp_path / "asked" / "bad.png").write_bytes(b"no image")
    asked = [
        {"head": {"name": "Mu", "images": "mu.png"}, "relation": "near"},
        {"head": {"name": "Mu"}, "relation": "near"},
        {"head": {"name": "Mu", "images": ["bad.png"]}, "relation": "near"},
        {"head": {"name": "Mu", "images": ["gone.png"]}, "tail": "e/1"},
    ]
    seen, blind, bad, gone = model.predict(asked, tmp_path / "asked")
    assert seen["entities"] != blind["entities"] == bad["entities"]
    assert "bad_images" not in seen
    assert [len(answer["bad_images"]) for answer in (bad, gone)] == [1, 1]
    assert str(tmp_path / "asked" / "gone.png") in gone["bad_images"][0]


@pytest.mark.parametrize("record", [{"head": DESCRIBED, "relation": "near"}, {"head": "e/1", "tail": DESCRIBED}])
def test_a_model_of_structure_cannot_know_a_described_entity(predictor: Any, record: dict[str, Any]) -> None:
    with pytest.raises(DataError) as error:
        predictor("backbone=kge/distmult").predict([record], places=["in.jsonl:1"])
    assert str(error.value) == (
        "in.jsonl:1: 'Mu' is described, but this model knows entities only by their place in the graph: give one that "
        "the graph has, or train a model that reads (backbone=text_only, mkgformer, …)"
    )


def test_of_two_described_entities_no_relation_can_be_told(predictor: Any) -> None:
    with pytest.raises(DataError) as error:
        predictor("backbone=text_only").predict([{"head": DESCRIBED, "tail": DESCRIBED}], places=["in.jsonl:4"])
    assert (
        str(error.value) == "in.jsonl:4: head and tail are both described: one of them must be an entity of the graph"
    )


def test_of_an_entity_that_the_graph_does_not_have_nothing_is_known(built: Callable[..., Any]) -> None:
    _, dataset, _ = built("backbone=text_only")
    processor, known = dataset.processor, Known(dataset.source.graph)
    new = EncodedEntity((7,), {})
    for item in (processor.query(new, 0, "tail"), processor.pair(new, 3), processor.pair(3, new)):
        assert known.beside(item).known == ()
