"""Checkpoints are read as they were written, to the last bit, or not at all."""

import errno
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mkgc.analysis.queries import RECORD, Queries
from mkgc.app.sealed import SEAL, intact, sealed, write_sealed
from mkgc.data.formats.feature_tables import read_features
from mkgc.errors import CheckpointError, DataError
from mkgc.released.weights import read_tensors
from mkgc.training.checkpoint import FORMAT, AtomicCheckpointIO, add_fitted, read


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A checkpoint of a kilobyte or two."""
    contents = {"state_dict": {"weight": torch.arange(64.0)}, "mkgc": {"format": FORMAT, "seed": 1}}
    AtomicCheckpointIO().save_checkpoint(contents, tmp_path / "best.ckpt")
    return tmp_path / "best.ckpt"


def _refused(path: Path) -> bool:
    with pytest.raises(CheckpointError) as error:
        read(path)
    return str(path) in str(error.value) and "\n" not in str(error.value)


def test_what_was_written_is_read(path: Any) -> None:
    assert torch.equal(read(path)["state_dict"]["weight"], torch.arange(64.0))
    assert sealed(path)
    assert intact(path)


def test_other_programs_of_torch_read_it_too(path: Any) -> None:
    assert torch.load(path, weights_only=True)["mkgc"]["seed"] == 1


def test_no_changed_bit_is_read_wherever_it_lies(path: Any) -> None:
    whole, draw = path.read_bytes(), random.Random(0)
    for place in {*draw.sample(range(len(whole)), 400), *range(len(whole) - SEAL, len(whole))}:
        changed = bytearray(whole)
        changed[place] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        assert _refused(path), place


def test_no_file_that_was_cut_is_read(path: Any) -> None:
    whole = path.read_bytes()
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        assert _refused(path), length
    path.write_bytes(whole[:-SEAL])
    assert _refused(path)


@pytest.mark.parametrize("start", [0, 100, 700])
def test_no_file_with_zeros_in_it_is_read(start: Any, path: Any) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:start] + bytes(300) + whole[start + 300 :])
    assert _refused(path)


@pytest.mark.parametrize("more", [b"\n", bytes(100), b"mkgc sha256 " + bytes(32)])
def test_nothing_may_stand_behind_a_checkpoint(more: Any, path: Any) -> None:
    path.write_bytes(path.read_bytes() + more)
    assert _refused(path)


def test_what_is_put_in_later_is_sealed_too(path: Any) -> None:
    add_fitted(path, {"calibration": {"bias": 1.0}})
    assert intact(path)
    assert read(path)["mkgc"]["fitted"] == {"calibration": {"bias": 1.0}}


def test_a_broken_checkpoint_is_never_written_anew(path: Any) -> None:
    path.write_bytes(path.read_bytes()[:-1])
    before = path.read_bytes()
    with pytest.raises(CheckpointError):
        add_fitted(path, {})
    assert path.read_bytes() == before


def test_a_write_that_fails_leaves_the_old_file_and_no_other(path: Any) -> None:
    def fails(file: Any) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "no space left")

    before = path.read_bytes()
    with pytest.raises(OSError, match="no space"):
        write_sealed(path, fails)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize(("number", "said"), [(FORMAT - 1, "an older mkgc"), (FORMAT + 1, "a newer mkgc")])
def test_another_format_is_named(number: int, said: str, tmp_path: Path) -> None:
    contents = {"state_dict": {}, "mkgc": {"format": number}}
    torch.save(contents, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match=f"has format {number}, this mkgc reads {FORMAT}; it is of {said}"):
        read(tmp_path / "other.ckpt")


@pytest.mark.parametrize("said", [{}, {"format": None}, {"format": "2"}, {"format": True}, [], "x", None])
def test_a_file_that_does_not_say_its_format_is_none_of_ours(said: object, tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "mkgc": said}, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match="is not a checkpoint of mkgc"):
        read(tmp_path / "other.ckpt")


@pytest.mark.parametrize(("load", "suffix"), [(read_features, ".pth"), (read_tensors, ".ckpt")])
def test_files_of_others_are_held_against_the_sums_that_torch_wrote(load: Any, suffix: str, tmp_path: Path) -> None:
    path, draw = tmp_path / f"foreign{suffix}", random.Random(0)
    torch.save({"table": torch.arange(64.0).view(16, 4)}, path)
    whole, right = path.read_bytes(), repr(load(path))
    for place in draw.sample(range(len(whole)), 300):
        changed = bytearray(whole)
        changed[place] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        try:
            assert repr(load(path)) == right, place
        except (CheckpointError, DataError) as error:
            assert str(path) in str(error)  # noqa: PT017  # either is right: some bits say nothing


def test_ranked_queries_are_read_as_they_were_written_or_not_at_all(tmp_path: Path) -> None:
    path, draw = tmp_path / "queries.npz", random.Random(0)
    table = np.zeros(20, RECORD)
    table["rank"] = np.arange(1, 21)
    Queries(table, ("near",), ("1-1",), np.ones(20, bool)).save(path)
    whole = path.read_bytes()
    for place in draw.sample(range(len(whole)), 300):
        changed = bytearray(whole)
        changed[place] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        try:
            found = Queries.load(path)
            assert (found.table == table).all()
            assert (found.relations, found.categories, found.clean.all()) == (("near",), ("1-1",), True)
        except DataError as error:
            assert str(path) in str(error)  # noqa: PT017
