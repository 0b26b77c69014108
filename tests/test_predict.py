"""`python -m mkgc.predict`: what becomes of records that cannot be used, and where the answers go."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mkgc.train import train
from mkgc.training.checkpoint import save
from tests.conftest import said

GOOD = {"text": "Ada and Bob", "head": "Ada", "tail": "Bob"}
BAD = (
    b'{"text": "Ada \\ud83d Bob", "head": "Ada", "tail": "Bob"}',
    b'{"id": "x\\ud83d", "text": "Ada and Bob", "head": "Ada", "tail": "Bob"}',
    b"[" * 100_000,
    b'{"id": ' + b"9" * 5000 + b"}",
    b"\xff",
    b'{"text": "Ada and Bob", "head": "Ada"}',
    b'{"id": "w", "text": "Ada and Bob", "head": "Ada", "tail": "Bob", "image": "https://x.org/a.png"}',
)


@pytest.fixture
def trained(mre_root: Path, tiny: Callable[..., Any], tmp_path: Path) -> str:
    train(tiny("mre", mre_root, "task.epochs=1"), tmp_path / "run")
    return f"checkpoint={tmp_path}/run/best.ckpt"


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_bad_records_lose_no_answers_where_they_are_to_be_skipped(
    run: Callable[..., Any], trained: Any, tmp_path: Path
) -> None:
    asked, answers = tmp_path / "asked.jsonl", tmp_path / "answers.jsonl"
    good = json.dumps(GOOD | {"id": "good", "image": None}).encode()
    asked.write_bytes(b"\n".join([good, *BAD, b"", json.dumps(GOOD).encode()]))
    code, _, err = run("predict", trained, f"input={asked}", f"output={answers}")
    assert code == 2
    assert said(err) == f"{asked}:4: is nested too deeply to be a record"  # files are read before the model is
    assert not answers.exists()
    code, out, err = run("predict", trained, f"input={asked}", f"output={answers}", "bad_records=skip")
    assert (code, out) == (0, f"2 predictions into {answers}\n")
    assert err.startswith(f"7 of 9 records could not be used, the first: {asked}:2: ")
    found = rows(answers)
    assert [row["id"] for row in found] == ["good", 2, 3, 4, 5, 6, 7, "w", 9]
    assert ["error" in row for row in found] == [False, *[True] * 7, False]
    assert found[0]["scores"] == found[8]["scores"]
    assert [row["error"].startswith(f"{asked}:{line}: ") for line, row in enumerate(found[1:8], start=2)] == [True] * 7


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policies", "code", "errors"),
    [
        (["bad_images=mask"], 0, [False, False, False]),
        (["bad_images=skip"], 0, [False, True, True]),
        (["bad_images=fail"], 2, []),
        (["bad_images=fail", "bad_records=skip"], 0, [False, True, True]),
    ],
)
def test_images_that_cannot_be_used_follow_their_own_policy(
    run: Callable[..., Any], trained: Any, tmp_path: Path, policies: Any, code: Any, errors: Any
) -> None:
    asked, answers = tmp_path / "asked.jsonl", tmp_path / "answers.jsonl"
    images = ("mre/img_org/test/0.png", "none.png", "a" * 300)
    asked.write_text("".join(json.dumps(GOOD | {"image": image}) + "\n" for image in images))
    found, _, err = run("predict", trained, f"input={asked}", f"output={answers}", *policies)
    assert found == code
    assert ["error" in row for row in (rows(answers) if answers.exists() else [])] == errors
    if code == 2:
        assert "none.png: missing, and bad_images=fail" in said(err)


def test_answers_go_through_links_and_into_pipes(run: Callable[..., Any], trained: Any, tmp_path: Path) -> None:
    asked, real, link, pipe = (tmp_path / name for name in ("asked.jsonl", "real.jsonl", "link.jsonl", "pipe"))
    asked.write_text(json.dumps(GOOD) + "\n")
    real.write_text("before")
    link.symlink_to(real)
    os.mkfifo(pipe)
    assert run("predict", trained, f"input={asked}", f"output={link}")[0] == 0
    assert (link.is_symlink(), len(rows(real))) == (True, 1)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    assert run("predict", trained, f"input={asked}", f"output={pipe}")[0] == 0
    reader.join(30)
    assert (pipe.is_fifo(), read) == (True, [real.read_text()])


def test_nothing_but_answers_goes_to_the_standard_output(
    trained: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mkgc import predict

    (tmp_path / "asked.jsonl").write_text(json.dumps(GOOD) + "\n")
    monkeypatch.setattr("sys.argv", ["mkgc.predict", trained, f"input={tmp_path}/asked.jsonl", "output=/dev/stdout"])
    capfd.readouterr()
    predict.main()
    out, err = capfd.readouterr()
    assert [*json.loads(out)][:3] == ["id", "query", "relation"]
    assert err == "1 predictions into /dev/stdout\n"


@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_no_output_takes_the_place_of_what_is_read(
    run: Callable[..., Any], trained: Any, tmp_path: Path, verb: Any
) -> None:
    asked = tmp_path / "asked.jsonl"
    asked.write_text(json.dumps(GOOD) + "\n")
    (tmp_path / "hard").hardlink_to(asked)
    (tmp_path / "soft").symlink_to(tmp_path / "run" / "best.ckpt")
    given = [f"input={asked}"] if verb == "predict" else []
    taken = {"predict": ("asked.jsonl", "hard", "soft"), "evaluate": ("soft", "run/metrics.json", "run/best.ckpt")}
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for name in taken[verb]:
        code, _, err = run(verb, trained, *given, f"output={tmp_path}/{name}")
        assert code == 2
        assert "which is read: give another file" in said(err)
    code, _, err = run(verb, trained, *given, "output=no/such/folder/x.json")
    assert (code, said(err)) == (2, f"output=no/such/folder/x.json: there is no folder {tmp_path}/no/such/folder")
    code, _, err = run(verb, trained, *given, f"output={tmp_path}")
    assert (code, said(err)) == (2, f"output={tmp_path}: is a folder: give the name of a file")
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_an_answer_has_its_question_and_as_many_scores_as_are_asked_for(
    run: Callable[..., Any], trained: Any, tmp_path: Path
) -> None:
    asked, answers = tmp_path / "asked.jsonl", tmp_path / "answers.jsonl"
    asked.write_text(json.dumps(GOOD | {"id": "x"}) + "\n")
    words = ["predict", trained, f"input={asked}", f"output={answers}"]
    assert run(*words)[0] == 0
    (whole,) = rows(answers)
    assert [*whole] == ["id", "query", "relation", "score", "scores", "head", "tail"]
    assert whole["query"] == GOOD | {"id": "x"}
    assert run(*words, "top_k=2")[0] == 0
    (short,) = rows(answers)
    best = sorted(whole["scores"], key=whole["scores"].get, reverse=True)[:2]
    assert short == whole | {"scores": {name: whole["scores"][name] for name in best}}
    assert next(iter(short["scores"])) == short["relation"]
    code, _, err = run(*words, "top_k=0")
    assert (code, said(err)) == (2, "top_k=0: must be a whole number of at least 1 or null")


def test_a_task_without_scores_has_no_best(run: Callable[..., Any], made: Any, mner_root: Path, tmp_path: Path) -> None:
    model, _, _ = made("mner", mner_root)
    save(model, tmp_path / "model.ckpt")
    (tmp_path / "asked.jsonl").write_text('{"text": "We saw Paris"}\n')
    code, _, err = run("predict", "checkpoint=model.ckpt", "input=asked.jsonl", "output=out.jsonl", "top_k=2")
    said_so = "top_k=2 limits entities, relations or scores, and this task answers with none"
    assert (code, said(err)) == (2, said_so)
