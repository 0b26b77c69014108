"""What a user sees who types something wrong: one line, exit code 2, nothing half-written."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mkgc
from mkgc import __main__
from mkgc.app.devices import accelerator, find_device
from mkgc.errors import ConfigError
from mkgc.train import train
from tests.conftest import TINY, said


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["task=mri"], "Could not find 'task/mri'"),
        (["tsk=mre"], "tsk: no such key; did you mean task?"),
        (["optim.lrr=1"], "optim.lrr: no such key; did you mean optim.lr?"),
        (["optim.lr=fast"], "optim.lr=fast: must be a number"),
        (["optim.lr=-1.0"], "optim.lr=-1.0 must be positive"),
        (["data.bad_images=ignore"], "data.bad_images=ignore: must be one of mask, skip, fail"),
        (["data=folder"], "data.root has no value: give data.root=…"),
        (["data=folder", "data.root=nowhere"], "nowhere"),
        (["task=link_prediction", "task.model.stages=[3]"], "task.model.stages=[3]: choose [1], [2] or [1,2]"),
        (
            ["task=link_prediction", "backbone=kge/transe", "backbone.sparse=true", "trainer.compile=true"],
            "backbone.sparse=true and trainer.compile=true do not go together",
        ),
        (["weights=none.ckpt"], "no checkpoint at 'none.ckpt'"),
    ],
)
def test_a_wrong_word_to_train_is_one_line_and_leaves_nothing(
    run: Callable[..., Any], tmp_path: Path, mre_root: Path, kg_root: Path, arguments: Any, line: Any
) -> None:
    root = kg_root if "task=link_prediction" in arguments else mre_root
    given = [] if any("data=" in a for a in arguments) else [f"data.root={root}", *TINY]
    code, _, err = run("train", *given, *arguments)
    assert code == 2
    assert line in said(err)
    assert not (tmp_path / "runs").exists()


def test_more_fused_layers_than_there_are_is_one_line(run: Callable[..., Any], mre_root: Path) -> None:
    code, _, err = run("train", f"data.root={mre_root}", *TINY, "size.fused=9")
    assert code == 2
    assert "backbone.fused=9 must lie between 1 and 2" in said(err)


def test_a_malformed_line_is_named_by_file_and_number(run: Callable[..., Any], mre_root: Path) -> None:
    path = mre_root / "txt" / "ours_val.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], "{'token': ['Ada'", *lines[4:]]) + "\n")
    code, _, err = run("train", f"data.root={mre_root}", *TINY)
    assert code == 2
    assert f"{path}:4: " in said(err)


def test_too_few_images_stop_a_run_before_it_begins(run: Callable[..., Any], mre_root: Path) -> None:
    (mre_root / "img_org" / "train" / "0.png").write_bytes(b"")
    code, _, err = run("train", f"data.root={mre_root}", *TINY, "data.min_image_coverage=1.0")
    assert code == 2
    assert "min_image_coverage" in said(err)
    code, _, err = run("train", f"data.root={mre_root}", *TINY, "data.bad_images=fail")
    assert code == 2
    assert "0.png" in said(err)


def test_evaluate_repeats_the_figures_of_the_run(
    run: Callable[..., Any], mre_root: Path, tiny: Callable[..., Any], tmp_path: Path
) -> None:
    figures = train(tiny("mre", mre_root, "task.epochs=1"), tmp_path / "run")
    checkpoint = f"checkpoint={tmp_path}/run/best.ckpt"
    code, out, _ = run("evaluate", checkpoint, f"output={tmp_path}/again.json")
    assert code == 0
    assert json.loads((tmp_path / "again.json").read_text())["test"] == pytest.approx(figures["test"])
    assert "test/f1" in out
    code, _, err = run("evaluate", checkpoint, "split=train")
    assert (code, said(err)) == (2, "split=train: must be one of dev, test")


def test_predict_answers_each_line_or_names_the_line_it_cannot(
    run: Callable[..., Any], mre_root: Path, tiny: Callable[..., Any], tmp_path: Path
) -> None:
    train(tiny("mre", mre_root, "task.epochs=1"), tmp_path / "run")
    checkpoint = f"checkpoint={tmp_path}/run/best.ckpt"
    asked, answers = tmp_path / "asked.jsonl", tmp_path / "answers.jsonl"
    good = {"text": "Ada and Bob", "head": "Ada", "tail": [2, 3], "image": "mre/img_org/test/0.png"}
    asked.write_text(json.dumps(good) + "\n" + json.dumps(good | {"image": "none.png"}) + "\n")
    code, _, _ = run("predict", checkpoint, f"input={asked}", f"output={answers}")
    rows = [json.loads(line) for line in answers.read_text().splitlines()]
    assert (code, len(rows)) == (0, 2)
    assert rows[0]["relation"] in rows[0]["scores"]
    assert "bad_images" not in rows[0]
    assert "none.png: missing" in rows[1]["bad_images"][0]
    answers.unlink()
    asked.write_text(json.dumps(good) + "\n" + json.dumps(good | {"tail": [2, 9]}) + "\n")
    code, _, err = run("predict", checkpoint, f"input={asked}", f"output={answers}")
    assert code == 2
    assert f"{asked}:2: " in said(err)
    assert not answers.exists()


def test_a_command_without_its_keys_says_which(run: Callable[..., Any]) -> None:
    code, _, err = run("predict")
    assert (code, said(err)) == (2, "give checkpoint=… input=… output=…")
    code, _, err = run("evaluate", "checkpoint=none.ckpt")
    assert (code, said(err)) == (2, "no checkpoint at 'none.ckpt'")


def test_the_console_script_lists_its_verbs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mkgc", "trian"])
    with pytest.raises(SystemExit, match="2"):
        __main__.main()
    assert (
        "no command 'trian'; choose train, evaluate, predict, explain, export, index, search, serve, check, prepare, "
        "convert, report" in capsys.readouterr().out
    )


@pytest.mark.slow
def test_commands_run_outside_the_checkout(tmp_path: Path, mre_root: Path) -> None:
    for start in (["-m", "mkgc.check"], ["-m", "mkgc", "check"]):
        done = subprocess.run(
            [sys.executable, *start, f"data.root={mre_root}", *TINY],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "training may go on (fatal: 0" in done.stdout
    assert not list(Path(tmp_path).glob("outputs"))


@pytest.mark.parametrize(
    ("verb", "word", "line"),
    [
        ("predict", "batch_size=0", "batch_size=0: must be a whole number of at least 1"),
        ("predict", "batch_size=-1", "batch_size=-1: must be a whole number of at least 1"),
        ("predict", "batch_size=1.5", "batch_size=1.5: must be a whole number of at least 1"),
        ("evaluate", "batch_size=0", "batch_size=0: must be a whole number of at least 1"),
        ("predict", "bad_records=ignore", "bad_records=ignore: must be one of fail, skip"),
        ("predict", "exclude_known=1", "exclude_known=1: must be true or false"),
        ("predict", "index=fast", "index=fast: must be one of faiss, approximate or null"),
        ("predict", "+batchsize=3", "batchsize: no such key; did you mean batch_size?"),
        ("evaluate", "split=train", "split=train: must be one of dev, test"),
        ("evaluate", "root=1", "root=1: must be text or null; as text: 'root=\"1\"'"),
        ("evaluate", "bad_images=ignore", "bad_images=ignore: must be one of mask, skip, fail or null"),
        ("report", "resamples=many", "resamples=many: must be a whole number of at least 1"),
        ("report", "seed=-1", "seed=-1: must be a whole number between 0 and 4294967295"),
        ("prepare", "subset_seeds=0", "subset_seeds=0: must be a whole number of at least 1 or null"),
        ("prepare", "weights=big", "weights=big: must be one of e5_dino, minilm_dino or null"),
        ("convert", "heads=0", "heads=0: must be a whole number of at least 1"),
        ("check", "seed=null", "seed=null: must be a whole number between 0 and 4294967295"),
        ("train", "patience=-1", "patience=-1: must be a whole number of at least 0 or null"),
        ("train", "seed=1.5", "seed=1.5: must be a whole number between 0 and 4294967295"),
        ("train", "size.threads=0", "size.threads=0: must be a whole number of at least 1 or null"),
        ("train", "+task.epoch=3", "task.epoch: no such key; did you mean task.epochs?"),
    ],
)
def test_every_command_checks_its_values_before_it_reads_anything(
    run: Callable[..., Any], tmp_path: Path, verb: Any, word: Any, line: Any
) -> None:
    given = {"predict": ["input=x"], "convert": ["input=x", "tokenizer=x"]}.get(verb, [])
    given += {"predict": ["output=y"], "convert": ["output=y"]}.get(verb, [])
    given += ["checkpoint=x"] if verb in ("predict", "evaluate") else []
    code, _, err = run(verb, *given, word)
    assert code == 2
    assert line in said(err)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("verb", ["predict", "evaluate"])
@pytest.mark.parametrize("word", ["gpu", "cuda", "cuda:3", "nonsense", "meta"])
def test_a_device_that_is_not_there_is_one_line_for_every_command(
    run: Callable[..., Any], verb: Any, word: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    given = ["input=x", "output=y"] if verb == "predict" else []
    code, _, err = run(verb, "checkpoint=x", *given, f"device={word}")
    assert code == 2
    expected = "choose cpu, gpu" if word in ("nonsense", "meta") else "there is none here; give device=cpu"
    assert f"device={word}: {expected}" in said(err)


def test_the_same_words_name_a_device_for_every_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert find_device("gpu") == find_device("cuda")
    assert accelerator(find_device("cuda:1")) == {"accelerator": "gpu", "devices": [1]}
    assert accelerator(find_device("cpu")) == {"accelerator": "cpu", "devices": 1}
    with pytest.raises(ConfigError, match="device=cuda:2: there is only 2 here"):
        find_device("cuda:2")


def test_the_version_is_said_by_each_way_to_start(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said_so = f"mkgc {mkgc.__version__}\n"
    assert run("train", "--version") == run("report", "runs=nowhere", "--version") == (0, said_so, "")
    monkeypatch.setattr(sys, "argv", ["mkgc", "--version"])
    __main__.main()
    assert capsys.readouterr().out == said_so
