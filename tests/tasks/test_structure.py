"""Structure models in link prediction: trained, ranked, saved and asked like the others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import mkgc
from mkgc.analysis.breakdown import breakdown
from mkgc.analysis.queries import Queries
from mkgc.data.dataset import read_dataset
from mkgc.errors import ConfigError
from mkgc.train import train
from mkgc.training.checkpoint import build_task
from tasks.link_prediction.processor import TripleProcessor
from tasks.link_prediction.structure import OBJECTIVES

MODELS = ("transe", "distmult", "complex", "rotate", "rescal")


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_every_model_learns_the_triples_it_is_given(
    model: str, kg_root: Path, tiny: Callable[..., Any], tmp_path: Path
) -> None:
    keys = (f"backbone=kge/{model}", "backbone.width=16", "task.epochs=60", "patience=60", "optim.lr=0.1")
    config = tiny("link_prediction", kg_root, *keys, "optim.weight_decay=0.0", "data.batch_size=16")
    train(config, tmp_path)
    task, _ = mkgc.training.checkpoint.restore(mkgc.training.checkpoint.read(tmp_path / "last.ckpt"))
    metric = task.make_metric()
    dataset = read_dataset(config)
    task.update_metric(task.processor.collate(dataset.features["train"], dataset.store), metric)
    assert metric.compute()["mrr"] > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("model", MODELS)
def test_every_objective_gives_both_tables_a_gradient(
    model: str, objective: str, kg_root: Path, tiny: Callable[..., Any]
) -> None:
    keys = (f"backbone=kge/{model}", f"task.model.structure.objective={objective}", "task.model.structure.n3=0.1")
    config = tiny("link_prediction", kg_root, *keys)
    dataset = read_dataset(config)
    task = build_task(config, dataset.processor)
    task.loss(task.processor.collate(dataset.features["train"], dataset.store)).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in task.parameters())


def test_scores_are_those_of_the_triples_on_either_side(kg_root: Path, tiny: Callable[..., Any]) -> None:
    config = tiny("link_prediction", kg_root, "backbone=kge/rotate")
    dataset = read_dataset(config)
    task = build_task(config, dataset.processor)
    batch = task.processor.collate(dataset.features["train"][::-1], dataset.store)
    scores = task.scores(batch)
    for row, (known, relation, tail) in enumerate(zip(batch.anchor, batch.relation, batch.tail, strict=True)):
        everyone, same = torch.arange(12), torch.ones(12, dtype=torch.long)
        heads, tails = (same * known, everyone) if tail else (everyone, same * known)
        assert torch.allclose(scores[row], task.kge.score(heads, same * relation, tails), atol=1e-5)


def test_no_text_and_no_image_is_read(kg_root: Path, tiny: Callable[..., Any]) -> None:
    dataset = read_dataset(tiny("link_prediction", kg_root, "backbone=kge/distmult", "data.max_length=2"))
    assert type(dataset.processor) is TripleProcessor
    assert dataset.coverage.rows == ()


def test_a_checkpoint_predicts_entities_by_name(kg_root: Path, tiny: Callable[..., Any], tmp_path: Path) -> None:
    config = tiny("link_prediction", kg_root, "backbone=kge/complex", "task.epochs=1", "task.model.top_k=3")
    train(config, tmp_path)
    (answer,) = mkgc.load(tmp_path / "best.ckpt").predict([{"head": "e/0", "relation": "likes"}])
    assert answer["side"] == "tail"
    assert [set(entity) for entity in answer["entities"]] == [{"id", "name", "score"}] * 3
    assert all(0 <= entity["score"] <= 1 for entity in answer["entities"])


def test_a_run_keeps_its_ranked_queries_for_the_report(kg_root: Path, tiny: Callable[..., Any], tmp_path: Path) -> None:
    config = tiny("link_prediction", kg_root, "backbone=kge/distmult", "task.epochs=1")
    figures = train(config, tmp_path)
    queries = Queries.load(tmp_path / "queries.npz")
    assert {tuple(t) for t in queries.triples.tolist()} == {
        tuple(t) for t in read_dataset(config).source.graph.triples["test"].tolist()
    }
    assert queries.metrics()["mrr"] == pytest.approx(figures["test"]["mrr"], abs=1e-6)
    assert set(breakdown(queries)["category"]) <= {"1-1", "1-N", "N-1", "N-N"}


def test_the_papers_protocol_filters_dev_by_test_too(kg_root: Path, tiny: Callable[..., Any]) -> None:
    known = []
    for protocol in ("strict", "paper"):
        dataset = read_dataset(tiny("link_prediction", kg_root, "backbone=kge/distmult", f"protocol={protocol}"))
        known.append(sum(len(item.known) for item in dataset.features["dev"]))
    assert known[0] < known[1]


def test_a_structure_model_is_for_link_prediction_only(
    mre_root: Path, tiny: Callable[..., Any], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="^backbone: task=mre needs one that is a FusionEncoder, and RotatE is none$"):
        train(tiny("mre", mre_root, "backbone=kge/rotate"), tmp_path)
