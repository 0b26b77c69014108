"""Table 4's systems that read the words alone: configured, trained, kept, resumed and asked like every other."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mkgc.app.config import check
from mkgc.app.models import systems
from mkgc.errors import ConfigError
from mkgc.evaluate import call as evaluate
from tests.conftest import composed, said

ASKED = {
    "mre": {"text": "Ada and Bob .", "head": "Ada", "tail": "Bob"},
    "mner": {"text": "We saw Rome Plaza ."},
}
FAST = [("mre", "pcnn"), ("mner", "cnn_bilstm_crf")]


def cases() -> list[Any]:
    own = [(task, name) for task in ("mre", "mner") for name in systems(task) if name not in systems("link_prediction")]
    return [pytest.param(*one, marks=[] if one in FAST else [pytest.mark.slow], id="-".join(one)) for one in own]


@pytest.mark.slow
@pytest.mark.parametrize(("task", "system"), cases())
def test_a_system_is_trained_evaluated_and_asked_by_the_commands(
    task: str, system: str, roots: dict[str, Path], run: Callable[..., Any], tmp_path: Path
) -> None:
    keys = (f"task={task}", f"system={system}", f"data.root={roots[task]}", "data.atlas_seed=null", "task.epochs=2",
            "trainer.enable_progress_bar=false", "hydra.run.dir=run", "data.images.image=32")  # fmt: skip
    keys += ("size.text.config.hidden_size=32", "size.text.config.num_hidden_layers=2")
    keys += ("task.model.matching.epochs=0",) if system == "mtb" else ()  # no two sentences here have the same mentions
    code, _, err = run("train", *keys)
    assert code == 0, err
    figures = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert set(figures["test"]) >= {"f1"}
    assert evaluate(checkpoint=str(tmp_path / "run"))["f1"] == pytest.approx(figures["test"]["f1"])
    (tmp_path / "ask.jsonl").write_text(json.dumps(ASKED[task]))
    assert run("predict", "checkpoint=run", "input=ask.jsonl", "output=answers.jsonl")[0] == 0
    answer = json.loads((tmp_path / "answers.jsonl").read_text())
    assert ("relation" if task == "mre" else "spans") in answer


@pytest.mark.slow
@pytest.mark.parametrize("task", ["link_prediction", "mre", "mner"])
def test_each_of_a_tasks_systems_fits_it_and_has_a_name(task: str) -> None:
    names = [composed(f"task={task}", f"system={system}") for system in systems(task)]
    for config in names:
        check(config)
    assert len({config.system for config in names}) == len(names)


def test_systems_that_any_task_has_and_those_of_one() -> None:
    assert {"mkgformer", "visualbert", "vilbert", "text_only"} <= {*systems("a task of the user's")}
    assert {"pcnn", "bert", "mtb"} <= {*systems("mre")}
    taggers = {f"{words}_{tags}" for words in ("cnn_bilstm", "hbilstm", "bert") for tags in ("softmax", "crf")}
    assert taggers <= {*systems("mner")}
    assert {"transe", "kg_bert"} <= {*systems("link_prediction")}
    assert "transe" not in systems("mre")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "system", "message"),
    [
        (
            "mner",
            "pcnn",
            "system PCNN is one of task=mre; task=mner has system=adapcoatt_bert_crf, ",
        ),
        ("mre", "transe", "system TransE is one of task=link_prediction; task=mre has system=bert, "),
        ("link_prediction", "bert", "system BERT is one of task=mre; task=link_prediction has system="),
        ("link_prediction", "hbilstm_crf", "system HBiLSTM-CRF is one of task=mner; task=link_prediction has system="),
    ],
)
def test_a_system_of_another_task_is_one_line_that_says_which_it_has(
    task: str, system: str, message: str, run: Callable[..., Any]
) -> None:
    code, _, err = run("train", f"task={task}", f"system={system}")
    assert code == 2
    assert said(err).startswith(message)


@pytest.mark.parametrize(
    ("task", "backbone", "given"),
    [
        ("mner", "words/pcnn", "distances"),
        ("mre", "words/hbilstm", "characters"),
        ("link_prediction", "words/pcnn", "d"),
    ],
)
def test_a_backbone_that_reads_what_a_task_does_not_give_is_one_line(task: str, backbone: str, given: str) -> None:
    with pytest.raises(ConfigError) as error:
        check(composed(f"task={task}", f"backbone={backbone}"))
    assert str(error.value).startswith("task.data.inputs=")
    assert given in str(error.value)
    assert "must be a list [one of text, " in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "message"),
    [
        (
            "backbone.text.vectors=nowhere.txt",
            "backbone.text.vectors=nowhere.txt: there is no such file of word vectors",
        ),
        ("backbone.text.window=2", "backbone.text.window=2: an odd number of words"),
        ("backbone.text.dim=0", "backbone.text.dim=0: must be a whole number of at least 1"),
        ("size.tokenizer.min_count=0", "size.tokenizer.vocab_size=50000 and min_count=0 must be at least 1"),
    ],
)
def test_a_setting_of_an_encoder_of_words_that_cannot_be_is_one_line(
    key: str, message: str, mre_root: Path, run: Callable[..., Any]
) -> None:
    code, _, err = run("train", "task=mre", "system=pcnn", f"data.root={mre_root}", "data.atlas_seed=null", key)
    assert code == 2
    assert said(err).startswith(message)


@pytest.mark.parametrize("task", ["mre", "mner"])
def test_table_4_is_a_sweep_over_all_systems_of_its_task(task: str) -> None:
    from hydra import compose, initialize_config_module

    with initialize_config_module("conf", version_base="1.3"):
        config = compose("train", [f"experiment=table4_{task}"], return_hydra_config=True)
    assert config.hydra.mode.name == "MULTIRUN"
    assert sorted(config.hydra.sweeper.params.system.split(",")) == systems(task)
    assert config.task.name == task
