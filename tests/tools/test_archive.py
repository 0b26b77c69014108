import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from mkgc.errors import DataError
from mkgc.tools.archive import Limits, unpack
from tests.conftest import ARCHIVES

FILES: dict[str, Any] = {"data/train.txt": b"IMGID:1\n" * 100, "data/images/1.jpg": b"\xff\xd8", "empty.txt": b""}
DAMAGED = "is damaged, cut off or not what its name says: get it again; nothing was unpacked"
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".tar": bytes,
    ".tar.gz": gzip.compress,
    ".tgz": gzip.compress,
    ".tar.xz": lzma.compress,
    ".tar.bz2": bz2.compress,
}


def tarred(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def saved(tmp_path: Path, ending: str, files: Mapping[str, bytes] = FILES) -> Path:
    path = tmp_path / f"got{ending}"
    path.write_bytes(zipped(files) if ending == ".zip" else PACKERS[ending](tarred(files)))
    return path


def refused(archive: Path, limits: Limits | None = None) -> str:
    """The message; that nothing is left behind is checked each time."""
    before = sorted(archive.parent.iterdir())
    with pytest.raises(DataError) as error:
        unpack(archive, archive.parent / "out", limits)
    assert sorted(archive.parent.iterdir()) == before
    return str(error.value).removeprefix(f"{archive}: ")


def member(name: str, trouble: str) -> str:
    return f"the member {name!r} {trouble}: nothing was unpacked"


@pytest.mark.parametrize("ending", [".zip", *PACKERS])
def test_an_archive_is_unpacked_into_a_folder_that_is_made(tmp_path: Path, ending: str) -> None:
    out = tmp_path / "new" / "out"
    files = unpack(saved(tmp_path, ending), out)
    assert {str(file.relative_to(out)): file.read_bytes() for file in files} == FILES
    assert sorted(file for file in out.rglob("*") if file.is_file()) == sorted(files)
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_an_empty_folder_may_be_there_and_the_names_ending_may_be_in_capitals(tmp_path: Path) -> None:
    archive = saved(tmp_path, ".zip").rename(tmp_path / "GOT.ZIP")
    (tmp_path / "out").mkdir()
    assert len(unpack(archive, tmp_path / "out")) == 3


def test_files_and_the_folder_get_the_rights_of_new_ones(tmp_path: Path) -> None:
    info = tarfile.TarInfo("run")
    info.mode, info.uid = 0o4777, 12345
    archive = one(tmp_path, info)
    (file,) = unpack(archive, tmp_path / "out")
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    assert file.stat().st_mode == (tmp_path / "file").stat().st_mode
    assert file.stat().st_uid == os.getuid()
    assert file.parent.stat().st_mode == (tmp_path / "folder").stat().st_mode


def test_empty_folders_and_names_with_dots_are_unpacked(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in (".", "./crops", "./crops"):
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE
            tar.addfile(info)
        tar.addfile(tarfile.TarInfo("./..a..jpg"))
    (tmp_path / "got.tar").write_bytes(buffer.getvalue())
    assert unpack(tmp_path / "got.tar", tmp_path / "out") == [tmp_path / "out" / "..a..jpg"]
    assert (tmp_path / "out" / "crops").is_dir()


def one(tmp_path: Path, info: tarfile.TarInfo) -> Path:
    path = tmp_path / "got.tar"
    with tarfile.open(path, "w") as tar:
        tar.addfile(info)
    return path


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
@pytest.mark.parametrize(
    ("name", "trouble"),
    [
        ("/etc/passwd", "has an absolute path"),
        ("../beside", "leaves the folder by '..'"),
        ("data/../../beside", "leaves the folder by '..'"),
        ("C:/beside", "begins with the name of a drive"),
        ("data\\beside", "has a backslash in its name"),
        ("data/\x1b[2J", "has a control character in its name"),
    ],
)
def test_a_member_that_would_lie_elsewhere_is_refused(tmp_path: Path, ending: str, name: str, trouble: str) -> None:
    assert refused(saved(tmp_path, ending, {**FILES, name: b"x"})) == member(name, trouble)


@pytest.mark.parametrize("ending", [".zip", ".tar"])
@pytest.mark.parametrize("name", ["DATA/Images/1.JPG", "./data/images/1.jpg"])
def test_a_member_that_would_be_written_over_another_is_refused(tmp_path: Path, ending: str, name: str) -> None:
    archive = saved(tmp_path, ending, {**FILES, name: b"x"})
    assert refused(archive) == member(name, "has the name of another, up to its case")


@pytest.mark.parametrize(
    ("kind", "trouble"),
    [
        (tarfile.SYMTYPE, "is a link"),
        (tarfile.LNKTYPE, "is a link"),
        (tarfile.CHRTYPE, "is neither a plain file nor a folder"),
        (tarfile.BLKTYPE, "is neither a plain file nor a folder"),
        (tarfile.FIFOTYPE, "is neither a plain file nor a folder"),
    ],
)
def test_what_is_no_plain_file_in_a_tar_is_refused(tmp_path: Path, kind: bytes, trouble: str) -> None:
    info = tarfile.TarInfo("strange")
    info.type, info.linkname = kind, "data/train.txt"
    assert refused(one(tmp_path, info)) == member("strange", trouble)


def test_a_sparse_member_whose_size_only_its_header_has_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("holes")
    info.size = 1
    info.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": "9" * 12}
    path = tmp_path / "got.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info, io.BytesIO(b"x"))
    assert refused(path) == member("holes", "is neither a plain file nor a folder")


@pytest.mark.parametrize(
    ("mode", "trouble"),
    [(0o120777, "is a link"), (0o010644, "is a device or a pipe"), (0o060644, "is a device or a pipe")],
)
def test_what_is_no_plain_file_in_a_zip_is_refused(tmp_path: Path, mode: int, trouble: str) -> None:
    info = zipfile.ZipInfo("strange")
    info.external_attr = mode << 16
    with zipfile.ZipFile(tmp_path / "got.zip", "w") as packed:
        packed.writestr(info, "/etc/passwd")
    assert refused(tmp_path / "got.zip") == member("strange", trouble)


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    content = bytearray(zipped({"secret": b"x"}))
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + place] |= 1
    (tmp_path / "got.zip").write_bytes(content)
    assert refused(tmp_path / "got.zip") == member("secret", "is encrypted")


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_more_than_the_limit_is_not_unpacked(tmp_path: Path, ending: str) -> None:
    archive = saved(tmp_path, ending)
    assert refused(archive, Limits(bytes=500)) == "more than 500 bytes come out of it: nothing was unpacked"
    assert refused(archive, Limits(members=2)) == "has more than 2 members: nothing was unpacked"


@pytest.mark.parametrize("ending", [".zip", ".tar.gz", ".tar.xz", ".tar.bz2"])
def test_a_bomb_stops_at_its_ratio_and_not_where_it_is_small(tmp_path: Path, ending: str) -> None:
    archive = saved(tmp_path, ending, {"zeros": bytes(2**21)})
    message = "more than 100 times its own size comes out of it, as of a bomb: nothing was unpacked"
    assert refused(archive, Limits(ratio=100, free=2**20)) == message
    assert len(unpack(archive, tmp_path / "out", Limits(ratio=100, free=2**22))) == 1


def test_a_bomb_whose_headers_deny_it_is_stopped_too(tmp_path: Path) -> None:
    content = zipped({"zeros": bytes(2**21)})
    declared = (2**21).to_bytes(4, "little")
    assert declared in content
    (tmp_path / "got.zip").write_bytes(content.replace(declared, (10).to_bytes(4, "little")))
    assert refused(tmp_path / "got.zip", Limits(bytes=1000)) == DAMAGED


def test_a_bomb_in_a_tars_own_headers_is_stopped_too(tmp_path: Path) -> None:
    info = tarfile.TarInfo("a")
    info.pax_headers = {"comment": "x" * 2**21}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info)
    (tmp_path / "got.tar.gz").write_bytes(gzip.compress(buffer.getvalue()))
    message = refused(tmp_path / "got.tar.gz", Limits(bytes=2**20))
    assert message == f"more than {2**20} bytes come out of it: nothing was unpacked"


