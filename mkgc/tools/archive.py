"""Unpacks archives that come from elsewhere: only plain files, only below the folder, all of them or none."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from rich.console import Console
from rich.progress import Progress

from mkgc.app.scratch import scratch
from mkgc.errors import DataError

OPENERS: dict[str, Callable[[Any], Any]] = {
    ".tar": lambda file: file,
    ".tar.gz": gzip.open,
    ".tgz": gzip.open,
    ".tar.xz": lzma.open,
    ".tar.bz2": bz2.open,
}
"""The decompressors of a tar archive's stream, by the ending of its name."""

LARGE = 100 * 2**20
"""Bytes of an archive from which on there is a progress bar."""

DAMAGES = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, NotImplementedError)
"""The errors that libraries raise where an archive is not what its name says, ends too early or has been changed."""

DAMAGED = "is damaged, cut off or not what its name says: get it again; nothing was unpacked"


@dataclass(frozen=True)
class Limits:
    """How much an archive may hold: ``bytes`` in all, ``members``, and ``ratio`` times its own size.

    The ratio counts only for what is over ``free`` bytes: little text can be packed very well.
    """

    bytes: int = 50 * 2**30
    members: int = 5_000_000
    ratio: int = 200
    free: int = 100 * 2**20


class _Member(NamedTuple):
    """``trouble`` says why it cannot be taken; ``read`` is how much of the archive lies before its end, about."""

    name: str
    folder: bool
    trouble: str
    open: Callable[[], Any]
    read: int


class _Meter:
    """Counts what comes out of an archive, and stops it there: what its headers say is not to be trusted."""

    def __init__(self, archive: Path, limits: Limits) -> None:
        self.archive, self.limits = archive, limits
        self.bytes, self.allowed = 0, max(limits.free, limits.ratio * archive.stat().st_size)

    def add(self, count: int) -> None:
        self.bytes += count
        if self.bytes > self.limits.bytes:
            raise DataError(f"more than {_size(self.limits.bytes)} come out of it: nothing was unpacked", self.archive)
        if self.bytes > self.allowed:
            said = f"more than {self.limits.ratio} times its own size comes out of it, as of a bomb"
            raise DataError(f"{said}: nothing was unpacked", self.archive)


@runtime_checkable
class _Stream(Protocol):
    """The interface that both libraries give a file's content."""

    def read(self, size: int = -1, /) -> bytes: ...

    def close(self) -> None: ...


class _Metered(io.BufferedIOBase):
    """A stream whose bytes are counted as they are read."""

    def __init__(self, stream: _Stream, meter: _Meter) -> None:
        self.stream, self.meter = stream, meter

    def read(self, size: int | None = -1) -> bytes:
        data = self.stream.read(-1 if size is None else size)
        self.meter.add(len(data))
        return data

    def close(self) -> None:
        self.stream.close()
        super().close()


