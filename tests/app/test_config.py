"""Every configuration that can be composed fits what it configures, and a wrong one says so in a line."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_module
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError

from mkgc.app.config import check, fits
from mkgc.errors import ConfigError

CONF = Path(__file__).parents[2] / "conf"


def names(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def composed(*overrides: str) -> Any:
    with initialize_config_module("conf", version_base="1.3"):
        return compose("train", list(overrides))


READ = {"scene": {"mre", "mner"}, "knowledge": {"knowledge_pretraining", "entity_typing", "relation_classification"}}
"""The tasks that give what only some backbones read."""

OF_TASKS = {"poetry_pretraining": "trees", "poetry_retrieval": "trees", "retrieval": "towers"}
OF_BACKBONES = {"pkg_bert": "trees", "pkg_bert_released": "trees", "dual_encoder": "towers", "chinese_clip": "towers"}
"""The tasks that have backbones of their own, and these; chinese_clip is of its own size, too, which has weights."""

REFUSED = r"needs one that|has no model for one|must be a list|size\.weights"

COMBINED = [
    *product(names("task"), names("backbone"), ["small"]),
    *product(["mre", "entity_typing"], names("backbone"), sorted({*names("size")} - {"small"})),
]


@pytest.mark.slow
@pytest.mark.parametrize(("task", "backbone", "size"), COMBINED)
def test_every_task_fits_every_backbone_and_size(task: str, backbone: str, size: str) -> None:
    weights = ["size.weights=somewhere"] if size == "chinese_clip" else []
    config = composed(f"task={task}", f"backbone={backbone}", f"size={size}", *weights)
    strange = [given for given in config.backbone.inputs if task not in READ.get(given, {task})]
    if OF_TASKS.get(task, "fusion") != OF_BACKBONES.get(backbone, "fusion") or (backbone == "chinese_clip") > bool(
        weights
    ):
        with pytest.raises((ConfigError, InterpolationKeyError), match=REFUSED):
            check(config)
    elif backbone == "kg_bert" and task != "link_prediction":
        with pytest.raises(ConfigError) as error:
            check(config)
        assert str(error.value).endswith(
            f"; backbone: task={task} needs one that is a FusionEncoder, and CrossEncoder is none"
        )
    elif strange:
        with pytest.raises(ConfigError, match=f"^task.data.inputs=.*'{strange[0]}'.*: must be a list"):
            check(config)
    else:
        check(config)


@pytest.mark.slow
@pytest.mark.parametrize("backbone", names("backbone/kge"))
def test_models_of_structure_are_for_link_prediction(backbone: str) -> None:
    check(composed("task=link_prediction", f"backbone=kge/{backbone}"))
    with pytest.raises(
        ConfigError, match="^backbone: task=mner needs one that is a FusionEncoder, and [A-Za-z]+ is none$"
    ):
        check(composed("task=mner", f"backbone=kge/{backbone}"))


@pytest.mark.parametrize("group", ["trainer", "logger"])
def test_every_choice_of_a_group_fits(group: str) -> None:
    for name in names(group):
        check(composed(f"{group}={name}"))


@pytest.mark.slow
@pytest.mark.parametrize("experiment", names("experiment"))
def test_every_experiment_fits_its_task(experiment: str) -> None:
    said = OmegaConf.load(CONF / "experiment" / f"{experiment}.yaml")
    own = _says_task(experiment)
    named = next((task for task in names("task") if experiment.endswith(task)), "link_prediction")
    swept = OmegaConf.select(said, "hydra.sweeper.params", default={})
    first = {key: str(swept[key]).partition(",")[0] for key in ("task", "system") if key in swept}
    words = {"task": named} | first if not own else first
    check(
        composed(*(f"{key}={value}" for key, value in words.items()), f"experiment={experiment}", "data.root=somewhere")
    )


def _says_task(experiment: str) -> bool:
    """Whether an experiment is of one task, by itself or by the one that it builds upon."""
    defaults = OmegaConf.load(CONF / "experiment" / f"{experiment}.yaml").get("defaults", [])
    upon = [default for default in defaults if isinstance(default, str) and default != "_self_"]
    return any("override /task" in default for default in defaults if default not in upon) or any(map(_says_task, upon))


@pytest.mark.parametrize("experiment", names("experiment/kge"))
def test_the_literatures_settings_fit_the_model_they_are_named_after(experiment: str) -> None:
    config = composed(f"experiment=kge/{experiment}", "data.root=somewhere")
    check(config)
    assert config.system.lower() == experiment.split("_")[0]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("+optim.lrr=1", "optim.lrr: no such key; did you mean optim.lr?"),
        ("optim.lr=fast", "optim.lr=fast: must be a number"),
        ("optim.optimizer=adamw", "optim.optimizer=adamw: must be a node that names what it builds (_target_)"),
        ("optim.optimizer._target_=torch.optim.Adan", "optim.optimizer._target_=torch.optim.Adan: names nothing"),
        ("+backbone.fussed=2", "backbone.fussed: no such key; did you mean backbone.fused?"),
        ("backbone.fused=two", "backbone.fused=two: must be a whole number"),
        ("backbone.fusion.pgi=maybe", "backbone.fusion.pgi=maybe: must be true or false"),
        ("data.bad_images=ignore", "data.bad_images=ignore: must be one of mask, skip, fail"),
        ("task.model.pooling=mean", "task.model.pooling=mean: must be one of markers, cls"),
        ("trainer.precision=12", "trainer.precision=12: must be one of"),
        ("data.knowledge={root: graph}", "data.knowledge={'root': 'graph'}: must be a node that names what it builds"),
        ("data=folder", "data.root has no value: give data.root=…"),
    ],
)
def test_a_wrong_key_or_value_is_named(override: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check(composed(override))
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_all_mistakes_are_said_at_once() -> None:
    with pytest.raises(ConfigError, match="optim.lr=fast.*; .*|.*; optim.lr=fast"):
        check(composed("optim.lr=fast", "data.bad_images=ignore"))


def test_an_unknown_task_lists_the_known_ones() -> None:
    with pytest.raises(HydraException, match="link_prediction"):
        composed("task=unheard_of")


@pytest.mark.parametrize("group", ["system", "experiment"])
def test_settings_nobody_has_named_are_an_error_and_not_left_out(group: str) -> None:
    with pytest.raises(HydraException, match=f"Could not find '{group}/unheard_of'"):
        composed("task=link_prediction", f"{group}=unheard_of")


def test_numbers_are_not_truth_values() -> None:
    assert fits(1, float)
    assert not fits(True, int)
    assert not fits(1.5, int)
    assert fits(None, int | None)
    assert not fits("x", int | None)


@pytest.mark.parametrize("size", ["1e400", "0", "a", "1.5"])
def test_sizes_of_images_are_whole_numbers(size: str) -> None:
    with pytest.raises(ConfigError, match="^data.images=.*: must be a mapping of keys to a whole number"):
        check(composed(f"data.images.image={size}"))


def test_a_backbone_says_what_it_is_given() -> None:
    for override, said in (
        ("~backbone.inputs", "backbone.inputs: say what the backbone is given, a list of text, images or others"),
        (
            "backbone.inputs=[sound]",
            "backbone.inputs=['sound']: must be a list [one of text, characters, distances, images, scene, triples, "
            "knowledge, …]",
        ),
    ):
        with pytest.raises(ConfigError) as error:
            check(composed("task=mre", "data.root=x", override))
        assert said in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize("backbone", [*names("backbone"), *(f"kge/{name}" for name in names("backbone/kge"))])
def test_what_a_backbone_says_it_is_given_is_what_it_has_encoders_for(backbone: str) -> None:
    node = composed("task=link_prediction", f"backbone={backbone}").backbone
    made = {str(part["_target_"]).rpartition(".")[0] for part in node.values() if isinstance(part, DictConfig)}
    both = "mkgc.released.chinese_clip"
    assert ("text" in node.inputs) == bool(made & {"mkgc.encoders.text", both})
    assert ("images" in node.inputs) == bool(made & {"mkgc.encoders.vision", "mkgc.released.vision", both})