@pytest.mark.parametrize("ending", [".zip", *PACKERS])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_an_archive_that_was_cut_off_is_damaged(tmp_path: Path, ending: str, share: float) -> None:
    archive = saved(tmp_path, ending, {name: os.urandom(5000) for name in "abcdef"})
    content = archive.read_bytes().rstrip(b"\0")
    archive.write_bytes(content[: int(len(content) * share)])
    assert refused(archive) == DAMAGED


def test_a_tar_that_was_cut_off_between_two_members_is_damaged(tmp_path: Path) -> None:
    archive = saved(tmp_path, ".tar", dict.fromkeys("abc", b"x" * 512))
    archive.write_bytes(archive.read_bytes()[: 2 * 1024])
    assert refused(archive) == DAMAGED


@pytest.mark.parametrize("ending", [".zip", ".tar.gz", ".tar.xz", ".tar.bz2"])
def test_a_changed_byte_is_found_by_the_checksum(tmp_path: Path, ending: str) -> None:
    archive = saved(tmp_path, ending, {"a": os.urandom(50_000)})
    content = bytearray(archive.read_bytes())
    content[25_000] ^= 1
    archive.write_bytes(content)
    assert refused(archive) == DAMAGED


def test_a_damaged_header_in_the_midst_of_a_tar_is_not_taken_for_its_end(tmp_path: Path) -> None:
    archive = saved(tmp_path, ".tar", {"a": b"x", "b": b"y"})
    content = bytearray(archive.read_bytes())
    content[1024] ^= 1
    archive.write_bytes(content)
    assert refused(archive) == DAMAGED