class _Header(tarfile.TarInfo):
    """A tar header; the library ends quietly at one that is damaged or missing, as if the archive were complete."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> _Header:
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # missing in typeshed
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from None


def unpack(archive: Path, folder: Path, limits: Limits | None = None) -> list[Path]:
    """Unpacks a .zip or a .tar, plain or packed by gzip, xz or bzip2, into a new or empty folder; returns its files.

    Files get the rights and the owner of any new file. Until the last one is written they lie in another folder beside,
    which goes away if anything is wrong.

    Raises:
        DataError: The archive is missing, damaged or of another kind, or a member is anything but a file or a folder,
            would lie elsewhere or where another lies, or is encrypted, or more than the limits comes out of it; or the
            folder has something in it or cannot be written.
    """
    if not archive.is_file():
        raise DataError("no such file", archive)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise DataError("is not empty: name a new folder to unpack into", folder)
    try:
        with scratch(folder) as beside:
            fresh = beside / "unpacked"
            fresh.mkdir()
            files = _unpacked(archive, fresh, limits or Limits())
            fresh.replace(folder)
    except OSError as error:
        # The libraries for gzip and bzip2 raise it for bad data, too, then without a reason of the system's.
        reason = DAMAGED if error.errno is None else f"cannot be unpacked into {folder}: {error.strerror}"
        raise DataError(reason, archive) from error
    except DAMAGES as error:
        raise DataError(DAMAGED, archive) from error
    return [folder / file for file in files]


def _unpacked(archive: Path, folder: Path, limits: Limits) -> list[Path]:
    """Writes the members into the folder, below a progress bar if that takes long; the files, relative to the folder.

    Raises:
        DataError: There are none, or a member must not be written.
    """
    size, console, inside = archive.stat().st_size, Console(stderr=True), _Folder(archive, folder)
    bar = Progress(console=console, transient=True, disable=size < LARGE or not console.is_terminal)
    with bar, closing(_members(archive, _Meter(archive, limits))) as members:
        task = bar.add_task(f"Unpacking {archive.name}", total=size)
        for count, member in enumerate(members, start=1):
            if count > limits.members:
                raise DataError(f"has more than {limits.members} members: nothing was unpacked", archive)
            inside.take(member)
            bar.update(task, completed=member.read)
    if not inside.files:
        raise DataError("has no file in it", archive)
    return inside.files


class _Folder:
    """The files written so far; ``files`` are relative to it."""

    def __init__(self, archive: Path, folder: Path) -> None:
        self.archive, self.folder = archive, folder
        self.files: list[Path] = []
        self._taken: set[str] = set()

    def take(self, member: _Member) -> None:
        """Writes a member.

        Raises:
            DataError: It must not be written, or not there.
        """
        self._refuse(member, _misplaced(member.name) or member.trouble)
        path = Path(*(part for part in member.name.split("/") if part not in ("", ".")))
        if member.folder:
            (self.folder / path).mkdir(parents=True, exist_ok=True)
            return
        key = str(path).casefold()
        self._refuse(member, "has the name of another, up to its case" if key in self._taken else "")
        self._taken.add(key)
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        with closing(member.open()) as stream, (self.folder / path).open("xb") as file:
            shutil.copyfileobj(stream, file, 2**20)
        self.files.append(path)

    def _refuse(self, member: _Member, trouble: str) -> None:
        if trouble:
            raise DataError(f"the member {member.name!r:.100} {trouble}: nothing was unpacked", self.archive)


def _misplaced(name: str) -> str:
    """Why a name must not be joined to a folder, or nothing."""
    if re.search(r"[\0-\x1f\x7f]", name):
        return "has a control character in its name"
    if not name:
        return "has no name"
    if "\\" in name:
        return "has a backslash in its name"
    if name.startswith("/"):
        return "has an absolute path"
    if re.match("[A-Za-z]:", name):
        return "begins with the name of a drive"
    return "leaves the folder by '..'" if ".." in name.split("/") else ""


def _members(archive: Path, meter: _Meter) -> Generator[_Member, None, None]:
    name = archive.name.lower()
    if name.endswith(".zip"):
        return _zipped(archive, meter)
    opener = next((opener for ending, opener in OPENERS.items() if name.endswith(ending)), None)
    if opener is None:
        raise DataError(f"its name must end in one of .zip, {', '.join(OPENERS)}", archive)
    return _tarred(archive, opener, meter)


def _zipped(archive: Path, meter: _Meter) -> Generator[_Member, None, None]:
    read = 0
    with zipfile.ZipFile(archive) as packed:
        for info in packed.infolist():
            read += info.compress_size
            yield _Member(
                info.filename,
                info.filename.endswith("/"),
                _zip_trouble(info),
                partial(_entry, packed, info, meter),
                read,
            )


def _zip_trouble(info: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "is a link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a device or a pipe"
    return "is encrypted" if info.flag_bits & 1 else ""


def _entry(packed: zipfile.ZipFile, info: zipfile.ZipInfo, meter: _Meter) -> _Metered:
    return _Metered(packed.open(info), meter)


def _tarred(archive: Path, opener: Callable[[Any], Any], meter: _Meter) -> Generator[_Member, None, None]:
    with archive.open("rb") as raw, opener(raw) as unzipped:
        stream = _Metered(unzipped, meter)
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Header) as packed:
            while (info := packed.next()) is not None:
                # It would remember all of them.
                packed.members.clear()  # type: ignore[attr-defined]  # missing in typeshed
                yield _Member(
                    info.name, info.isdir(), _tar_trouble(info), partial(packed.extractfile, info), raw.tell()
                )
        # What checksum there is lies at the end.
        while stream.read(2**20):
            pass


def _tar_trouble(info: tarfile.TarInfo) -> str:
    """Refuses what the library's filter does, and what that lets pass: links that stay inside, and files with holes."""
    if info.issym() or info.islnk():
        return "is a link"
    try:
        tarfile.data_filter(info, ".")
    except tarfile.FilterError:
        return "is neither a plain file nor a folder"  # names that lead elsewhere have been refused before
    return "is neither a plain file nor a folder" if info.issparse() else ""


def _size(count: int) -> str:
    return f"{count / 2**30:g} GiB" if count >= 2**30 else f"{count} bytes"
