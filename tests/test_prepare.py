"""`python -m mkgc.prepare`: images, archives and low-resource splits; weights are tested with their encoders."""

import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import instantiate

from mkgc.data.dataset import read_dataset
from tests.conftest import TINY, said


@pytest.mark.slow
@pytest.mark.parametrize("task", ["mre", "mner", "link_prediction"])
def test_training_decodes_nothing_that_was_prepared(
    run: Callable[..., Any],
    roots: dict[str, Path],
    task: Any,
    tiny: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code, out, _ = run("prepare", f"task={task}", f"data.root={roots[task]}", *TINY)
    assert code == 0
    assert "images of 32 pixels; cannot be used: none" in out
    monkeypatch.setattr("mkgc.images.decode._decoded", lambda *_: pytest.fail("decoded"))
    store = read_dataset(tiny(task, roots[task])).store
    assert store.count(32) == {"mre": 40, "mner": 40, "link_prediction": 6}[task]


def test_what_cannot_be_used_is_counted_by_kind(run: Callable[..., Any], mre_root: Path) -> None:
    for name, content in (("0.png", b""), ("1.png", b"text"), ("2.png", b"")):
        (mre_root / "img_org" / "train" / name).write_bytes(content)
    _, out, _ = run("prepare", f"data.root={mre_root}", *TINY)
    assert "37 images of 32 pixels; cannot be used: 2 empty, 1 not an image" in out


def test_a_store_may_lie_elsewhere(
    run: Callable[..., Any], mre_root: Path, tmp_path: Path, tiny: Callable[..., Any]
) -> None:
    run("prepare", f"data.root={mre_root}", *TINY, f"data.store={tmp_path}/fast")
    assert sorted(path.name for path in (tmp_path / "fast").iterdir()) == ["32.bin", "32.jsonl"]
    assert not (mre_root / "images.store").exists()
    settings = instantiate(tiny("mre", mre_root, f"data.store={tmp_path}/fast").data)
    assert settings.store_folder == tmp_path / "fast"


def test_an_archive_is_unpacked_into_its_folder(run: Callable[..., Any], tmp_path: Path, mre_root: Path) -> None:
    with tarfile.open(tmp_path / "mnre.tar.gz", "w:gz") as tar:
        tar.add(mre_root, "mnre")
    code, out, _ = run("prepare", f"archive={tmp_path}/mnre.tar.gz", f"output={tmp_path}/data")
    assert code == 0
    assert "45 files unpacked into" in out
    assert (tmp_path / "data/mnre/ours_rel2id.json").is_file()


def test_low_resource_splits_are_written_for_as_many_draws_as_asked_for(
    run: Callable[..., Any], roots: dict[str, Path], tiny: Callable[..., Any]
) -> None:
    root = roots["link_prediction"]
    few = ["task=link_prediction", f"data.root={root}", *TINY, "data.shots=2", "subset_seeds=3"]
    code, out, _ = run("prepare", *few)
    assert code == 0
    assert out == f"3 of 3 low-resource splits written to {root}, the others were there\n"
    files = sorted(root.glob("2shot-*-train.tsv"))
    assert [file.name for file in files] == [f"2shot-{draw}-train.tsv" for draw in (42, 43, 44)]
    assert all(len(file.read_text().splitlines()) == 4 for file in files)
    dataset = read_dataset(tiny("link_prediction", root, "data.shots=2"))
    assert sum(len(item.targets) for item in dataset.features["train"]) == 2 * 4


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["weights=e5_dino", "archive=x.zip"], "weights and archive are two different things: give one"),
        (["archive=none.zip", "output=x"], "none.zip: no such file"),
        (["archive=none.zip"], "give output=…"),
        (["subset_seeds=2"], "subset_seeds=2: give data.shots=… or data.fraction=…, too"),
        (["subset_seeds=0", "data.shots=1"], "subset_seeds=0: must be a whole number of at least 1"),
    ],
)
def test_a_wrong_word_is_one_line(
    run: Callable[..., Any], tmp_path: Path, mre_root: Path, arguments: Any, line: Any
) -> None:
    code, _, err = run("prepare", f"data.root={mre_root}", *TINY, *arguments)
    assert code == 2
    assert line in said(err)


@pytest.fixture
def read_only(mre_root: Path) -> Any:
    """A data set on a file system that cannot be written to."""
    mount = ["mount", "--bind", str(mre_root), str(mre_root)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    subprocess.run(["mount", "-o", "remount,ro,bind", str(mre_root)], check=True)
    yield mre_root
    subprocess.run(["umount", str(mre_root)], check=True)


@pytest.mark.slow
def test_read_only_data_are_prepared_elsewhere_and_read_without(
    run: Callable[..., Any], read_only: Any, tiny: Callable[..., Any], tmp_path: Path
) -> None:
    code, _, err = run("prepare", f"data.root={read_only}", *TINY)
    assert code == 2
    assert said(err).startswith(f"{read_only}/images.store: images cannot be kept there: Read-only file system")
    assert "Give data.store=…" in said(err)
    assert read_dataset(tiny("mre", read_only)).store.count(32) == 40
    assert run("prepare", f"data.root={read_only}", *TINY, f"data.store={tmp_path}/store")[0] == 0


@pytest.mark.slow
def test_images_that_nobody_names_are_said(run: Callable[..., Any], roots: dict[str, Path]) -> None:
    for task, name, whose in (("mre", "img_org/train/new.JPG", "no sentence names"), ("mner", "images/new.webp", "no")):
        (roots[task] / name).touch()
        _, out, _ = run("prepare", f"task={task}", f"data.root={roots[task]}", *TINY)
        assert f"warning: images that {whose}" in out
        assert f"1 ({name})" in out


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["train", "check", "prepare"])
@pytest.mark.parametrize(
    ("images", "reason"),
    [
        ("data.images={image: 60}", "data.images.image=60: patches are 16 pixels wide, so choose 64, say"),
        ("data.images.image=sixty", "must be a mapping of keys to a whole number of at least 1"),
    ],
)
def test_sizes_that_no_encoder_could_cut_are_told_before_anything_is_read(
    run: Callable[..., Any], verb: str, images: str, reason: str
) -> None:
    code, _, err = run(verb, "task=link_prediction", "data=tsv", "data.root=nowhere", images)
    assert code == 2
    assert reason in said(err)


def test_images_that_match_nothing_are_listed(run: Callable[..., Any], kg_root: Path, tiny: Callable[..., Any]) -> None:
    (kg_root / "images/E.1.png").write_bytes(next((kg_root / "images").rglob("*.png")).read_bytes())
    (kg_root / "images/e.3").mkdir()
    arguments = ("task=link_prediction", f"data.root={kg_root}", *TINY)
    for verb in ("prepare", "check"):
        out = " ".join(run(verb, *arguments)[1].split())
        assert "images that match no entity: 1 (images/E.1.png for 'e/1'?)" in out
        assert "folders of images that hold no file: 1 (images/e.3)" in out
