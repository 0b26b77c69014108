"""What `make demo` shows: marked answers, each picture once, and nothing trained twice."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.demo import __main__ as demo
from benchmarks.demo import one, questions
from benchmarks.demo.cards import Answer, Card, load, save
from benchmarks.demo.picture import COLOURS, draw
from benchmarks.demo.tasks import TASKS, Shown
from mkgc.data.examples import ImagePaths, Span
from mkgc.metrics.spans import bio_spans
from mkgc.relations.example import RelationExample

MRE = next(task for task in TASKS if task.name == "mre")


@pytest.fixture
def image(tmp_path: Path) -> str:
    Image.new("RGB", (20, 20), (214, 230, 244)).save(tmp_path / "map.png")
    return str(tmp_path / "map.png")


@pytest.fixture
def shown(image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Card]:
    """The cards of a demo that has ended, in the working folder."""
    monkeypatch.chdir(tmp_path)
    cards = [Card(image, "Kenya borders … ?", [[Answer("Uganda 0.9", "right"), Answer("Peru 0.1", "wrong")]])]
    for task in TASKS:
        task.folder.mkdir(parents=True)
        save(cards, task.cards)
        (task.folder / "metrics.json").write_text(json.dumps({"test": {task.metric: 0.5}}))
    return cards


def test_a_relation_is_named_beside_its_id_and_the_right_one_told_where_it_was_missed() -> None:
    images: ImagePaths = {"image": (Path("map.png"),)}
    example = RelationExample(
        "1", ("Kenya", "touches", "Uganda"), Span(0, 1), Span(2, 3), "/country/country/borders", images
    )
    told, right = questions._judge_relation(example, {"relation": "/country/country/borders", "score": 0.9})
    assert told == [("Kenya (red) and Uganda (blue):", "")]
    assert right == [("borders (/country/country/borders) 0.90", "right")]
    _, wrong = questions._judge_relation(example, {"relation": "None", "score": 0.8})
    assert wrong == [("no relation (None) 0.80", "wrong"), ("borders (/country/country/borders)", "missed")]


def test_mentions_are_spans_of_words_whose_type_and_both_ends_must_be_right() -> None:
    tokens, right = ("New", "Delhi", "and", "Panama"), bio_spans(["B-city", "I-city", "O", "B-country"])
    spans = [
        {"type": "city", "start": 0, "end": 2, "score": 0.75},
        {"type": "city", "start": 3, "end": 4, "score": 0.5},
    ]
    assert questions._judge_spans(tokens, right, {"spans": spans}) == [
        [("New Delhi: city 0.75", "right")],
        [("Panama: city 0.50", "wrong")],
        [("Panama: country", "missed")],
    ]
    assert questions._judge_spans(tokens, [], {"spans": []}) == [[("nothing", "right")]]


def test_answers_that_training_had_are_set_apart_from_the_right_and_the_wrong() -> None:
    entities = [{"id": f"e/{i}", "name": f"name {i}", "score": 1 / (i + 1)} for i in range(8)]
    right, known = {"e/1": "name 1", "e/7": "name 7", "e/9": "name 9"}, {"e/0": "name 0"}
    said, missed, train = questions._judge_entities(right, known, {"entities": entities})
    assert [answer.mark for answer in said] == ["right", *["wrong"] * 4]
    assert said[0].text == "name 1 (e/1) 0.50"
    assert missed == [("name 7 (e/7) in place 7", "missed"), ("name 9 (e/9) not among the first 7", "missed")]
    assert train == [("known from training: name 0", "known")]


def test_no_picture_is_shown_twice() -> None:
    asked = [questions.Question({}, name, text, lambda _: []) for name, text in (("a", "1"), ("a", "2"), ("b", "3"))]
    assert [question.text for question in questions.distinct(asked)] == ["1", "3"]


def test_a_query_of_each_relation_is_asked_in_names_with_the_held_out_answers_known(kg_root: Path) -> None:
    found = [*questions.links(kg_root)]
    assert len({question.record["relation"] for question in found}) == len(found) > 0
    (head, relation) = (found[0].record[key] for key in ("head", "relation"))
    assert found[0].text == f"name {head[2:]} ({head}) is {relation} … ?"
    tails = [
        line.split("\t")[2]
        for line in (kg_root / "test.tsv").read_text().splitlines()
        if line.startswith(f"{head}\t{relation}\t")
    ]
    answer = {"entities": [{"id": tails[0], "name": "x", "score": 1.0}]}
    assert found[0].judge(answer)[0][0].mark == "right"


def test_the_picture_has_right_and_wrong_in_their_colours(image: str, tmp_path: Path) -> None:
    save([Card(image, "a question " * 30, [[Answer("yes", "right"), Answer("no " * 60, "wrong")]])], tmp_path / "x")
    draw([("Task: test f1 0.5", load(tmp_path / "x"))], tmp_path / "out.png")
    pixels = np.asarray(Image.open(tmp_path / "out.png")).reshape(-1, 3)
    for mark in ("right", "wrong"):
        colour = [int(COLOURS[mark][i : i + 2], 16) for i in (1, 3, 5)]
        assert (pixels == colour).all(1).sum() > 20
    assert not (pixels == [int(COLOURS["missed"][i : i + 2], 16) for i in (1, 3, 5)]).all(1).any()


def test_a_second_run_trains_nothing_and_shows_the_same(
    shown: list[Card], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)
    demo.main()
    out = capsys.readouterr().out
    assert out.count("  Kenya borders … ?\n      ✓ Uganda 0.9   ✗ Peru 0.1\n") == len(TASKS)
    assert "Relation extraction: test f1 0.500" in out
    assert "\x1b" not in out
    assert demo.TOGETHER.is_file()
    demo.main()
    assert capsys.readouterr().out == out


def test_an_interrupted_demo_ends_its_processes_and_says_how_to_go_on(
    shown: list[Card], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    MRE.cards.unlink()
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def sleeper(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        assert command[-1] == "mre"
        started.append(real(["sleep", "60"], **options))
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", sleeper)
    with pytest.raises(SystemExit) as ended:
        demo.main()
    assert ended.value.code == 130
    assert started[0].returncode == -signal.SIGTERM
    assert "mkgc: interrupted; what is saved is kept: make demo goes on from there" in capsys.readouterr().out


def test_a_task_that_fails_is_told_with_the_end_of_its_log(
    shown: list[Card], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    MRE.cards.unlink()
    real = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda _, **options: real(["sh", "-c", "echo mkgc: no room; exit 2"], **options)
    )
    with pytest.raises(SystemExit) as ended:
        demo.main()
    assert ended.value.code == 2
    assert f"mkgc: mre failed, see {MRE.folder}/log.txt:\nmkgc: no room" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "first epoch"),
        ({"curves/metrics.csv": "dev/f1,epoch,train/loss\n,0,1.5\n"}, "first epoch"),
        (
            {"curves/metrics.csv": "dev/f1,epoch\n0.25,0\n0.5,1\n", "config.yaml": "task: {epochs: 8}"},
            "epoch 2 of 8, dev f1 0.50",
        ),
        ({"metrics.json": "{}"}, "asking it"),
    ],
)
def test_progress_is_read_from_what_a_run_writes(
    files: Mapping[str, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in files.items():
        (MRE.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (MRE.folder / name).write_text(text)
    assert MRE.progress() == said


@pytest.mark.slow
def test_a_task_is_trained_asked_and_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    task = Shown("link_prediction", "mrr", "Links", ("task=link_prediction", "system=distmult", "task.epochs=1"), False)
    one.show(task)
    assert len(load(task.cards)) == questions.SHOWN
    assert len({card.image for card in load(task.cards)}) == questions.SHOWN
    assert task.picture.is_file()
    before = (task.folder / "metrics.json").read_bytes()
    one.show(task)
    assert (task.folder / "metrics.json").read_bytes() == before
    assert task.title(task.figures()).startswith("Links: test mrr 0.")
