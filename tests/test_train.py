"""A run from files to figures, for every task, in process."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import mkgc
from mkgc.data.dataset import read_dataset
from mkgc.errors import CheckpointError, MkgcError
from mkgc.evaluate import evaluate
from mkgc.inference import Predictor
from mkgc.train import train
from mkgc.training.checkpoint import build_task, read
from mkgc.training.kept import KeepBest
from tasks.link_prediction.stage1 import mask_vectors
from tests.conftest import composed

LINKED = ["entity_typing", "relation_classification"]
EVERY = ["mre", "mner", "link_prediction", *LINKED]
TASKS = [pytest.param(task, marks=pytest.mark.slow if task in LINKED else []) for task in EVERY]
ONE_FAST = [pytest.param(task, marks=[] if task == "mre" else pytest.mark.slow) for task in EVERY]
METRIC = {task: "mrr" if task == "link_prediction" else "f1" for task in EVERY}
ASKED = {
    "mre": {"text": "Ada and Bob today", "head": "Ada", "tail": "Bob"},
    "mner": {"text": "We saw Paris Hilton"},
    "link_prediction": {"head": "name 3", "relation": "near"},
    "entity_typing": {"text": "We saw Paris and France .", "mention": "Paris"},
    "relation_classification": {"text": "Paris and France .", "head": "Paris", "tail": "France"},
}
MATES = {
    "mre": {"text": "Ada and Bob today and so on and so on", "head": "Ada", "tail": "Bob"},
    "mner": {"text": "We saw Paris Hilton and so on and so on"},
    "link_prediction": {"tail": "name 4", "relation": "likes"},
    "entity_typing": {"text": "We saw Bonn and Paris and France and Germany and so on .", "mention": "Bonn"},
    "relation_classification": {
        "text": "Bonn and so on and Paris and France .",
        "head": "Bonn",
        "tail": "Paris",
    },
}


@pytest.mark.parametrize("task", TASKS)
def test_a_run_leaves_a_checkpoint_figures_and_its_configuration(
    task: Any, roots: dict[str, Path], tiny: Callable[..., Any], tmp_path: Path
) -> None:
    figures = train(tiny(task, roots[task], "task.epochs=2"), tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").iterdir()} >= {"best.ckpt", "last.ckpt", "config.yaml"}
    written = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert written["test"][METRIC[task]] == figures["test"][METRIC[task]]
    assert evaluate(composed(f"checkpoint={tmp_path / 'run' / 'best.ckpt'}", name="evaluate")) == pytest.approx(
        figures["test"], abs=1e-6
    )
    assert {"dev", "test", "coverage", "seconds", "seed"} <= written.keys()
    assert written["metric"] == METRIC[task]


@pytest.mark.parametrize("task", TASKS)
def test_a_checkpoint_alone_predicts_as_the_trained_network_did(
    task: Any, roots: dict[str, Path], tiny: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, trained = tiny(task, roots[task], "task.epochs=1"), []
    monkeypatch.setattr(
        "mkgc.training.checkpoint.build_task", lambda *parts: trained.append(build_task(*parts)) or trained[-1]
    )
    train(config, tmp_path / "run")
    expected = Predictor(trained[0].eval(), config).predict([ASKED[task]])
    trained.clear()
    assert mkgc.load(tmp_path / "run" / "best.ckpt").predict([ASKED[task]]) == expected


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_predictions_do_not_depend_on_batch_mates(
    task: Any, roots: dict[str, Path], tiny: Callable[..., Any], tmp_path: Path
) -> None:
    train(tiny(task, roots[task], "task.epochs=1"), tmp_path / "run")
    model = mkgc.load(tmp_path / "run" / "best.ckpt")
    records = [ASKED[task], MATES[task], ASKED[task]]
    together, alone = model.predict(records), model.predict(records, batch_size=1)
    for one, other in zip(_numbers(together), _numbers(alone), strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def _numbers(value: object) -> list[float]:
    if isinstance(value, dict):
        return [n for part in value.values() for n in _numbers(part)]
    if isinstance(value, list):
        return [n for part in value for n in _numbers(part)]
    return [value] if isinstance(value, float) else []


@pytest.mark.parametrize("task", ONE_FAST)
def test_one_seed_gives_identical_weights_and_another_seed_others(
    task: Any, roots: dict[str, Path], tiny: Callable[..., Any], tmp_path: Path
) -> None:
    weights = []
    for i, seed in enumerate((0, 0, 1)):
        train(tiny(task, roots[task], "task.epochs=1", f"seed={seed}"), tmp_path / str(i))
        weights.append(read(tmp_path / str(i) / "best.ckpt")["state_dict"])
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert any(not torch.equal(weights[0][name], weights[2][name]) for name in weights[0])


@pytest.mark.parametrize("task", ONE_FAST)
def test_an_interrupted_run_resumes_to_the_same_weights(
    task: Any, roots: dict[str, Path], tiny: Callable[..., Any], tmp_path: Path
) -> None:
    whole = train(tiny(task, roots[task], "task.epochs=3"), tmp_path / "whole")
    config = tiny(task, roots[task], "task.epochs=3")
    _stopped_after(1, config, tmp_path / "cut")
    config.resume = str(tmp_path / "cut" / "last.ckpt")
    resumed = train(config, tmp_path / "cut")
    ours, theirs = (read(tmp_path / name / "last.ckpt")["state_dict"] for name in ("cut", "whole"))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert resumed["test"] == whole["test"]
    assert resumed["before"] == whole["before"]
    assert bool(whole["before"]) == (task == "link_prediction")


@pytest.mark.slow
def test_a_run_without_epochs_has_nothing_to_resume(kg_root: Path, tiny: Callable[..., Any], tmp_path: Path) -> None:
    """Told before data are read, whichever of the two has none."""
    keys = ("task.epochs=1", "task.model.stage1.epochs=1")
    train(tiny("link_prediction", kg_root, *keys), tmp_path / "both")
    train(tiny("link_prediction", kg_root, *keys, "task.model.stages=[1]"), tmp_path / "first")
    for name, said in (
        ("both/last", "task.model.stages=1, 2 there, 1 here"),
        ("first/best", "holds w"),
    ):
        config = tiny(
            "link_prediction", tmp_path / "none", *keys, "task.model.stages=[1]", f"resume={tmp_path}/{name}.ckpt"
        )
        with pytest.raises(CheckpointError, match=said):
            train(config, tmp_path / "run")


def test_what_cannot_be_resumed_is_named(mre_root: Path, tiny: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "bad.ckpt").write_bytes(b"nothing")
    for name, said in (("none.ckpt", "no checkpoint at"), ("bad.ckpt", "damaged")):
        with pytest.raises(CheckpointError, match=said):
            train(tiny("mre", mre_root, f"resume={tmp_path / name}"), tmp_path / "run")


def _stopped_after(epochs: int, config: Any, folder: Path) -> None:
    """Kills the run as an interrupt would, once so many epochs are saved."""
    from pytorch_lightning.callbacks import Callback

    from mkgc import train as module

    class KilledError(Exception):
        pass

    class Kill(Callback):
        def on_train_epoch_start(self, trainer: Any, _: Any) -> None:
            if trainer.current_epoch == epochs:
                raise KilledError

    build = module.build_trainer

    def with_kill(*args: Any) -> Any:
        trainer = build(*args)
        trainer.callbacks.append(Kill())
        return trainer

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KilledError):  # noqa: PT012
        patch.setattr(module, "build_trainer", with_kill)
        train(config, folder)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    "variant",
    [
        "",
        "backbone=mkgformer backbone.fusion.pgi=false",
        "backbone=mkgformer backbone.stacked=true",
        "backbone=text_only",
        "backbone=mkgformer_released",
    ],
)
def test_every_trainable_parameter_gets_a_gradient(
    task: Any, variant: Any, roots: dict[str, Path], tiny: Callable[..., Any]
) -> None:
    model, data = _built(tiny(task, roots[task], *variant.split()))
    for batch in data.train_dataloader():
        model.loss(batch).backward()
    without = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []


def test_stage_1_moves_the_entities_and_nothing_else(kg_root: Path, tiny: Callable[..., Any]) -> None:
    config = tiny("link_prediction", kg_root)
    model, _ = _built(config)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    figures = model.before_fit(_dataset(config))
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"head.table.weight", "head.bias"} | {
        name for name in before if name.endswith("new_tokens.entities.weight")
    }
    with torch.no_grad():
        scores = mask_vectors(model, _dataset(config), 5) @ model.head.table.weight.T + model.head.bias
    right = [int(row.argmax()) == entity for entity, row in enumerate(scores)]
    assert figures["stage1/recognised"] == pytest.approx(sum(right) / 12)


def test_a_stage_1_that_recognises_next_to_nothing_says_so(
    kg_root: Path, tiny: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    for lr, said in ((1e-9, True), (0.1, False)):
        config = tiny("link_prediction", kg_root, f"task.model.stage1.lr={lr}", "task.model.stage1.epochs=40")
        figures = _built(config)[0].before_fit(_dataset(config))
        assert (figures["stage1/recognised"] < 0.1) == said
        assert ("stage 1 tells only" in capsys.readouterr().out) == said


def _dataset(config: Any) -> Any:
    return read_dataset(config)


def _built(config: Any) -> Any:
    from mkgc.training.datamodule import DataModule

    dataset = _dataset(config)
    model = build_task(config, dataset.processor)
    return model, DataModule(dataset, config.data.batch_size, seed=0)


def test_a_damaged_checkpoint_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "cut.ckpt"
    torch.save({"state_dict": {}}, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="damaged"):
        read(path)
    path.write_bytes(whole)
    with pytest.raises(CheckpointError, match="not a checkpoint of mkgc"):
        read(path)
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        read(tmp_path / "none.ckpt")


def test_dev_may_be_scored_every_so_many_epochs(
    roots: dict[str, Path], tiny: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rank = KeepBest._rank
    keys = ("backbone=kge/distmult", "task.epochs=4", "trainer.check_val_every_n_epoch=2")
    scored = []
    monkeypatch.setattr(
        KeepBest, "_rank", lambda keep, trainer, task: scored.append(trainer.current_epoch) or rank(keep, trainer, task)
    )
    figures = train(tiny("link_prediction", roots["link_prediction"], *keys), tmp_path / "run")
    assert (figures["epochs"], scored) == (4, [1, 3])


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_half_precision_trains_without_an_accelerator_too(
    task: Any, roots: dict[str, Path], tiny: Callable[..., Any], tmp_path: Path
) -> None:
    for precision in ("bf16-mixed", "32-true"):
        train(tiny(task, roots[task], "task.epochs=1", f"trainer.precision={precision}"), tmp_path / precision)
    half, full = (read(tmp_path / name / "last.ckpt")["state_dict"] for name in ("bf16-mixed", "32-true"))
    assert max(float((half[name].float() - full[name].float()).abs().max()) for name in half) < 0.01
    assert any(not torch.equal(half[name], full[name]) for name in half)


@pytest.mark.parametrize(
    ("often", "line"), [(0, ": must be a whole number of at least 1"), (3, " must lie between 1 and task.epochs=2")]
)
def test_dev_that_would_never_be_scored_is_an_error(
    often: int, line: str, roots: dict[str, Path], tiny: Callable[..., Any], tmp_path: Path
) -> None:
    config = tiny("mre", roots["mre"], "task.epochs=2", f"trainer.check_val_every_n_epoch={often}")
    with pytest.raises(MkgcError, match=f"^trainer.check_val_every_n_epoch={often}{line}$"):
        train(config, tmp_path / "run")