@pytest.mark.parametrize("ending", [".zip", *PACKERS])
def test_a_page_that_was_saved_instead_of_the_archive_is_damaged(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"got{ending}"
    path.write_text("<html>Google Drive can't scan this file for viruses.</html>" * 50)
    assert refused(path) == DAMAGED


def test_an_archive_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "got.rar"
    path.touch()
    assert refused(path) == "its name must end in one of .zip, .tar, .tar.gz, .tgz, .tar.xz, .tar.bz2"


@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_an_archive_without_a_file_is_refused(tmp_path: Path, ending: str) -> None:
    assert refused(saved(tmp_path, ending, {})) == "has no file in it"


def test_a_file_where_another_member_needs_a_folder_is_refused(tmp_path: Path) -> None:
    message = refused(saved(tmp_path, ".zip", {"data": b"x", "data/train.txt": b"x"}))
    assert message.startswith(f"cannot be unpacked into {tmp_path / 'out'}: ")


def test_an_archive_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert refused(tmp_path / "got.zip") == "no such file"


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_there_already_is_never_touched(tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out"
    kept = out / "mine.txt" if kind == "folder" else out
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("mine")
    with pytest.raises(DataError) as error:
        unpack(saved(tmp_path, ".zip"), out)
    assert str(error.value) == f"{out}: is not empty: name a new folder to unpack into"
    assert kept.read_text() == "mine"


def test_a_real_archive_is_unpacked_whole(tmp_path: Path) -> None:
    archive = ARCHIVES / "mnre.tar.xz"
    if not archive.is_file():
        pytest.skip(f"../shared/data/{archive.name} is not there: public data are not part of the repository")
    sizes = {file.name: file.stat().st_size for file in unpack(archive, tmp_path / "out")}
    assert sizes["ours_train.txt"] == 3_883_710
    assert sizes["mre_train_dict.pth"] == 1_395_503
    assert len(sizes) == 7
