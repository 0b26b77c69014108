"""What a run gave to Weights & Biases can be read without the service, also where it was killed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import wandb

from mkgc.errors import DataError
from mkgc.tools import wandb_page
from mkgc.tracking.wandb_file import BLOCK, read_kept

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the tracker's own client, with rows that need several blocks."""
    folder = tmp_path_factory.mktemp("tracked")
    with wandb.init(
        project="mine", name="one", group="sweep", dir=str(folder), mode="offline", config={"a": {"b": 1}}
    ) as run:
        run.define_metric("dev/f1", summary="max,last")
        for step in range(40):
            run.log({"train/loss": 1 / (step + 1), "trainer/global_step": step, "text": "x" * 2000})
        for step, value in ((1, 0.25), (2, 0.5), (3, 0.375)):
            run.log({"dev/f1": value, "trainer/global_step": step})
        table = wandb.Table(columns=["text", "score"])
        table.add_data("<b>bold</b>", 0.25)
        run.log({"test/predictions": table, "test/examples": [wandb.Image(picture(), caption="<i>red</i>")]})
        run.log({"test/confusion": wandb.plot.confusion_matrix(y_true=[0, 1], preds=[0, 0], class_names=["a", "b"])})
    wandb.teardown()  # on a busy machine, the client's process writes its last rows after the run has ended
    return folder


def picture() -> Any:
    from PIL import Image

    return Image.new("RGB", (8, 8), (255, 0, 0))


def test_the_records_of_a_run_are_read_across_blocks(kept: Path) -> None:
    (file,) = {path.resolve() for path in kept.rglob("*.wandb")}
    assert file.stat().st_size > 2 * BLOCK
    run = read_kept(kept)
    assert (run.project, run.name, run.group) == ("mine", "one", "sweep")
    assert run.config["a"] == {"b": 1}
    assert [row["train/loss"] for row in run.rows if "train/loss" in row] == [1 / (step + 1) for step in range(40)]
    assert run.metrics["dev/f1"] == "max"


def test_the_page_has_the_curves_tables_and_settings_and_nothing_of_the_data_acts(kept: Path) -> None:
    text = wandb_page.page(read_kept(kept))
    assert "&lt;b&gt;bold&lt;/b&gt;" in text
    assert "<b>" not in text
    assert "a.b" in text
    assert text.count("data:image/png;base64,") == 2, "the curves, and the example"
    assert "&lt;i&gt;red&lt;/i&gt;" in text
    assert "http" not in text
    assert "dev/f1.max" in text


def test_a_run_that_was_killed_has_what_it_logged_until_then(kept: Path, tmp_path: Path) -> None:
    (file,) = {path.resolve() for path in kept.rglob("*.wandb")}
    (tmp_path / "cut.wandb").write_bytes(file.read_bytes()[:50_000])
    run = read_kept(tmp_path / "cut.wandb")
    assert 5 < len(run.rows) < 40


@pytest.mark.parametrize("content", [b"", b"no run of theirs"])
def test_another_file_is_one_line(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    (tmp_path / "run.wandb").write_bytes(content)
    with pytest.raises(DataError, match=r"run.wandb: is no file of Weights & Biases"):
        read_kept(tmp_path / "run.wandb")
    with pytest.raises(DataError, match="there is no .wandb file: no run of Weights & Biases was kept offline here"):
        read_kept(tmp_path / "none")
    monkeypatch.setattr("sys.argv", ["wandb_page", str(tmp_path), str(tmp_path / "page.html")])
    with pytest.raises(SystemExit, match="2"):
        wandb_page.main()
    assert capsys.readouterr().err.startswith("mkgc: ")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_a_browser_shows_the_page(kept: Path, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(wandb_page.page(read_kept(kept)))
    words = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--screenshot={tmp_path}/page.png"]
    done = subprocess.run([*words, str(tmp_path / "page.html")], capture_output=True, text=True, check=False)
    assert (tmp_path / "page.png").is_file(), done.stderr
    assert "CONSOLE" not in done.stderr
