"""A search by Optuna goes on with its study, and its best settings train as they are."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml

from mkgc.app.config import check
from mkgc.app.packages import CONF
from mkgc.errors import ConfigError
from tests.conftest import TINY, composed, said
from tests.sweeps.conftest import figures

SEARCHES = sorted(path.stem for path in (CONF / "experiment" / "search").glob("*.yaml"))
FEW = ("task.epochs=1", "optim.warmup=0.0", "backbone.width=choice(4, 8)", "hydra.sweep.dir=search")


@pytest.fixture
def search(run: Callable[..., Any], kg_root: Path) -> Callable[..., tuple[int, str, str]]:
    def command(*words: str) -> tuple[int, str, str]:
        return run("train", "experiment=search/distmult", f"data.root={kg_root}", *TINY, *FEW, *words)

    return command


def study(folder: Path) -> optuna.Study:
    from mkgc.sweeps.study import StudyFile

    storage = StudyFile(str(folder / "study.json"))
    return optuna.create_study(study_name="mkgc", storage=storage, direction="maximize", load_if_exists=True)


@pytest.mark.slow
def test_the_best_settings_are_written_and_train_as_they_are(
    search: Callable[..., Any], run: Callable[..., Any], tmp_path: Path
) -> None:
    code, out, err = search("search.trials=3")
    assert (code, err) == (0, "")
    found = figures(tmp_path / "search")
    best = max(found.values(), key=lambda one: one[2]["mrr"])
    assert len(found) == 3
    assert study(tmp_path / "search").best_value == best[2]["mrr"]
    said, where = out[out.index("best of the search") :].splitlines()[:2]
    assert f"dev mrr {best[2]['mrr']:.4f}" in said
    assert where == "its settings are in search/best.yaml"
    text = (tmp_path / "search" / "best.yaml").read_text()
    assert "python -m mkgc.train --config-dir DIR --config-name best" in text
    assert not {"search", "launcher"} & yaml.safe_load(text).keys()
    code, _, err = run("train", "--config-dir", "search", "--config-name", "best", "hydra.run.dir=again")
    assert (code, err) == (0, "")
    again = json.loads((tmp_path / "again" / "metrics.json").read_text())
    assert (again["dev"], again["test"]) == (best[2], best[3])


@pytest.mark.slow
def test_a_search_goes_on_until_its_trials_have_ended(search: Callable[..., Any], tmp_path: Path) -> None:
    search("search.trials=2")
    first = {trial.number: trial.params for trial in study(tmp_path / "search").trials}
    code, out, _ = search("search.trials=3")
    assert code == 0
    assert "search: 3 trials (2 ended before); into search" in out
    trials = study(tmp_path / "search").trials
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 3
    assert trials[2].params not in first.values()
    assert len(figures(tmp_path / "search")) == 3
    code, out, _ = search("search.trials=3")
    assert code == 0
    assert "search: 3 trials (3 ended before)" in out
    assert len(study(tmp_path / "search").trials) == 3


@pytest.mark.slow
def test_a_trial_that_was_interrupted_is_made_first(search: Callable[..., Any], tmp_path: Path) -> None:
    search("search.trials=1")
    interrupted = study(tmp_path / "search").ask(
        {
            "optim.lr": optuna.distributions.LogUniformDistribution(0.01, 0.5),
            "backbone.width": optuna.distributions.CategoricalDistribution([4, 8]),
        }
    )
    search("search.trials=2")
    trials = study(tmp_path / "search").trials
    assert [trial.state.name for trial in trials] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert trials[2].params["optim.lr"] == interrupted.params["optim.lr"]


@pytest.mark.slow
def test_a_search_whose_every_trial_fails_is_told_in_its_last_line(search: Callable[..., Any], tmp_path: Path) -> None:
    code, _, err = search("search.trials=2", "backbone.width=choice(-1, -2)")
    assert code == 2
    *each, last = err.splitlines()
    assert len(each) == 2
    assert last.startswith("mkgc: each of the 2 trials failed, the last: a structure model with width=-")
    assert not (tmp_path / "search" / "best.yaml").exists()


@pytest.mark.slow
def test_a_trial_that_fails_ends_no_search(
    search: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mkgc.train as module

    train, calls = module.train, iter("first others")

    def failing_first(*given: Any) -> Any:
        if next(calls) == "f":
            raise ConfigError("no luck")
        return train(*given)

    monkeypatch.setattr(module, "train", failing_first)
    code, out, err = search("search.trials=2")
    states = [trial.state.name for trial in study(tmp_path / "search").trials]
    assert (code, states) == (0, ["FAIL", "COMPLETE"])
    assert said(err).startswith("job 0 (optim.lr=")
    assert "\n1 of 2 trials failed: job 0 (optim.lr=" in out


@pytest.mark.slow
def test_a_study_that_cannot_be_read_is_a_line(search: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "search").mkdir()
    for text in ("{", "[]", '{"trials": [{"state": "COMPLETE"}]}'):
        (tmp_path / "search" / "study.json").write_text(text)
        code, _, err = search("search.trials=1")
        assert (code, said(err)) == (2, "search/study.json: is no study of a search")


@pytest.mark.slow
@pytest.mark.parametrize("name", SEARCHES)
def test_every_search_varies_keys_that_there_are_within_their_bounds(name: str, tmp_path: Path) -> None:
    """The ends of each range, and every choice, make a configuration that can be run."""
    space = composed_space(name)
    for end in (0, -1):
        words = [f"{key}={values[end]}" for key, values in space.items()]
        check(composed(f"experiment=search/{name}", f"data.root={tmp_path}", *words))


def composed_space(name: str) -> dict[str, list[Any]]:
    from hydra import compose, initialize_config_module
    from hydra.core.override_parser.overrides_parser import OverridesParser

    with initialize_config_module("conf", version_base="1.3"):
        params = compose("train", [f"experiment=search/{name}"], return_hydra_config=True).hydra.sweeper.params
        space = {}
        for one in OverridesParser.create().parse_overrides([f"{key}={value}" for key, value in params.items()]):
            found = one.value()
            space[one.key_or_group] = [found.start, found.end] if one.is_interval_sweep() else found.list
    return space


def test_each_task_and_each_structure_model_has_a_space() -> None:
    tasks = {path.stem for path in (CONF / "task").glob("*.yaml")}
    structures = {path.stem for path in (CONF / "backbone" / "kge").glob("*.yaml")}
    assert tasks | structures == {*SEARCHES}


def test_which_way_is_better_the_task_says(monkeypatch: pytest.MonkeyPatch) -> None:
    from mkgc.sweeps.resolvers import direction
    from tasks.mre.task import RelationExtraction

    assert direction("tasks.mre.task.RelationExtraction") == "maximize"
    monkeypatch.setattr(RelationExtraction, "mode", "min")
    assert direction("tasks.mre.task.RelationExtraction") == "minimize"
