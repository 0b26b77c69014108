"""An index of a folder: what is in it, what happens when it is killed or the folder changes, and what is refused."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mkgc.searching import building
from mkgc.searching.index import ImageIndex
from tests.conftest import said
from tests.searching.conftest import Colours, paint

Run = Callable[..., tuple[int, str, str]]
COMMAND = ("index", "checkpoint=run", "images=images", "output=found")


def names(index: Path) -> list[str]:
    return [file.name for file in ImageIndex(index).files]


def test_images_of_inner_folders_are_indexed_whatever_they_are_called(run: Run, colours: Colours, folder: Path) -> None:
    assert run(*COMMAND)[::2] == (0, "")
    indexed = folder.parent / "found"
    assert names(indexed) == [
        "green-200.png",
        "green-250.png",
        "inner/蓝200.png",
        "inner/蓝250.png",
        "red 200.png",
        "red 250.png",
    ]
    assert {path.name for path in indexed.iterdir()} == {"index.npz", "report.json"}


def test_the_content_tells_an_image_and_broken_ones_are_reported(run: Run, colours: Colours, folder: Path) -> None:
    (folder / "red 200.png").rename(folder / "no suffix")
    (folder / "notes.txt").write_text("no image")
    (folder / "empty.png").write_bytes(b"")
    Image.effect_noise((64, 64), 50).save(folder / "cut.png")
    (folder / "cut.png").write_bytes((folder / "cut.png").read_bytes()[:1000])
    for number in range(3):
        (folder / f"text{number}.jpg").write_text("no image")
    code, out, err = run(*COMMAND)
    assert code == 0
    assert "6 images in found (11 new" in out
    lines = err.splitlines()
    assert lines[0].startswith("cut.png: truncated (")
    assert lines[1] == "empty.png: empty: left out"
    assert lines[3] == "2 more images are left out: found/report.json names all"
    report = json.loads((folder.parent / "found" / "report.json").read_text())
    assert {*report["broken"]} == {"cut.png", "empty.png", "text0.jpg", "text1.jpg", "text2.jpg"}
    assert "no suffix" in names(folder.parent / "found")


KILLED = """
import os, signal, sys
import numpy as np
from mkgc.searching import building, encoder
from tests.searching.conftest import Colours

class Killed(Colours):
    def embed_images(self, pixels):
        if self.images >= 4:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().embed_images(pixels)

