"""The search command: by text and by image, its sheet and its JSON, and questions that cannot be answered."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from mkgc import searching
from mkgc.searching.query import LONGEST, QueryError, checked_text
from tests.conftest import said
from tests.searching.conftest import paint

Run = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("text", ["red", "红色", "a red, (square) = [1, 2] ${x} 'q\"", "🟥 red ‮מילה red कोई"])
def test_a_text_of_any_script_and_signs_finds_what_it_names(run: Run, indexed: Path, text: str) -> None:
    code, out, err = run("search", "index=found", f"text={text}", "top_k=2")
    assert (code, err) == (0, "")
    assert sorted(line.split("  ")[1] for line in out.splitlines()) == ["red 200.png", "red 250.png"]


def test_an_image_finds_its_like_by_the_answer_as_json(run: Run, indexed: Path) -> None:
    paint(indexed.parent / "ask.png", (10, 10, 240))
    code, out, err = run("search", "index=found", "image=ask.png", "top_k=2", "output=answer.json")
    assert (code, out, err) == (0, "2 images into answer.json\n", "")
    answer = json.loads((indexed.parent / "answer.json").read_text())
    assert answer["query"] == {"image": "ask.png"}
    assert {one["image"] for one in answer["results"]} == {"inner/蓝200.png", "inner/蓝250.png"}
    assert [one["rank"] for one in answer["results"]] == [1, 2]
    assert answer["results"][0]["score"] == pytest.approx(0.99, abs=0.01)
    assert all(Path(one["file"]).is_file() for one in answer["results"])


def test_the_sheet_shows_the_images_in_their_order(run: Run, indexed: Path) -> None:
    assert run("search", "index=found", "text=green", "sheet=sheet.png", "output=answer.json")[0] == 0
    with Image.open(indexed.parent / "sheet.png") as sheet:
        width, height = sheet.size
        first, last = (sheet.convert("RGB").getpixel((int(width * at), height // 2)) for at in (0.1, 0.9))
    assert width == 1200
    assert first[1] > 150 > first[0] + first[2]
    assert last[1] < 50
    assert len(json.loads((indexed.parent / "answer.json").read_text())["results"]) == 6


def test_an_image_removed_after_indexing_is_said_to_be_missing(run: Run, indexed: Path, folder: Path) -> None:
    (folder / "red 250.png").unlink()
    code, out, err = run("search", "index=found", "text=red", "top_k=2")
    assert code == 0
    assert "red 250.png  (missing)" in out
    assert "1 of them are no longer there" in err
    assert run("search", "index=found", "text=red", "sheet=sheet.png", "output=answer.json")[0] == 0
    missing = [
        one["image"] for one in json.loads((indexed.parent / "answer.json").read_text())["results"] if "missing" in one
    ]
    assert missing == ["red 250.png"]


def test_images_and_model_that_have_moved_are_told_or_asked_for(run: Run, indexed: Path, folder: Path) -> None:
    folder.rename(folder.parent / "moved")
    (folder.parent / "run").rename(folder.parent / "elsewhere")
    assert "give images=DIR" in said(run("search", "index=found", "text=red")[2])
    assert "give checkpoint=PATH" in said(run("search", "index=found", "text=red", "images=moved")[2])
    code, out, err = run("search", "index=found", "text=red", "images=moved", "checkpoint=elsewhere", "top_k=1")
    assert (code, err) == (0, "")
    assert "red" in out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], 'give text="…", or image=FILE'),
        (["text=red", "image=a.png"], "query and image are two different things: give one"),
        (["text="], "the text is empty"),
        (["text= \u200b\n "], "the text is empty"),
        (["text=" + "长" * 20_000], "the text has 20,000 characters, and 10,000 can be searched for at most"),
        (["image=nowhere.png"], "nowhere.png: missing"),
        (["image=run/best.ckpt"], "run/best.ckpt: empty"),
        (["text=red", "top_k=0"], "top_k=0"),
        (["text=red", "sheet=images"], "output=images: is a folder"),
        (["text=red", "index=run"], "run: there is no index here"),
        (["text=red", "index=nowhere"], "nowhere: there is no index here"),
    ],
)
def test_what_cannot_be_searched_for_is_one_line(run: Run, indexed: Path, words: list[str], line: str) -> None:
    code, _, err = run("search", "index=found", *words)
    assert code == 2
    assert line in said(err)


def test_a_text_of_a_million_characters_is_refused_before_it_is_split() -> None:
    with pytest.raises(QueryError, match="the text has 1,000,000 characters"):
        checked_text("x" * 1_000_000)
    assert checked_text(" " + "x" * (LONGEST - 1)) == "x" * (LONGEST - 1)


def test_half_signs_are_searched_for_as_question_marks() -> None:
    assert checked_text("a\ud800b") == "a?b"


@pytest.mark.slow
def test_what_searches_and_serves_imports_no_torch() -> None:
    files = Path(searching.__file__).parent.glob("[!_]*.py")
    names = ("index", "search", "serve", *(f"searching.{file.stem}" for file in files))
    program = f"""
import sys
{"".join(f"import mkgc.{name};" for name in names)}
assert not {{"torch", "transformers", "timm", "pytorch_lightning"}} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])
