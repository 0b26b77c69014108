"""The paper's studies are sweeps that any task and size can be given, each in a folder of its own."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra import initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import OmegaConf

import mkgc.app.command  # noqa: F401  # the functions that configurations call
from mkgc.app.config import check
from mkgc.app.packages import CONF
from tests.conftest import TINY, composed
from tests.sweeps.conftest import figures

TASKS = ("mre", "mner", "link_prediction")


def hydra(*words: str) -> Any:
    with initialize_config_module("conf", version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        found = loader.load_configuration("train", [*words], RunMode.MULTIRUN).hydra
        params = OmegaConf.create({**found.sweeper.params})
        sweep: Any = OmegaConf.to_container(found.sweep, resolve=False)
    return SimpleNamespace(dir=found.sweep.dir, params=params, mode=str(found.mode), subdir=sweep["subdir"])


@pytest.mark.parametrize(
    ("size", "values"),
    [("small", "1,2,3,4"), ("base", "1,3,6,12"), ("minilm_dino", "1,2,3,6")],
)
def test_layer_sensitivity_means_for_each_size_its_own_depth(size: str, values: str) -> None:
    """12, 10-12, 7-12 and all of twelve layers."""
    assert hydra("experiment=layer_sensitivity", f"size={size}").params["backbone.fused"] == values


def test_every_size_says_what_layer_sensitivity_compares() -> None:
    for path in (CONF / "size").glob("*.yaml"):
        assert "fused_values" in OmegaConf.load(path), path


@pytest.mark.parametrize(
    ("task", "shots", "fraction"),
    [("mre", "1,5,10,20", "null"), ("mner", "null", "0.05,0.1,0.2,0.5"), ("link_prediction", "8", "null")],
)
def test_low_resource_draws_five_samples_of_the_tasks_own_sizes(task: str, shots: str, fraction: str) -> None:
    params = hydra("experiment=low_resource", f"task={task}").params
    assert (params["data.shots"], params["data.fraction"]) == (shots, fraction)
    assert params["data.subset_seed"] == "42,43,44,45,46"


def test_the_ablation_has_every_variant() -> None:
    variants = hydra("experiment=ablation").params.variant.split(",")
    assert sorted(variants) == sorted(path.stem for path in (CONF / "variant").glob("*.yaml"))


@pytest.mark.parametrize(
    ("experiment", "varied"),
    [("ablation", "seed=5,6"), ("search/rotate", "search.trials=9")],
)
@pytest.mark.slow
def test_the_same_command_has_the_same_folder_and_another_one_another(experiment: str, varied: str) -> None:
    word = f"experiment={experiment}"
    place = hydra(word).dir
    assert place.startswith(f"runs/{experiment}" if "/" in experiment else f"runs/{experiment}/mre")
    assert hydra(word).mode == "RunMode.MULTIRUN"
    assert hydra(word, varied, "launcher=local", "overwrite=true", "logger=tensorboard").dir == place
    assert len({place, hydra(word, "data.root=a").dir, hydra(word, "data.root=b").dir}) == 3
    assert hydra(word, "data.root=a", "optim.lr=1").dir == hydra(word, "optim.lr=1", "data.root=a").dir


def test_what_a_search_varies_is_part_of_what_it_is() -> None:
    places = {hydra("experiment=search/rotate", *more).dir for more in ((), ("optim.lr='interval(0.1,0.2)'",))}
    assert len(places) == 2


def test_more_seeds_or_values_join_those_that_there_are() -> None:
    places = {hydra("experiment=ablation", *more).dir for more in ((), ("seed=0,1,2,3,4",), ("variant=full",))}
    assert len(places) == 1


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("experiment", ["ablation", "layer_sensitivity", "low_resource"])
def test_each_study_runs_for_each_task(
    task: str, experiment: str, run: Callable[..., Any], roots: dict[str, Path], tmp_path: Path
) -> None:
    one = {"low_resource": ("data.subset_seed=42,43",)}.get(experiment, ("seed=0,1",))
    words = (f"experiment={experiment}", f"task={task}", f"data.root={roots[task]}", *TINY)
    code, out, err = run(
        "train", *words, *one, "size.fused_values='1,2'", "smoke=true", "task.epochs=1", "hydra.sweep.dir=sweep"
    )
    assert (code, err) == (0, "")
    low = 4 if task == "link_prediction" else 16
    expected = {"ablation": 10, "layer_sensitivity": 4, "low_resource": low}[experiment]
    assert len(figures(tmp_path / "sweep")) == expected
    assert f"sweep: {expected} jobs; into sweep" in out


@pytest.mark.parametrize("variant", ["full", "independent", "without_pgi", "without_caf", "text_only"])
def test_a_variant_is_the_network_that_it_names(variant: str, mre_root: Path, made: Callable[..., Any]) -> None:
    task, *_ = made("mre", mre_root, f"variant={variant}", "size.fused=1")
    backbone = task.backbone
    reads = backbone.side is not None
    assert reads == (variant not in ("without_caf", "text_only"))
    assert len(backbone.text.layers) == (3 if variant == "independent" else 2)
    if reads:
        (fused,) = backbone.fusions
        assert fused.pgi == (variant != "without_pgi")


@pytest.mark.parametrize(
    ("experiment", "task", "systems"),
    [
        ("klmo_table1", "entity_typing", "bert_mentions,ernie,wklm,klmo"),
        ("klmo_table2", "relation_classification", "cnn,bert_mentions,ernie,wklm,klmo"),
    ],
)
@pytest.mark.slow
def test_each_row_of_klmos_tables_starts_from_its_own_pretraining(experiment: str, task: str, systems: str) -> None:
    study = hydra("experiment=klmo_pretraining")
    assert hydra(f"experiment={experiment}").params == {"system": systems}
    for system in systems.split(","):
        row = composed(f"experiment={experiment}", f"system={system}", "seed=2")
        check(row)
        assert row.task.name == task
        assert row.weights == (None if system == "cnn" else f"{study.dir}/{row.system}_2")
    names = {composed(f"system={one}", "task=knowledge_pretraining").system for one in study.params.system.split(",")}
    assert names == {"BERT", "ERNIE", "WKLM", "KLMo"}


def test_klmos_third_table_is_of_both_tasks_with_the_graph_and_without_it() -> None:
    params = hydra("experiment=klmo_table3").params
    assert params == {"task": "entity_typing,relation_classification", "system": "klmo,klmo_without_graph"}
    first, second = (
        composed("experiment=klmo_table3", "task=entity_typing", f"system={s}") for s in params.system.split(",")
    )
    assert first.weights == second.weights == f"{hydra('experiment=klmo_pretraining').dir}/KLMo_0"
    assert (first.data.knowledge is None, second.data.knowledge is None) == (False, True)


def test_each_row_of_the_poetry_ablation_starts_from_its_own_pretraining() -> None:
    study = hydra("experiment=poetry_pretraining")
    for system in study.params.system.split(","):
        own = composed("experiment=poetry_pretraining", f"system={system}", "seed=2")
        row = composed("experiment=poetry_ablation", f"system={system}", "seed=2")
        assert row.weights == f"{study.dir}/{own.system}_2"
        assert study.subdir == "${system}_${seed}"
    assert composed("experiment=poetry_ablation", "system=poetry_teacher").weights is None