building.CHUNK = 2
encoder.open_encoder = lambda *_, **__: Killed()
from mkgc.index import main
sys.argv[1:] = ["checkpoint=run", "images=images", "output=found"]
main()
"""


@pytest.mark.slow
def test_what_was_done_before_a_kill_is_not_done_again(run: Run, colours: Colours, folder: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", KILLED], cwd=folder.parent, env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    log = folder.parent / "found" / "building" / "images.jsonl"
    with log.open("ab") as file:
        file.write(b'["half a li')
    with (log.parent / "vectors.f32").open("ab") as file:
        file.write(b"\0" * 20)
    assert "the index is not finished" in said(run("search", "index=found", "text=red")[2])
    assert run(*COMMAND)[0] == 0
    assert colours.images == 2
    whole = ImageIndex(folder.parent / "found")
    assert len(whole.files) == 6
    for file, vector in zip(whole.files, whole.vectors(), strict=True):
        kind = ["red" in file.name, "green" in file.name, "蓝" in file.name]
        assert vector.argmax() == kind.index(True)


def test_an_interrupted_index_says_that_it_goes_on(
    run: Run, colours: Colours, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "CHUNK", 4)
    embed = colours.embed_images

    def interrupted(pixels: np.ndarray) -> np.ndarray:
        if colours.images:
            signal.raise_signal(signal.SIGINT)
        return embed(pixels)

    monkeypatch.setattr(colours, "embed_images", interrupted)
    code, _, err = run(*COMMAND)
    assert (code, said(err)) == (130, "interrupted; what was made is kept, and the same command goes on")
    monkeypatch.setattr(colours, "embed_images", embed)
    assert "6 images in found (2 new" in run(*COMMAND)[1]


def test_a_changed_folder_costs_what_has_changed(run: Run, colours: Colours, indexed: Path, folder: Path) -> None:
    before = colours.images
    paint(folder / "new.png", (9, 9, 200))
    paint(folder / "red 200.png", (0, 0, 255))
    (folder / "green-200.png").unlink()
    code, out, err = run(*COMMAND)
    assert (code, err) == (0, "")
    assert "6 images in found (2 new" in out
    assert colours.images == before + 2
    index = ImageIndex(indexed)
    assert [file.name for file in index.files][-3:] == ["new.png", "red 200.png", "red 250.png"]
    assert index.vectors()[-2].argmax() == 2


def test_the_output_may_lie_among_the_images(run: Run, colours: Colours, folder: Path) -> None:
    command = ("index", "checkpoint=run", "images=images", "output=images/found")
    assert run(*command)[0] == 0
    paint(folder / "found" / "sheet.png", (1, 1, 1))
    assert "6 images in images/found (0 new)" in run(*command)[1]


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_approximate_indexes_say_how_much_they_find(run: Run, colours: Colours, folder: Path, kind: str) -> None:
    for number in range(100):
        paint(folder / f"{number}.png", (number * 2, 255 - number, number * 7 % 256))
    code, out, _ = run(*COMMAND, f"kind={kind}")
    assert code == 0
    assert f"{kind}; finds " in out
    report = json.loads((folder.parent / "found" / "report.json").read_text())
    assert 0.5 < report["recall"] <= 1
    assert run("search", "index=found", "text=red", "top_k=3")[1].count("red") >= 1


def test_many_images_are_linked_by_default(
    run: Run, colours: Colours, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("mkgc.index"), "LARGE", 5)
    assert run(*COMMAND)[1].endswith("hnsw; finds 100.0% of what exact search finds\n")
    assert "flat" in run(*COMMAND, "kind=flat")[1]


def test_an_index_of_another_checkpoint_is_refused_by_name(run: Run, indexed: Path) -> None:
    (indexed.parent / "other").mkdir()
    for command in (("search", "index=found", "text=red"), ("serve", "index=found")):
        code, _, err = run(*command, "checkpoint=other")
        assert code == 2
        assert "was made with the checkpoint" in said(err)
        assert "run' (c0105), and 'other' (07e12) is another" in said(err)
    code, _, err = run("index", "checkpoint=other", "images=images", "output=found")
    assert code == 2
    assert "(c0105), and 'other' (07e12) is another" in said(err)


def test_an_unfinished_index_of_another_checkpoint_is_refused(run: Run, colours: Colours, folder: Path) -> None:
    building = folder.parent / "found" / "building"
    building.mkdir(parents=True)
    (building / "images.jsonl").write_text('{"digest": "07e12", "width": 3}\n')
    code, _, err = run(*COMMAND)
    assert code == 2
    assert "an index of another checkpoint is begun there" in said(err)
    assert (building / "images.jsonl").exists()


def test_an_index_of_other_images_is_not_replaced(run: Run, indexed: Path) -> None:
    paint(indexed.parent / "others" / "a.png", (1, 2, 3))
    code, _, err = run("index", "checkpoint=run", "images=others", "output=found")
    assert code == 2
    assert "is an index of the images in" in said(err)


@pytest.mark.parametrize("left", [0, 1, 500, -1])
def test_an_index_cut_short_is_one_line(run: Run, indexed: Path, left: int) -> None:
    path = indexed / "index.npz"
    path.write_bytes(path.read_bytes()[:left])
    code, _, err = run("search", "index=found", "text=red")
    assert code == 2
    assert said(err).startswith("found/index.npz: the index is damaged or cut short")


def test_a_changed_bit_is_one_line(run: Run, indexed: Path) -> None:
    path = indexed / "index.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "damaged or cut short" in said(run("search", "index=found", "text=red")[2])


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["images=nowhere"], "nowhere: is no folder of images"),
        (["images=void"], "void: there is no image in this folder"),
        (["images=bad"], "bad: none of 1 images can be used, as a.png: not an image"),
        (["output=run/best.ckpt"], "run/best.ckpt is a file, and a folder is wanted"),
        (["kind=best"], "kind=best"),
        (["batch_size=0"], "batch_size=0"),
    ],
)
def test_what_cannot_be_indexed_is_one_line(
    run: Run, colours: Colours, folder: Path, words: list[str], line: str
) -> None:
    (folder.parent / "void").mkdir()
    (folder.parent / "bad").mkdir()
    (folder.parent / "bad" / "a.png").write_text("no image")
    code, _, err = run(*COMMAND, *words)
    assert code == 2
    assert line in said(err)


def test_two_processes_do_not_write_one_index(run: Run, colours: Colours, folder: Path) -> None:
    with building._kept(folder.parent / "found" / "building", "c0105", 3):
        code, _, err = run(*COMMAND)
    assert code == 2
    assert "another mkgc.index is writing this index" in said(err)
