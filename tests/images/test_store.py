import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mkgc.errors import DataError
from mkgc.images import appending as appending_module
from mkgc.images import store
from mkgc.images.appending import appending
from mkgc.images.decode import read_image
from mkgc.images.loaded import LoadedImages


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Five noisy images, an empty file and a missing one."""
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


def test_a_prepared_image_is_the_decoded_one(root: Path) -> None:
    sized = prepared(root, files(root))
    for path in files(root)[:5]:
        entry = sized.find(path)
        assert entry is not None
        assert torch.equal(sized.pixels()[entry.row], torch.from_numpy(read_image(path, 8)))
    assert sized.faults(files(root)) == {files(root)[5]: "empty", files(root)[6]: "missing"}


def test_nothing_is_decoded_again_from_a_store(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared(root, files(root))
    monkeypatch.setattr("mkgc.images.decode._decoded", lambda *_: pytest.fail("decoded"))
    images = LoadedImages({"image": files(root)}, {"image": 8}, root / "store", root)
    assert images.count(8) == 5
    assert {path.name: error.kind for path, error in images.problems.items()} == {
        "empty.png": "empty",
        "none.png": "missing",
    }


def test_what_a_store_lacks_is_decoded_beside_it(root: Path) -> None:
    prepared(root, files(root)[:3])
    images = LoadedImages({"image": files(root)}, {"image": 8}, root / "store", root)
    rows = [images.index(path, 8) for path in files(root)[:5]]
    assert rows == [0, 1, 2, 3, 4]
    taken = images.take([4, 0], 8)
    assert torch.equal(taken[0], torch.from_numpy(read_image(files(root)[4], 8)))
    assert torch.equal(taken[1], torch.from_numpy(read_image(files(root)[0], 8)))


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
    """Killed while writing: images without a line, and half a line."""
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


def damage(sized: store.SizedStore, row: int) -> None:
    """Zeroes in place of an image, as a bad disk leaves them."""
    with sized.pixels_file.open("r+b") as pixels:
        pixels.seek(row * sized.stride)
        pixels.write(bytes(sized.stride))


def test_a_damaged_image_is_noticed_when_it_is_taken_and_read_from_its_file(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(prepared(root, files(root)), 1)
    images = LoadedImages({"image": files(root)}, {"image": 8}, root / "store", root)
    expected = torch.stack([torch.from_numpy(read_image(path, 8)) for path in files(root)[:3]])
    for _ in range(2):
        assert torch.equal(images.take([0, 1, 2], 8), expected)
    said = f"the prepared image of {files(root)[1]} is damaged: it is read from its file; mkgc.prepare makes it anew\n"
    assert capsys.readouterr().err == said


def test_a_damaged_image_whose_file_is_gone_is_an_error(root: Path) -> None:
    damage(prepared(root, files(root)), 1)
    images = LoadedImages({"image": files(root)}, {"image": 8}, root / "store", root)
    files(root)[1].unlink()
    with pytest.raises(DataError, match=r"images/1\.png is damaged, and its file cannot be used: .*1\.png: missing"):
        images.take([0, 1], 8)
    assert len(images.take([0, 2], 8)) == 2


def test_preparing_again_mends_what_is_damaged(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sized = prepared(root, files(root))
    damage(sized, 1)
    assert sized.verify() == [os.path.join("images", "1.png")]
    again = prepared(root, files(root))
    assert "1 stored images are damaged and made anew, as that of images/1.png" in capsys.readouterr().out
    assert again.verify() == []
    entry = again.find(files(root)[1])
    assert entry is not None
    assert torch.equal(again.pixels()[entry.row], torch.from_numpy(read_image(files(root)[1], 8)))


def test_a_damaged_line_of_the_index_is_passed_over(root: Path) -> None:
    sized = prepared(root, files(root))
    lines = sized.index_file.read_bytes()
    sized.index_file.write_bytes(lines.replace(b'"row": 2', b'"row": 3', 1))
    again = store.SizedStore(root / "store", 8, root)
    assert again.find(files(root)[2]) is None
    assert again.find(files(root)[3]) is not None
    assert prepared(root, files(root)).find(files(root)[2]).row == 5


def test_a_store_of_an_older_format_begins_anew_without_disturbing_who_has_mapped_it(root: Path) -> None:
    sized = prepared(root, files(root))
    mapped = sized.pixels()
    before = mapped[4].clone()
    sized.index_file.write_bytes(b'{"path": "images/0.png", "bytes": 1, "changed": 1, "row": 0}\n')
    assert store.SizedStore(root / "store", 8, root).entries == {}
    assert prepared(root, files(root)[:1]).pixels_file.stat().st_size == sized.stride
    assert torch.equal(mapped[4], before)


def test_two_do_not_write_at_once(root: Path) -> None:
    sized = prepared(root, files(root)[:1])
    with (
        appending(sized.index_file, sized.pixels_file, store.HEADER),
        pytest.raises(DataError, match="another mkgc.prepare is writing this store"),
    ):
        prepared(root, files(root))


def test_what_another_process_wrote_in_between_is_kept(root: Path) -> None:
    late = store.SizedStore(root / "store", 8, root)
    prepared(root, files(root)[:3])
    assert list(late.add(files(root)[2:5])) == files(root)[2:5]
    again = store.SizedStore(root / "store", 8, root)
    assert (again.verify(), again.rows) == ([], 5)
    assert [again.find(path).row for path in files(root)[:5]] == [0, 1, 2, 3, 4]


def copy(root: Path, to: Path) -> list[Path]:
    """The data set as `cp -r` copies it: with other times."""
    shutil.copytree(root, to, copy_function=shutil.copyfile)
    for path in files(to)[:6]:
        os.utime(path, (1e9, 1e9))
    return files(to)


def test_a_copy_of_a_data_set_finds_its_images_by_their_content(
    root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(root, files(root))
    to = tmp_path_factory.mktemp("copy") / "data"
    copied = copy(root, to)
    read: list[Path] = []
    monkeypatch.setattr("mkgc.images.decode._decoded", lambda path, *_, **__: read.append(path))
    images = LoadedImages({"image": copied}, {"image": 8}, to / "store", to)
    assert read == []
    assert [images.index(path, 8) for path in copied] == [0, 1, 2, 3, 4, None, None]


def test_preparing_a_copy_doubles_nothing_and_spares_the_digests_from_then_on(
    root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(root, files(root))
    to = tmp_path_factory.mktemp("copy") / "data"
    copied = copy(root, to)
    sized = prepared(to, copied)
    assert sized.pixels_file.stat().st_size == 5 * sized.stride
    read: list[Path] = []
    monkeypatch.setattr("mkgc.images.store._digest", read.append)
    assert [entry.row for entry in sized.find_all(copied).values()] == [0, 1, 2, 3, 4, None, None]
    assert read == []


def test_equal_files_share_a_image(root: Path) -> None:
    for name in ("a.png", "b.png"):
        shutil.copy(files(root)[0], root / "images" / name)
    sized = prepared(root, [files(root)[0], root / "images/a.png", root / "images/b.png", files(root)[1]])
    assert sized.rows == 2
    assert sized.find(root / "images/b.png").row == sized.find(files(root)[0]).row


def test_a_file_of_the_same_length_and_another_content_is_another(root: Path) -> None:
    sized = prepared(root, files(root))
    path = files(root)[0]
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(0, sized.entries["images/0.png"].changed + 1))
    assert sized.find(path) is None


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_place_that_cannot_be_written_is_one_line_that_names_the_key(
    root: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(DataError) as error:
        prepared(root, files(root))
    said = f"{root}/store: images cannot be kept there: {os.strerror(code)}; what was prepared before stays."
    assert str(error.value) == f"{said} Give data.store=…, a folder that can be written and has room"


def test_what_is_prepared_already_needs_no_place_that_can_be_written(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(root, files(root))
    monkeypatch.setattr("mkgc.images.store.appending", lambda *_: pytest.fail("opened for writing"))
    prepared(root, files(root))


@pytest.mark.parametrize("after", [0, 1, 3, 4])
def test_a_disk_that_becomes_full_leaves_what_was_prepared_and_a_later_run_goes_on(
    root: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """Full at the image of that number, or, where all fit, at the lines."""
    prepared(root, files(root)[:1])
    before = (root / "store/8.jsonl").read_bytes()
    write, written = appending_module._write, iter(range(99))

    def full(file: Any, data: bytes) -> None:
        if next(written) == after:
            file.write(data[:7])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(file, data)

    with monkeypatch.context() as patch:
        patch.setattr(appending_module, "_write", full)
        with pytest.raises(DataError, match="No space left on device; what was prepared before stays"):
            prepared(root, files(root))
    assert (root / "store/8.jsonl").read_bytes() == before
    assert (root / "store/8.bin").stat().st_size == 3 * 8 * 8
    again = prepared(root, files(root))
    assert (again.verify(), again.rows) == ([], 5)


def test_the_index_says_what_it_holds(root: Path) -> None:
    header, *text = prepared(root, files(root)).index_file.read_text().splitlines()
    lines = [json.loads(line) for line in text]
    assert json.loads(header) == {"mkgc images": 2}
    assert [line["row"] for line in lines] == [0, 1, 2, 3, 4, None, None]
    assert lines[0]["path"] == os.path.join("images", "0.png")
    assert lines[0]["bytes"] == files(root)[0].stat().st_size


def test_images_that_were_prepared_stretched_are_not_taken_for_cropped_ones(root: Path) -> None:
    prepared(root, files(root))
    for fit in ("stretch", "crop", "stretch"):
        list(store.prepare(root / "store", root, files(root), 8, fit))
        images = LoadedImages({"image": files(root)}, {"image": 8}, root / "store", root, fit)
        row = images.index(files(root)[3], 8)
        assert row is not None
        assert torch.equal(images.take([row], 8)[0], torch.from_numpy(read_image(files(root)[3], 8, fit=fit)))
    assert {path.name for path in (root / "store").iterdir()} == {"8.bin", "8.jsonl", "8.crop.bin", "8.crop.jsonl"}
