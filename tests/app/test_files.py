"""Where output goes: files are replaced whole, links followed, pipes and devices written to, and no input is lost."""

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from mkgc.app.files import check_output, check_output_folder, is_stdout, write_whole
from mkgc.errors import ConfigError


def refused(output: object, *read: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        check_output(str(output), *read)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"output={output}: ")


def test_a_file_is_replaced_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("before")
    path.chmod(0o640)
    with pytest.raises(ZeroDivisionError):
        write_whole(path, str(1 / 0))
    assert path.read_text() == "before"
    write_whole(path, "after")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("after", 0o640)
    assert [*tmp_path.iterdir()] == [path]


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "out").write_text("before")
    (tmp_path / "link").symlink_to("real/out")
    (tmp_path / "dangling").symlink_to("real/new")
    for name, target in (("link", "out"), ("dangling", "new")):
        check_output(str(tmp_path / name))
        write_whole(tmp_path / name, "after")
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / "real" / target).read_text() == "after"


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    check_output(str(pipe))
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_whole(pipe, "answers\n" * 20_000)
    reader.join(30)
    assert read == ["answers\n" * 20_000]
    assert pipe.is_fifo()


def test_a_reader_that_hangs_up_has_all_it_wants(tmp_path: Path) -> None:
    receive, send = os.pipe()
    os.close(receive)
    write_whole(Path(f"/dev/fd/{send}"), "answers")
    os.close(send)


def test_a_device_is_written_to_and_stays_a_device() -> None:
    check_output("/dev/null")
    write_whole(Path("/dev/null"), "answers")
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("name", ["/dev/fd/{}", "/proc/self/fd/{}", "link"])
def test_an_open_file_is_written_to_where_it_stands(tmp_path: Path, name: Any) -> None:
    with (tmp_path / "log").open("w") as log:
        log.write("first\n")
        log.flush()
        path = Path(name.format(log.fileno()))
        if name == "link":
            path = tmp_path / name
            path.symlink_to(f"/dev/fd/{log.fileno()}")
        check_output(str(path))
        write_whole(path, "second\n")
        log.write("third\n")
    assert (tmp_path / "log").read_text() == "first\nsecond\nthird\n"


def test_descriptors_that_cannot_be_written_to_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in").touch()
    with (tmp_path / "in").open() as file:
        assert refused(f"/dev/fd/{file.fileno()}") == "is not open for writing"
    assert refused("/dev/fd/987") == "is not open for writing"


def test_no_input_is_overwritten_by_whatever_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "in"
    source.touch()
    (tmp_path / "soft").symlink_to("in")
    (tmp_path / "hard").hardlink_to(source)
    for name in ("in", "./in", "soft", "hard", source):
        assert refused(name, tmp_path / "missing", source) == f"is {source}, which is read: give another file"


def test_places_that_cannot_be_written_to_are_one_line_each(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    for output, fault in (
        (tmp_path, "is a folder: give the name of a file"),
        (f"{tmp_path}/new/", "is a folder: give the name of a file"),
        ("", "is a folder: give the name of a file"),
        (tmp_path / "no" / "such" / "x.json", f"there is no folder {tmp_path}/no/such"),
        (tmp_path / "file" / "x.json", f"there is no folder {tmp_path}/file"),
        (tmp_path / ("n" * 300), "cannot be written: File name too long"),
    ):
        assert refused(output) == fault
    assert refused(tmp_path / "loop").startswith("cannot be written: ")
    assert refused("/proc/x.json").startswith("cannot be written")
    with pytest.raises(ConfigError, match="the folder /proc cannot be written to"):
        check_output_folder("/proc/x")
    assert "cannot be written: " in refused("a\0b")


def test_the_longest_name_that_there_can_be_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 127)
    write_whole(path, "x")
    assert path.read_text() == "x"


def test_a_folder_for_output_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check_output_folder(str(tmp_path / "a" / "b"))
    for name in ("file", "file/below"):
        with pytest.raises(ConfigError, match="is a file, and a folder is wanted"):
            check_output_folder(str(tmp_path / name))


def test_what_is_no_text_in_the_name_of_a_file_is_escaped(tmp_path: Path) -> None:
    write_whole(tmp_path / "out", '"\udce9.png"')
    assert (tmp_path / "out").read_text() == '"\\udce9.png"'


def test_standard_output_is_known_by_any_name(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert is_stdout(Path("/dev/stdout"))
    assert is_stdout(Path("/dev/fd/1"))
    assert not is_stdout(tmp_path / "out")
    (tmp_path / "link").symlink_to("/dev/stdout")
    assert is_stdout(tmp_path / "link")
    print("said before")
    write_whole(tmp_path / "link", "answers\n")
    assert capfd.readouterr().out == "said before\nanswers\n"


@pytest.mark.slow
def test_a_closed_pipe_ends_a_command_quietly(tmp_path: Path) -> None:
    command = f"{sys.executable} -m mkgc.train task=mre --cfg job | head -c 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert (len(done.stdout), done.stderr) == (1, "")


def test_a_full_device_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="/dev/full"):
        write_whole(Path("/dev/full"), "answers")


def test_a_folder_that_takes_no_file_is_found_whatever_its_permissions_say() -> None:
    assert refused("/proc/answers").startswith("cannot be written: ")
    with pytest.raises(ConfigError, match="output=/proc/report: the folder /proc cannot be written to: "):
        check_output_folder("/proc/report")
