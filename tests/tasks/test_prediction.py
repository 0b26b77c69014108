"""What a user is told of heads, tails and relations: calibrated, and without what is known."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import mkgc
from mkgc.data.dataset import read_dataset
from mkgc.data.formats import kg
from mkgc.errors import ConfigError, DataError
from mkgc.images.loaded import LoadedImages
from mkgc.inference import Predictor
from mkgc.train import train
from mkgc.training.checkpoint import FORMAT, AtomicCheckpointIO, add_fitted, build_task, read, save
from tasks.link_prediction import calibration as calibrating
from tasks.link_prediction.known import Relations
from tests.conftest import said

STRUCTURE = ["transe", "distmult", "complex", "rotate", "rescal"]


def ids(answer: dict[str, Any]) -> list[str]:
    return [found["id"] for found in answer["relations" if answer["side"] == "relation" else "entities"]]


def sums(answer: dict[str, Any]) -> float:
    return sum(found["score"] for found in answer["relations" if answer["side"] == "relation" else "entities"])


@torch.no_grad()
@pytest.mark.parametrize("name", STRUCTURE)
def test_a_structure_model_scores_relations_as_it_scores_triples(built: Callable[..., Any], name: str) -> None:
    model, dataset, _ = built(f"backbone=kge/{name}")
    pairs = [dataset.processor.pair(*ends) for ends in ((0, 3), (5, 5))]
    found = torch.stack([model.relation_scores(pair, dataset.store, 1) for pair in pairs])
    head, relation, tail = torch.tensor([[0, 0, 5, 5], [0, 1, 0, 1], [3, 3, 5, 5]])
    torch.testing.assert_close(found.flatten(), model.kge.score(head, relation, tail), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_model_of_prompts_scores_a_relation_by_both_of_its_queries(built: Callable[..., Any]) -> None:
    model, dataset, _ = built("backbone=text_only")
    processor = dataset.processor
    found = model.relation_scores(processor.pair(2, 7), dataset.store, 32)
    for relation, score in enumerate(found.tolist()):
        for_tail = model.scores(processor.collate([processor.query(2, relation, "tail")], dataset.store))[0, 7]
        for_head = model.scores(processor.collate([processor.query(7, relation, "head")], dataset.store))[0, 2]
        assert score == pytest.approx(float(for_tail + for_head) / 2, abs=1e-5)


@torch.no_grad()
def test_sequences_score_relations_as_triples(built: Callable[..., Any]) -> None:
    model, dataset, _ = built("backbone=kg_bert")
    found = model.relation_scores(dataset.processor.pair(2, 7), dataset.store, 32)
    torch.testing.assert_close(found, model.judge(torch.tensor([[2, 0, 7], [2, 1, 7]])), rtol=0, atol=1e-5)


@pytest.mark.parametrize("backbone", ["kge/distmult", "mkgformer", "kg_bert"])
def test_any_part_of_a_triple_may_be_missing_and_answers_keep_the_order_of_records(
    predictor: Any, backbone: str
) -> None:
    model = predictor(f"backbone={backbone}", "task.model.top_k=3")
    asked = [
        {"head": "name 1", "tail": "e/2"},
        {"head": "e/1", "relation": "likes"},
        {"relation": "is near", "tail": "e/2"},
        {"tail": "e/5", "head": "e/2"},
    ]
    answers = model.predict(asked)
    assert [answer["side"] for answer in answers] == ["relation", "tail", "head", "relation"]
    assert sorted(ids(answers[0])) == ["likes", "near"]
    assert sums(answers[0]) == pytest.approx(1, abs=1e-5)
    assert {found["name"] for found in answers[0]["relations"]} == {"is near", "likes"}
    assert [len(ids(answer)) for answer in answers] == [2, 3, 3, 2]
    assert [answer["calibrated"] for answer in answers] == [False] * 4


def test_a_checkpoint_knows_its_calibration_and_says_so_in_each_answer(
    kg_root: Path, tiny: Callable[..., Any], tmp_path: Path
) -> None:
    config = tiny("link_prediction", kg_root, "backbone=kge/distmult", "task.epochs=3", "task.model.top_k=12")
    figures = train(config, tmp_path / "run")
    written = json.loads((tmp_path / "run" / "metrics.json").read_text())
    for name in ("calibration", "relation_calibration"):
        assert written[name] == figures[name] == read(tmp_path / "run" / "best.ckpt")["mkgc"]["fitted"][name]
        assert written[name]["kind"] == "softmax"
        assert written[name]["after"]["nll"] <= written[name]["before"]["nll"] + 1e-6
    model = mkgc.load(tmp_path / "run" / "best.ckpt")
    tail, relation = model.predict([{"head": "e/1", "relation": "likes"}, {"head": "e/1", "tail": "e/2"}])
    assert tail["calibrated"] is relation["calibrated"] is True
    scores = model.task.scores(
        model.task.processor.collate([model.task.processor.query(1, 1, "tail")], LoadedImages({}, {}))
    )[0]
    by_hand = (scores / figures["calibration"]["temperature"]).softmax(0).sort(descending=True).values
    assert [found["score"] for found in tail["entities"]] == pytest.approx(by_hand.tolist(), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "kind", "bias"),
    [
        (["backbone=kge/distmult"], "softmax", 0.0),
        (["backbone=kge/distmult", "task.model.structure.objective=kvsall"], "sigmoid", 0.0),
        (["backbone=kge/transe", "task.model.structure.objective=negatives"], "sigmoid", 9.0),
        (["backbone=text_only", "task.model.objective=bce"], "sigmoid", 0.0),
        (["backbone=kg_bert"], "sigmoid", 0.0),
    ],
)
def test_probabilities_are_of_the_kind_that_training_has(
    built: Callable[..., Any], overrides: list[str], kind: str, bias: float
) -> None:
    model, dataset, _ = built(*overrides)
    assert (model.uncalibrated.kind, model.uncalibrated.bias) == (kind, bias)
    found = model.after_fit(dataset)
    assert found["calibration"]["kind"] == kind
    assert found["calibration"]["after"]["nll"] <= found["calibration"]["before"]["nll"] + 1e-6
    assert found == model.after_fit(dataset)  # each process of several finds the same


def test_calibration_costs_no_more_than_it_may(built: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    model, dataset, _ = built("backbone=kg_bert")
    assert model.reads == 12
    assert len(dataset.features["dev"]) > 5
    monkeypatch.setattr(calibrating, "READ", 60)
    monkeypatch.setattr(calibrating, "LEAST", 2)
    assert model.after_fit(dataset)["calibration"]["queries"] == 60 // 12
    monkeypatch.setattr(calibrating, "SCORES", 36)
    assert model.after_fit(dataset)["calibration"]["queries"] == 36 // 12


def test_one_relation_needs_no_calibration(kg_root: Path, built: Callable[..., Any]) -> None:
    for split in ("train", "dev", "test"):
        file = kg_root / f"{split}.tsv"
        kept = sorted({line.replace("\tlikes\t", "\tnear\t") for line in file.read_text().splitlines(keepends=True)})
        file.write_text("".join(kept))
    for name, text in (("relations.txt", "near\n"), ("relation2text.txt", "near\tis near\n")):
        (kg_root / name).write_text(text)
    model, dataset, config = built("backbone=kge/distmult")
    found = model.after_fit(dataset)
    assert list(found) == ["calibration"]
    model.metadata["fitted"] = found
    (answer,) = Predictor(model, config).predict([{"head": "e/1", "tail": "e/2"}])
    assert answer == {
        "query": {"head": "e/1", "tail": "e/2"},
        "side": "relation",
        "calibrated": False,
        "relations": [{"id": "near", "name": "is near", "score": 1.0}],
    }


def test_a_kill_while_the_calibration_is_written_leaves_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "best.ckpt"
    stored: dict[str, Any] = {"format": FORMAT, "seed": 0}
    AtomicCheckpointIO().save_checkpoint({"mkgc": stored, "state_dict": {}}, path)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            add_fitted(path, {"calibration": {"kind": "softmax"}})
    assert read(path)["mkgc"] == stored
    assert [file.name for file in tmp_path.iterdir()] == ["best.ckpt"]
    add_fitted(path, {"calibration": {"kind": "softmax"}})
    assert read(path)["mkgc"] == {**stored, "fitted": {"calibration": {"kind": "softmax"}}}


@pytest.mark.parametrize("backbone", ["kge/distmult", "text_only"])
def test_known_answers_leave_the_ranking_before_the_best_are_chosen(
    predictor: Any, kg_root: Path, backbone: str
) -> None:
    model = predictor(f"backbone={backbone}", "task.model.top_k=4")
    told = {tuple(triple) for part in kg.read(kg_root).triples.values() for triple in part.tolist()}
    (novel,) = model.predict([{"head": "e/1", "relation": "likes"}], exclude_known=True)
    assert len(ids(novel)) == min(4, 12 - sum((1, 1, e) in told for e in range(12)))
    assert not any((1, 1, int(e.removeprefix("e/"))) in told for e in ids(novel))


def test_what_remains_shares_all_probability(predictor: Any) -> None:
    model = predictor("backbone=kge/distmult", "task.model.top_k=12")
    asked = [{"head": "e/1", "relation": "likes"}, {"relation": "likes", "tail": "e/1"}]
    known, novel = model.predict(asked), model.predict(asked, exclude_known=True)
    assert all(len(ids(one)) < len(ids(other)) == 12 for one, other in zip(novel, known, strict=True))
    assert all(sums(answer) == pytest.approx(1, abs=1e-5) for answer in known + novel)


@pytest.mark.parametrize(("objective", "sure"), [("onevsall", False), ("kvsall", True)])
def test_answers_that_share_the_probability_of_known_ones_are_not_called_calibrated(
    built: Callable[..., Any], objective: str, sure: bool
) -> None:
    model, dataset, config = built("backbone=kge/distmult", f"task.model.structure.objective={objective}")
    model.metadata["fitted"] = model.after_fit(dataset)
    known = dataset.source.graph.triples["train"][0].tolist()
    head, relation, tail = f"e/{known[0]}", ("near", "likes")[known[1]], f"e/{known[2]}"
    asked = [{"head": head, "relation": relation}, {"head": head, "tail": tail}, {"head": "e/1", "tail": "e/1"}]
    ask = Predictor(model, config).predict
    assert [answer["calibrated"] for answer in ask(asked)] == [True] * 3
    assert [answer["calibrated"] for answer in ask(asked, exclude_known=True)] == [sure, False, True]


def test_an_answer_holds_as_many_as_are_asked_for(built: Callable[..., Any]) -> None:
    model, _, config = built("backbone=kge/distmult", "task.model.top_k=3")
    asked, ask = (
        [{"head": "e/1", "relation": "likes"}, {"head": "e/1", "tail": "e/2"}],
        Predictor(model, config).predict,
    )
    for top_k, counts in ((None, [3, 2]), (1, [1, 1]), (12, [12, 2]), (10**6, [12, 2]), (None, [3, 2])):
        assert [len(ids(answer)) for answer in ask(asked, top_k=top_k)] == counts
    with pytest.raises(ConfigError, match="top_k=0 must be at least 1"):
        ask(asked, top_k=0)


def test_known_relations_are_left_out_and_nothing_may_remain(predictor: Any, kg_root: Path) -> None:
    model = predictor("backbone=kge/distmult")
    triples = [line.split("\t") for file in kg_root.glob("*.tsv") for line in file.read_text().splitlines()]
    told = {(h, t): {r for a, r, b in triples if (a, b) == (h, t)} for h, _, t in triples}
    for pair in sorted(told)[:20]:
        (answer,) = model.predict([{"head": pair[0], "tail": pair[1]}], exclude_known=True)
        assert set(ids(answer)) == {"near", "likes"} - told[pair]
    assert {len(names) for names in told.values()} == {1, 2}


def test_the_graph_is_needed_to_leave_out_what_it_knows(predictor: Any, kg_root: Path, tmp_path: Path) -> None:
    model, asked = predictor("backbone=kge/distmult"), [{"head": "e/1", "relation": "likes"}]
    novel = model.predict(asked, exclude_known=True)
    moved = kg_root.rename(tmp_path / "moved")
    assert len(model.predict(asked)) == 1
    with pytest.raises(ConfigError) as error:
        model.predict(asked, exclude_known=True)
    assert str(error.value) == f"the data that the model was trained on are not at '{kg_root}': give root=DIR"
    assert model.predict(asked, exclude_known=True, root=moved) == novel
    with (moved / "entities.txt").open("a") as file:
        file.write("e/12\n")
    with pytest.raises(DataError, match="^the graph (has|lacks) the (entity|relation) "):
        model.predict(asked, exclude_known=True, root=moved)


def test_relations_between_two_entities_are_found_as_by_hand() -> None:
    triples = torch.randint(0, 4, (60, 3), generator=torch.Generator().manual_seed(0)).numpy()
    found = Relations([triples[:20], triples[20:]], 4)
    for head in range(4):
        for tail in range(4):
            by_hand = sorted({r for h, r, t in triples.tolist() if (h, t) == (head, tail)})
            assert list(found.between(head, tail)) == by_hand


def test_entities_of_no_triple_are_no_answers_as_in_the_figures(built: Callable[..., Any], kg_root: Path) -> None:
    with (kg_root / "entities.txt").open("a") as file:
        file.write("e/alone\n")
    model, _, config = built("backbone=kge/distmult", "task.model.top_k=99")
    (answer,) = Predictor(model, config).predict([{"head": "e/1", "relation": "near"}])
    assert len(ids(answer)) == 12
    assert "e/alone" not in ids(answer)
    assert sums(answer) == pytest.approx(1, abs=1e-5)


def test_only_what_is_new_by_a_flag_or_by_a_key(
    run: Callable[..., Any], built: Callable[..., Any], tmp_path: Path
) -> None:
    model, _, _ = built("backbone=kge/distmult", "task.model.top_k=12")
    checkpoint, asked = tmp_path / "best.ckpt", tmp_path / "asked.jsonl"
    save(model, checkpoint)
    asked.write_text(json.dumps({"head": "e/1", "relation": "likes"}) + "\n")
    found = []
    for more in ([], ["--exclude-known"], ["exclude_known=true"]):
        code, _, err = run("predict", f"checkpoint={checkpoint}", f"input={asked}", "output=out.jsonl", *more)
        assert (code, err) == (0, "")
        found.append((tmp_path / "out.jsonl").read_text())
    assert found[1] == found[2] != found[0]
    code, _, err = run("predict", f"checkpoint={checkpoint}", f"input={asked}", "output=o", "exclude_known=perhaps")
    assert (code, said(err)) == (2, "exclude_known=perhaps: must be true or false")


def test_other_tasks_have_nothing_to_leave_out(mre_root: Path, tiny: Callable[..., Any]) -> None:
    config = tiny("mre", mre_root)
    model = Predictor(build_task(config, read_dataset(config).processor).eval(), config)
    with pytest.raises(ConfigError) as error:
        model.predict([{"text": "Ada and Bob", "head": "Ada", "tail": "Bob"}], exclude_known=True)
    assert str(error.value).startswith("exclude_known=true is for tasks that are asked of a graph, and this is none")
