import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from mkgc.data.formats import crops
from mkgc.errors import DataError


class Malicious:
    """Unpickling it would make a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def refused(path: Path) -> str:
    with pytest.raises(DataError) as error:
        crops.read(path, path.parent)
    return str(error.value).removeprefix(f"{path}: ")


def test_nothing_in_a_dictionary_is_executed(tmp_path: Path) -> None:
    path, folder = tmp_path / "mre_train_dict.pth", tmp_path / "made by the pickle"
    torch.save({"7.jpg": Malicious(folder)}, path)
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        pickle.loads(archive.read(name))
    assert folder.is_dir(), "the pickle does harm where it is loaded without care"
    folder.rmdir()
    assert refused(path) == "was not loaded: it holds more than plain lists of file names"
    assert not folder.exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (["a.png"], "holds a list, not a dictionary of lists of file names"),
        ({"7.jpg": "a.png"}, "the entry '7.jpg' is not a list of file names but 'a.png'"),
        ({"7.jpg": [1, 2]}, "the entry '7.jpg' is not a list of file names but [1, 2]"),
        ({1.5: ["a.png"]}, "the entry 1.5 is not a list of file names but ['a.png']"),
        ({7: torch.zeros(2)}, "the entry 7 is not a list of file names but tensor([0., 0.])"),
    ],
)
def test_anything_but_lists_of_names_is_refused(tmp_path: Path, content: Any, reason: str) -> None:
    torch.save(content, tmp_path / "x.pth")
    assert refused(tmp_path / "x.pth") == reason


def saved() -> bytes:
    file = io.BytesIO()
    torch.save({f"{i}.jpg": [f"{i}_crop_{j}.png" for j in range(3)] for i in range(50)}, file)
    return file.getvalue()


def flipped(content: bytes) -> bytes:
    place = content.index(b"25_crop_1")
    return content[:place] + b"26" + content[place + 2 :]


@pytest.mark.parametrize(
    "content", [saved()[:-40], saved()[:200], b"", b"an error page", flipped(saved())], ids=range(5)
)
def test_a_damaged_file_is_named_as_such(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.pth").write_bytes(content)
    assert refused(tmp_path / "x.pth") == "is damaged, or was not written by torch.save: fetch it again"


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.pth", "w") as archive:
        archive.writestr("a.txt", "text")
    assert refused(tmp_path / "x.pth") == "was not loaded: it holds more than plain lists of file names"


def test_a_crop_that_is_in_no_folder_is_named_in_the_first_that_exists(tmp_path: Path) -> None:
    torch.save({"7.jpg": ["a.png"]}, tmp_path / "x.pth")
    (tmp_path / "second").mkdir()
    found = crops.read(tmp_path / "x.pth", tmp_path / "first", tmp_path / "second")
    assert found.of("7.jpg") == (tmp_path / "second/a.png",)
    assert found.of("8.jpg") == ()
