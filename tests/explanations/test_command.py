"""`python -m mkgc.explain`: what it leaves, and what a user sees who asks for what cannot be explained."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mkgc.training.checkpoint import save
from tests.conftest import said
from tests.explanations.conftest import RECORDS, slow, stir

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>&amp;'\"\u202e$x_1$"


@pytest.fixture
def checkpoint(made: Callable[..., Any], roots: dict[str, Path], tmp_path: Path) -> Callable[..., str]:
    """A checkpoint of an untrained model of a task."""

    def make(task: str, *overrides: str) -> str:
        model, _, _ = made(task, roots[task], *overrides)
        stir(model)
        save(model, tmp_path / f"{task}.ckpt")
        return f"checkpoint={tmp_path}/{task}.ckpt"

    return make


@pytest.fixture
def ask(folder: Path) -> Callable[..., str]:
    """A file of records beside the images."""

    def write(*records: dict[str, Any]) -> str:
        (folder / "ask.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        return f"input={folder}/ask.jsonl"

    return write


def test_a_folder_has_a_page_the_numbers_and_a_picture_a_record(
    run: Callable[..., Any], checkpoint: Any, ask: Any, tmp_path: Path
) -> None:
    words = [checkpoint("mre"), ask(RECORDS["mre"] | {"id": "first"}, RECORDS["mre"] | {"image": "none.png"})]
    code, out, err = run("explain", *words, f"output={tmp_path}/made")
    assert (code, err) == (0, "")
    assert out == f"2 explanations into {tmp_path}/made: open {tmp_path}/made/explanations.html\n"
    names = ["1.png", "2.png", "explanations.html", "explanations.json"]
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == names
    told = json.loads((tmp_path / "made" / "explanations.json").read_text())
    assert (told["version"], [row["id"] for row in told["records"]]) == (1, ["first", 2])
    first, second = told["records"]
    assert first["picture"] == "1.png"
    (of_pass,) = first["passes"]
    layer = of_pass["layers"][-1]
    shape = len(of_pass["tokens"]), len(of_pass["visual_tokens"])
    assert (len(layer["text_to_images"]["weights"][0]), len(layer["text_to_images"]["weights"][0][0])) == shape
    assert [len(layer["images_to_text"]["text"]), len(layer["images_to_text"]["lambda"][0])] == [2, shape[1]]
    assert [change["delta"] for change in first["left_out"][0]["answers"]] == [
        change["after"] - change["before"] for change in first["left_out"][0]["answers"]
    ]
    assert (second["images"], second["passes"][0]["layers"]) == ([], [])
    assert any("none.png: missing" in note for note in second["notes"])
    assert "no image of the record is there or can be used: its text is explained alone" in second["notes"]
    assert [part["part"] for part in second["left_out"]] == ["head Ada", "tail Bob", "all other words"]
    with Image.open(tmp_path / "made" / "1.png") as picture:
        assert picture.size[0] == 1200
        assert len(picture.convert("RGB").getcolors(1 << 20) or []) > 100


@pytest.mark.slow
def test_an_earlier_explanation_is_replaced_whole_and_nothing_else_is_touched(
    run: Callable[..., Any], checkpoint: Any, ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, made = ["explain", checkpoint("mre"), f"output={tmp_path}/made"], tmp_path / "made"
    draw = "mkgc.explanations.picture.draw"
    monkeypatch.setattr(draw, lambda _, path: path.write_bytes(b"a picture"))
    assert run(*words, ask(*[RECORDS["mre"]] * 10))[0] == 0
    assert sorted(path.name for path in made.glob("*.png")) == [f"{number:02}.png" for number in range(1, 11)]
    before = {path.name: path.read_bytes() for path in made.iterdir()}
    monkeypatch.setattr(draw, lambda *_: 1 / 0)
    assert run(*words, ask(RECORDS["mre"]))[0] == 1
    assert {path.name: path.read_bytes() for path in made.iterdir()} == before
    monkeypatch.setattr(draw, lambda _, path: path.write_bytes(b"a picture"))
    assert run(*words, ask(RECORDS["mre"]))[0] == 0
    assert sorted(path.name for path in made.iterdir()) == ["1.png", "explanations.html", "explanations.json"]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".made")]
    (made / "mine.txt").write_text("mine")
    code, _, err = run(*words, ask(RECORDS["mre"]))
    assert (code, said(err)) == (
        2,
        f"output={tmp_path}/made: the folder holds other files, such as mine.txt: give a new one",
    )


@pytest.mark.parametrize(
    ("task", "overrides", "line"),
    [
        ("mre", ["backbone=text_only"], "RelationExtraction, looks at no images"),
        slow("mner", ["backbone.fusion.caf=false"], "EntityRecognition, looks at no images"),
        slow("mre", ["~data.images.image"], "RelationExtraction, looks at no images"),
        ("link_prediction", ["backbone=kge/distmult"], "does not read a record's text and images"),
        slow("link_prediction", ["backbone=kge/ikrl"], "does not read a record's text and images"),
        slow("link_prediction", ["backbone=kg_bert"], "does not read a record's text and images"),
    ],
)
def test_a_model_that_does_not_look_from_text_to_images_is_one_line(
    run: Callable[..., Any], checkpoint: Any, ask: Any, tmp_path: Path, task: Any, overrides: Any, line: Any
) -> None:
    words = [checkpoint(task, *overrides), ask(RECORDS[task]), f"output={tmp_path}/made"]
    code, _, err = run("explain", *words)
    assert code == 2
    assert line in said(err)
    assert not (tmp_path / "made").exists()


@pytest.mark.slow
def test_places_and_records_that_cannot_be_used_are_one_line(
    run: Callable[..., Any], checkpoint: Any, ask: Any, tmp_path: Path
) -> None:
    given = checkpoint("mre")
    file = tmp_path / "file"
    file.write_text("")
    code, _, err = run("explain", given, ask(RECORDS["mre"]), f"output={file}")
    assert (code, said(err)) == (2, f"output={file}: {file} is a file, and a folder is wanted")
    bad = {"text": "Ada and Bob", "head": "Eve", "tail": "Bob"}
    code, _, err = run("explain", given, ask(RECORDS["mre"], bad), f"output={tmp_path}/made")
    assert code == 2
    assert f"{tmp_path}/asked/ask.jsonl:2: 'head' \"Eve\" does not stand in the sentence" in said(err)
    assert not (tmp_path / "made").exists()
    code, out, err = run("explain", given, ask(RECORDS["mre"], bad), f"output={tmp_path}/made", "bad_records=skip")
    assert code == 0
    assert out.startswith("1 explanations into")
    assert err.startswith("1 of 2 records could not be used, the first: ")
    told = json.loads((tmp_path / "made" / "explanations.json").read_text())["records"]
    assert told[1] == {"id": 2, "error": told[1]["error"]}
    (tmp_path / "asked" / "red.png").write_bytes(b"\x89PNG damaged")
    code, _, err = run("explain", given, ask(RECORDS["mre"]), f"output={tmp_path}/other", "bad_images=fail")
    assert code == 2
    assert "red.png: not an image" in said(err)
    assert run("explain", given, ask(RECORDS["mre"]), f"output={tmp_path}/other")[0] == 0
    (told,) = json.loads((tmp_path / "other" / "explanations.json").read_text())["records"]
    assert [one["name"] for one in told["images"]] == ["blue.png"]
    assert any("red.png: not an image" in note for note in told["notes"])
    code, _, err = run("explain", "checkpoint=x")
    assert (code, said(err)) == (2, "give input=… output=…")
    code, _, err = run("explain", given, ask(RECORDS["mre"]), f"output={tmp_path}/new", "root=here")
    assert (code, said(err)) == (2, "root=here says where a graph lies, and nothing is read of one here: leave it out")


@pytest.fixture
def hostile(run: Callable[..., Any], checkpoint: Any, ask: Any, tmp_path: Path) -> Path:
    """The folder of explanations of records whose texts would act in a page or a picture."""
    record = {"id": HOSTILE, "tokens": ["Ada", HOSTILE, "and", "Bob"], "head": [1, 2], "tail": [3, 4]}
    bad = {"id": HOSTILE, "text": HOSTILE, "head": "nobody", "tail": "nobody"}
    words = [checkpoint("mre"), ask(record | {"image": "red.png"}, bad), f"output={tmp_path}/made", "bad_records=skip"]
    assert run("explain", *words)[0] == 0
    return tmp_path / "made"


def test_texts_are_escaped_in_the_page(hostile: Path) -> None:
    page = (hostile / "explanations.html").read_text()
    assert page.count("<script") == 2
    assert page.count("</script>") == 2
    assert "<img src=x" not in page
    assert "\u202e" not in page
    assert "http://" not in page
    assert "https://" not in page


@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no Chromium to open the page with")
def test_a_browser_shows_the_page_without_an_error(hostile: Path, tmp_path: Path) -> None:
    """Its program runs to the end: what it made of the numbers is there, and nothing of the texts has run."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0", "--dump-dom"]
    profile = f"--user-data-dir={tmp_path}/profile"
    page = (hostile / "explanations.html").resolve().as_uri()
    done = subprocess.run(["chromium", *options, profile, page], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "CONSOLE" not in done.stderr, done.stderr
    assert "What leaving out changes" in done.stdout
    assert "What looks at what" in done.stdout
    assert done.stdout.count("<figure>") == 2
    assert "<img src=x" not in done.stdout.replace("&lt;", "")
