"""A frozen teacher: its vectors are computed once, and it travels whole."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mkgc.data import kept_vectors
from mkgc.errors import CheckpointError, ConfigError
from mkgc.images.loaded import LoadedImages
from mkgc.training.checkpoint import save
from mkgc.training.teacher import Teacher, teacher_of

TEXTS = ["a red square", "two of train", "a red square"]


@pytest.fixture
def checkpoint(captions_root: Path, made: Callable[..., Any], tmp_path: Path) -> Path:
    task, _, _ = made("retrieval", captions_root)
    save(task, tmp_path / "teacher.ckpt")
    return tmp_path / "teacher.ckpt"


@pytest.fixture
def images(captions_root: Path) -> tuple[LoadedImages, list[int]]:
    files = sorted((captions_root / "images" / "train").glob("*.png"))[:5]
    store = LoadedImages({"image": files}, {"image": 32})
    return store, [row for file in files if (row := store.index(file, 32)) is not None]


def test_its_vectors_are_those_of_its_towers_however_often_an_input_comes(
    checkpoint: Path, images: tuple[LoadedImages, list[int]], tmp_path: Path
) -> None:
    teacher, (store, rows) = Teacher.of(checkpoint), images
    texts = teacher.text_vectors(TEXTS, tmp_path / "states")
    torch.testing.assert_close(texts.all(), teacher.task.embed_texts(TEXTS, 2))
    assert len(texts.distinct) == 2
    torch.testing.assert_close(texts.of(2), texts.of(0))
    found = teacher.image_vectors(store, rows, 32, tmp_path / "states")
    torch.testing.assert_close(found.all(), teacher.task.embed_images(store.take(rows, 32), 8))


def test_what_it_has_read_is_read_from_a_file_by_the_next_run(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = Teacher.of(checkpoint).text_vectors(TEXTS, tmp_path / "states").all()
    again = Teacher.of(checkpoint)
    monkeypatch.setattr(Teacher, "embed_texts", lambda *_: pytest.fail("it reads again"))
    torch.testing.assert_close(again.text_vectors(TEXTS, tmp_path / "states").all(), first)
    assert "the teacher has read 2, into" in (out := capsys.readouterr().out)
    assert "has the vectors of the teacher" in out


def test_a_damaged_file_is_made_anew_and_another_teacher_has_its_own(
    checkpoint: Path, captions_root: Path, made: Callable[..., Any], tmp_path: Path
) -> None:
    first = Teacher.of(checkpoint).text_vectors(TEXTS, tmp_path / "states").all()
    [file] = (tmp_path / "states").iterdir()
    content = bytearray(file.read_bytes())
    content[3] ^= 1
    file.write_bytes(content)
    torch.testing.assert_close(Teacher.of(checkpoint).text_vectors(TEXTS, tmp_path / "states").all(), first)
    torch.manual_seed(1)
    save(made("retrieval", captions_root)[0], tmp_path / "other.ckpt")
    other = Teacher.of(tmp_path / "other.ckpt").text_vectors(TEXTS, tmp_path / "states").all()
    assert len([*(tmp_path / "states").iterdir()]) == 2
    assert not torch.allclose(other, first)


def test_where_nothing_can_be_written_it_reads_for_this_run_alone(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(kept_vectors, "write_states", full)
    assert len(Teacher.of(checkpoint).text_vectors(TEXTS, tmp_path / "states")) == 3
    assert "cannot be kept, and are computed for this run alone: no space left" in capsys.readouterr().out


def test_it_travels_as_plain_values_and_tensors(checkpoint: Path, tmp_path: Path) -> None:
    teacher = Teacher.of(checkpoint)
    carried = io.BytesIO()
    torch.save({"teacher": teacher.state()}, carried)
    carried.seek(0)
    again = teacher_of(torch.load(carried, weights_only=True))
    assert again.dim == teacher.dim == 128
    assert again.digest == teacher.digest
    torch.testing.assert_close(again.embed_texts(TEXTS), teacher.embed_texts(TEXTS))


def test_what_is_no_teacher_is_refused_in_a_line(mre_root: Path, made: Callable[..., Any], tmp_path: Path) -> None:
    save(made("mre", mre_root)[0], tmp_path / "mre.ckpt")
    with pytest.raises(ConfigError, match="is no teacher: RelationExtraction has no two towers"):
        Teacher.of(tmp_path / "mre.ckpt")
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        Teacher.of(tmp_path / "nothing.ckpt")
    wrong: list[dict[str, Any]] = [{}, {"teacher": 3}, {"teacher": {"mkgc": {}}}]
    for state in wrong:
        with pytest.raises(CheckpointError, match="carries no teacher"):
            teacher_of(state)
