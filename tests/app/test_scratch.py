"""Folders to build in: gone at the end, whatever end that was."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mkgc.app.scratch import scratch
from mkgc.data import atlas
from mkgc.errors import DataError


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_lies_beside_the_output_and_is_gone_at_the_end(tmp_path: Path) -> None:
    with scratch(tmp_path / "sub/atlas") as beside:
        (beside / "file").write_text("")
        assert beside.parent == tmp_path / "sub"
    with pytest.raises(ValueError, match="stop"), scratch(tmp_path / "sub/atlas"):
        raise ValueError("stop")
    assert left(tmp_path / "sub") == []


def test_that_of_a_killed_run_is_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / ".atlas-mkgc-killed/fresh").mkdir(parents=True)
    with scratch(tmp_path / "atlas"):
        assert ".atlas-mkgc-killed" not in left(tmp_path)


def test_those_of_living_processes_and_what_is_somebody_elses_stay(tmp_path: Path) -> None:
    own = [".atlas-backup", ".other-mkgc-1", "atlas-mkgc-1"]
    for name in own:
        (tmp_path / name).mkdir()
    with scratch(tmp_path / "atlas") as first, scratch(tmp_path / "atlas") as second:
        assert first != second
        assert left(tmp_path) == sorted([*own, first.name, second.name])
    assert left(tmp_path) == sorted(own)


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_what_the_next_one_removes(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from mkgc.app.scratch import scratch\n"
    code += "with scratch(Path(sys.argv[1])) as folder: print(folder, flush=True); sys.stdin.read()"
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code, tmp_path / "atlas"], **pipes) as process:
        folder = Path(process.stdout.readline().strip())
        with scratch(tmp_path / "atlas"):
            assert folder.is_dir()
        process.kill()
    assert folder.is_dir()
    with scratch(tmp_path / "atlas"):
        assert not folder.exists()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_an_atlas_that_cannot_be_written_is_one_line_and_leaves_nothing(tmp_path: Path, code: int) -> None:
    def full(folder: Path, *_: object) -> None:
        folder.mkdir(parents=True)
        raise OSError(code, os.strerror(code))

    with pytest.raises(DataError) as error:
        atlas.build(tmp_path / "atlas", "any", full)
    said = f"{tmp_path}/atlas: cannot be built: {os.strerror(code)}; name a place that can be written and has room"
    assert str(error.value) == said
    assert left(tmp_path) == []
