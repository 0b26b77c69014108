"""Answers that fit: entities that train shows at that side of a relation, or that share a type with one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mkgc.data.graph import Graph
from mkgc.data.type_constraints import admitted_entities, read_types
from mkgc.errors import ConfigError, DataError
from mkgc.train import train
from tests.conftest import said

TYPES = "lion\tanimal\ncamel\tanimal\nafrica\tcontinent\nasia\tcontinent\nasia\tword\nnobody\tghost\n"


@pytest.fixture
def zoo() -> Graph:
    """Lions live in Africa, which train says; camels, in Asia, it does not; 'idea' has no type."""
    entities = ("lion", "camel", "africa", "asia", "idea")
    triples = {"train": np.array([[0, 0, 2]]), "dev": np.array([[1, 0, 3]]), "test": np.array([[1, 0, 3]])}
    return Graph(entities, entities, ("",) * 5, ("lives in", "eats"), ("lives in", "eats"), ({},) * 5, triples)


def test_seen_are_those_that_train_shows_and_all_where_it_shows_nothing(zoo: Graph, tmp_path: Path) -> None:
    assert admitted_entities(zoo, "seen", tmp_path).astype(int).tolist() == [
        [1, 0, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [1] * 5,
        [1] * 5,
    ]


def test_types_admit_all_that_share_one_and_what_has_none(zoo: Graph, tmp_path: Path) -> None:
    (tmp_path / "types.tsv").write_text(TYPES)
    assert admitted_entities(zoo, "types", tmp_path).astype(int).tolist() == [
        [1, 1, 0, 0, 1],
        [0, 0, 1, 1, 1],
        [1] * 5,
        [1] * 5,
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [("lion\n", r":1: 1 columns instead of entity, type between tabs"), ("nobody\tghost\n", ": names no entity")],
)
def test_types_that_cannot_be_used_are_an_error(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "types.tsv").write_text(content)
    with pytest.raises(DataError) as error:
        read_types(tmp_path, ["lion"])
    assert str(error.value).startswith(f"{tmp_path}/types.tsv{reason}")
    (tmp_path / "types.tsv").unlink()
    with pytest.raises(DataError, match="no such file, nor types.csv, and type_constraints=types reads it"):
        read_types(tmp_path, ["lion"])


@torch.no_grad()
@pytest.mark.parametrize("backbone", ["kge/complex", "text_only"])
def test_what_does_not_fit_is_ranked_behind_all_that_fits(
    built: Callable[..., Any], backbone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, dataset, _ = built(f"backbone={backbone}", "data.shots=8")
    model.constrain(dataset.source, "seen")
    allowed = admitted_entities(dataset.source.subset(), "seen", Path())
    assert 0 < allowed.sum() < allowed.size
    batch = dataset.processor.collate(dataset.features["dev"].__getitems__([*range(10)]), dataset.store)
    scores, metric = model.scores(batch), model.make_metric()
    model.update_metric(batch, metric)
    found = []
    for place, (query, target) in enumerate(batch.targets.tolist()):
        row = scores[query].clone()
        row[~torch.from_numpy(allowed[2 * int(batch.relation[query]) + int(batch.tail[query])])] = -torch.inf
        others = {*range(len(row))} - {target} - {e for at, e in batch.filtered.tolist() if at == place}
        better = sum(float(row[i] > row[target]) + float(row[i] == row[target]) / 2 for i in others)
        found.append(1 + better)
    figures = metric.compute()
    assert figures["typed/mr"] == pytest.approx(sum(found) / len(found))
    assert figures["typed/mrr"] == pytest.approx(sum(1 / rank for rank in found) / len(found))
    model.constrain(None, None)
    plain = model.make_metric()
    model.update_metric(batch, plain)
    assert plain.compute() == {name: value for name, value in figures.items() if not name.startswith("typed/")}


def test_answers_are_entities_and_relations_that_fit(
    predictor: Any, kg_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (kg_root / "train.tsv").write_text("e/0\tnear\te/1\ne/2\tnear\te/3\ne/4\tlikes\te/5\n")
    model = predictor("backbone=kge/complex")
    asked = [{"head": "e/7", "relation": "near"}, {"relation": "near", "tail": "e/7"}, {"head": "e/0", "tail": "e/3"}]

    def answers(**keys: Any) -> list[list[str]]:
        given = model.predict(asked, **keys)
        return [sorted(one["id"] for one in answer.get("entities", answer.get("relations"))) for answer in given]

    plain = answers()
    assert answers(type_constraints="seen") == [["e/1", "e/3"], ["e/0", "e/2"], ["near"]]
    assert not any(answer["calibrated"] for answer in model.predict(asked, type_constraints="seen"))
    assert answers() == plain, "the next question is asked of all again"
    read: list[Any] = []
    source = model._source
    monkeypatch.setattr(model, "_source", lambda root: read.append(root) or source(root))
    assert answers(type_constraints="seen", exclude_known=True)[0] == ["e/1", "e/3"]
    assert read == [None], "the graph is read once, whatever is asked of it"


@pytest.mark.slow
def test_the_commands_say_both_figures_and_what_has_no_types(
    run: Callable[..., Any], kg_root: Path, mre_root: Path, tiny: Callable[..., Any], tmp_path: Path
) -> None:
    train(tiny("link_prediction", kg_root, "backbone=kge/complex", "task.epochs=1"), tmp_path / "links")
    checkpoint = f"checkpoint={tmp_path}/links/best.ckpt"

    def figures(*keys: str) -> list[str]:
        return [line for line in run("evaluate", checkpoint, *keys)[1].splitlines() if line.startswith("test/")]

    typed = figures("type_constraints=seen")

    assert [line for line in typed if "/typed/" not in line] == figures()
    assert any(line.startswith("test/typed/mrr ") for line in typed)
    code, _, err = run("evaluate", checkpoint, "type_constraints=types")
    assert code == 2
    assert said(err).endswith("no such file, nor types.csv, and type_constraints=types reads it: entity, type")
    assert run("evaluate", checkpoint, "type_constraints=some")[0] == 2
    train(tiny("mre", mre_root, "backbone=text_only", "task.epochs=1"), tmp_path / "mre")
    for verb, more in (("evaluate", ()), ("predict", (f"input={tmp_path}/x.jsonl", f"output={tmp_path}/y.jsonl"))):
        (tmp_path / "x.jsonl").write_text('{"text": "Ada and Bob", "head": "Ada", "tail": "Bob"}\n')
        code, _, err = run(verb, f"checkpoint={tmp_path}/mre/best.ckpt", "type_constraints=seen", *more)
        assert code == 2
        assert said(err).startswith("type_constraints=seen is for tasks that are asked of a graph, and this is none")


def test_an_index_knows_no_types(predictor: Any) -> None:
    pytest.importorskip("faiss")
    model = predictor("backbone=kge/complex")
    model.task.use_index("faiss")
    with pytest.raises(ConfigError, match="type_constraints=seen and index exclude each other"):
        model.predict([{"head": "e/1", "relation": "near"}], type_constraints="seen")
