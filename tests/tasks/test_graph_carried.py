"""A model that reads sentences with a graph carries it, and says what of it was read."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import mkgc
from mkgc.data.dataset import read_dataset
from mkgc.errors import CheckpointError
from mkgc.evaluate import evaluate
from mkgc.inspect.overview import inspect_dataset
from mkgc.training.checkpoint import read, restore, save
from mkgc.training.start import Start
from tests.conftest import composed

ASKED = [{"text": "We saw Paris and Bonn.", "mention": "Paris"}, {"text": "We saw nobody.", "mention": "nobody"}]


@pytest.fixture
def checkpoint(made: Callable[..., Any], typing_root: Path, tmp_path: Path) -> Path:
    """An untrained model that reads sentences about two countries and their cities with their graph."""
    save(made("entity_typing", typing_root, "data=linked")[0], tmp_path / "model.ckpt")
    return tmp_path / "model.ckpt"


def test_plain_sentences_are_linked_without_the_graphs_folder(checkpoint: Path, typing_root: Path) -> None:
    expected = mkgc.load(checkpoint).predict(ASKED)
    shutil.rmtree(typing_root)
    assert mkgc.load(checkpoint).predict(ASKED) == expected
    assert [one["id"] for one in expected[0]["entities"]] == ["paris", "bonn"]
    assert expected[1]["entities"] == []


@pytest.mark.slow
def test_sentences_are_scored_without_the_graphs_folder(checkpoint: Path, typing_root: Path, tmp_path: Path) -> None:
    before = evaluate(composed(f"checkpoint={checkpoint}", name="evaluate"))
    shutil.rmtree(typing_root / "graph")
    assert evaluate(composed(f"checkpoint={checkpoint}", name="evaluate")) == before
    shutil.move(typing_root, tmp_path / "moved")
    assert evaluate(composed(f"checkpoint={checkpoint}", f"root={tmp_path / 'moved'}", name="evaluate")) == before


def test_a_checkpoint_builds_settings_of_a_graph_and_nothing_else_in_their_place(checkpoint: Path) -> None:
    contents = read(checkpoint)
    contents["mkgc"]["config"]["data"]["knowledge"]["_target_"] = "mkgc.data.settings.DataSettings"
    with pytest.raises(CheckpointError, match="as its data.knowledge, which is nothing that belongs there"):
        restore(contents)
    contents = read(checkpoint)
    contents["mkgc"]["processor"]["knowledge"]["triples"] += 9
    with pytest.raises(CheckpointError, match="knowledge graph names what it does not have"):
        restore(contents)


def test_weights_find_the_vectors_of_nodes_by_id_in_another_graph(
    checkpoint: Path, made: Callable[..., Any], typing_root: Path
) -> None:
    (typing_root / "graph" / "triples.tsv").write_text(
        "rome\tcapital_of\tit\nparis\tcapital_of\tfr\nbonn\tcity_of\tde\n"
    )
    model, *_ = made("entity_typing", typing_root, "data=linked")
    notes = Start("weights", str(checkpoint), read(checkpoint), "entity_typing").enter(model)
    theirs, saved = ["fr", "de", "paris", "bonn"], read(checkpoint)["state_dict"]["backbone.side.entities.weight"]
    known = mkgc.load(checkpoint).task.processor.knowledge.entities
    for entity in theirs:
        row = model.processor.knowledge.entities.index(entity)
        assert torch.equal(model.backbone.side.entities.weight[row], saved[known.index(entity)])
    assert f"weights={checkpoint}: 2 of 6 rows of names (entity) are not there and begin anew" in notes


def test_check_says_what_of_the_graph_is_read_and_what_is_cut(
    tiny: Callable[..., Any], typing_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = typing_root / "train.jsonl"
    train.write_text("\n" + train.read_text().replace('"id": "paris"', '"id": "Q90"'))
    for limit, lost in (("data.max_length=8", "mentions"), ("data.knowledge.max_nodes=2", "nodes")):
        dataset = read_dataset(tiny("entity_typing", typing_root, "data=linked", limit))
        dataset.show()
        said = capsys.readouterr().out
        assert "links of train name entities that the graph does not have, as 'Q90': left out" in said
        assert f"left out of train for {limit}: {lost}" in said
    assert "24 of 24 sentences of train mention entities" in said
    report = inspect_dataset(dataset, dataset.source.settings, "entity_typing")
    titles = [table.title for table in report.tables]
    assert {"Knowledge graph", "Mentions a sentence", "Graphs around sentences"} <= {*titles}
    assert not report.fatal


def test_a_graph_without_edges_is_read(made: Callable[..., Any], typing_root: Path) -> None:
    graph = typing_root / "graph"
    (graph / "triples.tsv").unlink()
    (graph / "entities.tsv").write_text("fr\tFrance\nde\tGermany\nparis\tParis\nbonn\tBonn\n")
    model, dataset, _ = made("entity_typing", typing_root, "data=linked", "data.knowledge.format=names")
    batch = model.processor.collate(dataset.features["train"][:4], dataset.store)
    assert torch.equal(batch.knowledge.adjacency.sum(), batch.knowledge.mask.sum()), "a node sees itself alone"
    assert model.scores(batch).isfinite().all()
