import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mkgc.data import store
from mkgc.data.images import read_picture
from mkgc.data.pictures import PictureStore
from mkgc.errors import DataError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Five noisy pictures, an empty file and a missing one."""
    random = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for i in range(5):
        Image.fromarray(random.integers(0, 255, (20, 30, 3), np.uint8)).save(tmp_path / f"images/{i}.png")
    (tmp_path / "images/empty.png").touch()
    return tmp_path


def files(root: Path) -> list[Path]:
    return [*(root / f"images/{i}.png" for i in range(5)), root / "images/empty.png", root / "images/none.png"]


def prepared(root: Path, paths: list[Path]) -> store.SizedStore:
    list(store.prepare(root / "store", root, paths, 8))
    return store.SizedStore(root / "store", 8, root)


def test_a_prepared_picture_is_the_decoded_one(root: Path) -> None:
    sized = prepared(root, files(root))
    for path in files(root)[:5]:
        entry = sized.find(path)
        assert entry is not None
        assert torch.equal(sized.pixels()[entry.row], torch.from_numpy(read_picture(path, 8)))
    assert sized.faults(files(root)) == {"empty": 1, "missing": 1}


def test_nothing_is_decoded_again_from_a_store(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared(root, files(root))
    monkeypatch.setattr("mkgc.data.images._decoded", lambda *_: pytest.fail("decoded"))
    pictures = PictureStore({"image": files(root)}, {"image": 8}, root / "store", root)
    assert pictures.count(8) == 5
    assert {path.name: error.kind for path, error in pictures.problems.items()} == {
        "empty.png": "empty",
        "none.png": "missing",
    }


def test_what_a_store_lacks_is_decoded_beside_it(root: Path) -> None:
    prepared(root, files(root)[:3])
    pictures = PictureStore({"image": files(root)}, {"image": 8}, root / "store", root)
    rows = [pictures.index(path, 8) for path in files(root)[:5]]
    assert rows == [0, 1, 2, 3, 4]
    taken = pictures.take([4, 0], 8)
    assert torch.equal(taken[0], torch.from_numpy(read_picture(files(root)[4], 8)))
    assert torch.equal(taken[1], torch.from_numpy(read_picture(files(root)[0], 8)))


def test_a_changed_file_is_decoded_anew(root: Path) -> None:
    prepared(root, files(root))
    changed = files(root)[0]
    Image.new("RGB", (9, 9), "red").save(changed)
    assert store.SizedStore(root / "store", 8, root).find(changed) is None
    entry = prepared(root, files(root)).find(changed)
    assert entry is not None
    assert entry.row == 5


def test_preparing_twice_adds_nothing(root: Path) -> None:
    before = prepared(root, files(root)).index_file.read_bytes()
    assert prepared(root, files(root)).index_file.read_bytes() == before


def test_a_data_set_may_be_moved_with_its_store(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    prepared(root, files(root))
    moved = tmp_path_factory.mktemp("elsewhere") / "moved"
    root.rename(moved)
    sized = store.SizedStore(moved / "store", 8, moved)
    assert sized.find(moved / "images/3.png") is not None
    moved.rename(root)


def test_a_killed_run_is_gone_on_with(root: Path) -> None:
    """Killed while writing: pictures without a line, and half a line."""
    sized = prepared(root, files(root)[:3])
    with sized.pixels_file.open("ab") as pixels, sized.index_file.open("ab") as index:
        pixels.write(bytes(100))
        index.write(b'{"path": "images/3.p')
    again = prepared(root, files(root))
    assert again.verify() == []
    assert [again.find(path).row for path in files(root)[:5]] == [0, 1, 2, 3, 4]
    assert again.pixels_file.stat().st_size == 5 * 3 * 8 * 8


def test_a_batch_that_never_reached_the_index_is_not_read(root: Path) -> None:
    sized = prepared(root, files(root))
    sized.pixels_file.write_bytes(sized.pixels_file.read_bytes()[: 2 * sized.stride])
    assert store.SizedStore(root / "store", 8, root).find(files(root)[2]) is None


def test_damaged_bytes_are_found_by_their_checksum(root: Path) -> None:
    sized = prepared(root, files(root))
    data = bytearray(sized.pixels_file.read_bytes())
    data[sized.stride + 7] ^= 1
    sized.pixels_file.write_bytes(data)
    assert sized.verify() == [os.path.join("images", "1.png")]
    with pytest.raises(DataError, match=r"the picture of images/1\.png is damaged: delete the folder and run mkgc"):
        prepared(root, files(root))


def test_a_damaged_index_is_named(root: Path) -> None:
    sized = prepared(root, files(root))
    sized.index_file.write_text("{}\n")
    with pytest.raises(DataError, match="is damaged: delete it and run mkgc.prepare again"):
        store.SizedStore(root / "store", 8, root)


def test_two_do_not_write_at_once(root: Path) -> None:
    sized = prepared(root, files(root)[:1])
    with store._locked(sized.index_file), pytest.raises(DataError, match="another mkgc.prepare is writing this store"):
        prepared(root, files(root))


def test_the_index_says_what_it_holds(root: Path) -> None:
    lines = [json.loads(line) for line in prepared(root, files(root)).index_file.read_text().splitlines()]
    assert [line["row"] for line in lines] == [0, 1, 2, 3, 4, None, None]
    assert lines[0]["path"] == os.path.join("images", "0.png")
    assert lines[0]["bytes"] == files(root)[0].stat().st_size


def test_images_that_were_prepared_stretched_are_not_taken_for_cropped_ones(root: Path) -> None:
    prepared(root, files(root))
    for fit in ("stretch", "crop", "stretch"):
        list(store.prepare(root / "store", root, files(root), 8, fit))
        pictures = PictureStore({"image": files(root)}, {"image": 8}, root / "store", root, fit)
        row = pictures.index(files(root)[3], 8)
        assert row is not None
        assert torch.equal(pictures.take([row], 8)[0], torch.from_numpy(read_picture(files(root)[3], 8, fit=fit)))
    assert {path.name for path in (root / "store").iterdir()} == {"8.bin", "8.jsonl", "8.crop.bin", "8.crop.jsonl"}
