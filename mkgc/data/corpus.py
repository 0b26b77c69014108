"""A corpus of any size: shards of JSONL, of which is held where each line begins; a line is parsed when asked for.

Of a sentence, the 20 bytes of its row in an index are held, which is made once, when every line is checked, and kept in
a file. With it a corpus is a sequence like any other: samplers shuffle it, processes and workers share it, and a
run goes on at any batch.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int
from rich.console import Console
from rich.progress import track

from mkgc.app.files import atomic_write, write_whole
from mkgc.app.locks import locked
from mkgc.app.signals import is_first
from mkgc.data.digest import LENGTH
from mkgc.data.formats.jsonl import parse_line
from mkgc.data.formats.shards import find_shards
from mkgc.data.formats.text_files import decode_line
from mkgc.errors import DataError
from mkgc.terminal import plural, say

FORMAT = "mkgc corpus index 1"

ROW = np.dtype([("shard", "<i4"), ("start", "<i8"), ("line", "<i4"), ("words", "<i4")])
"""Of each sentence: its file, the byte and the number of its line, and how many words it has."""

Parse = Callable[[Mapping[str, Any], Path, str], Any]
"""From a record, the folder of its file and its place to an example, which has ``tokens``."""


@dataclass(frozen=True)
class Corpus(Sequence[Any]):
    """The sentences of a split, in the order of its shards; ``digest`` tells their contents from others."""

    shards: tuple[Path, ...]
    rows: Any
    parse: Parse
    digest: str

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def lengths(self) -> Int[np.ndarray, " n"]:
        """How many words each sentence has."""
        return self.rows["words"]

    def __getitem__(self, row: Any) -> Any:
        """Reads a sentence, or a slice of them.

        Raises:
            DataError: The file is no longer what it was when it was indexed.
        """
        if isinstance(row, slice):
            return [self[one] for one in range(*row.indices(len(self)))]
        shard, start, line, _ = self.rows[row].tolist()
        path = self.shards[shard]
        try:
            with path.open("rb") as file:
                file.seek(start)
                return _parsed(file.readline(), path, line, self.parse)
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}", path) from error


def open_corpus(root: Path, split: str, parse: Parse, folder: Path, workers: int = 0) -> Corpus:
    """The sentences of a split; their index lies in ``folder`` or is made, each line checked, by so many processes.

    Raises:
        DataError: There is no shard, one is missing, empty or cut short, or a line cannot be used.
    """
    shards = find_shards(root, split)
    make = partial(_index, shards, split, parse, workers)
    stamp = json.dumps([FORMAT, *((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in shards)])
    place = folder / f"{split}-{hashlib.blake2b(stamp.encode(), digest_size=LENGTH).hexdigest()}.npy"
    try:
        with locked(folder):  # another process may be making it
            if not place.is_file():
                _write(place, make())
            made = Indexed(np.load(place, mmap_mode="r"), place.with_suffix(".digest").read_text("utf-8"))
    except (OSError, ValueError) as error:
        if is_first():
            say(f"{split}: its index is not kept, and is made again by the next run: {error}")
        made = make()
    return Corpus(tuple(shards), made.rows, parse, made.digest)


class Indexed(NamedTuple):
    """The rows of the sentences of shards, and a digest of their lines."""

    rows: Any
    digest: str


def _write(place: Path, made: Indexed) -> None:
    write_whole(place.with_suffix(".digest"), made.digest)
    with atomic_write(place) as beside, beside.open("wb") as file:
        np.save(file, made.rows)


def _index(shards: Sequence[Path], split: str, parse: Parse, workers: int) -> Indexed:
    """Reads all shards whole, each by one process."""
    began, index = time.monotonic(), partial(_index_shard, parse=parse)
    if workers and len(shards) > 1:
        with ProcessPoolExecutor(min(workers, len(shards))) as pool:
            found = [*_shown(pool.map(index, shards), len(shards), split)]
    else:
        found = [*_shown(map(index, shards), len(shards), split)]
    for number, one in enumerate(found):
        one.rows["shard"] = number
    rows = np.concatenate([one.rows for one in found])
    if is_first():
        files = f"{len(shards):,} {plural(len(shards), 'file', 'files')}"
        say(f"{split}: {len(rows):,} sentences of {files} checked in {time.monotonic() - began:.0f} s")
    lines = "".join(one.digest for one in found)
    return Indexed(rows, hashlib.blake2b(lines.encode(), digest_size=LENGTH).hexdigest())


def _shown(found: Iterator[Indexed], count: int, split: str) -> Iterator[Indexed]:
    hidden = not (Console().is_terminal and is_first())
    yield from track(found, f"Checking {split}", count, transient=True, disable=hidden)


def _index_shard(path: Path, parse: Parse) -> Indexed:
    """The rows of one file, whose shard is not yet numbered.

    Raises:
        DataError: It is empty, or a line cannot be used.
    """
    start, rows, lines = 0, [], hashlib.blake2b(digest_size=LENGTH)
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    rows.append((0, start, number, len(_parsed(line, path, number, parse).tokens)))
                    lines.update(line.rstrip(b"\r\n") + b"\n")
                start += len(line)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", path) from error
    if not rows:
        raise DataError("is empty", path)
    return Indexed(np.array(rows, ROW), lines.hexdigest())


def _parsed(line: bytes, path: Path, number: int, parse: Parse) -> Any:
    """The example of a line.

    Raises:
        DataError: It is none; also where it has no end, as that of a file that was cut short.
    """
    try:
        text = decode_line(line, path, number)
        record = text if isinstance(text, DataError) else parse_line(text, path, number)
        if isinstance(record, DataError):
            raise record
        return parse(record, path.parent, f"{path}:{number}")
    except DataError as error:
        if line.endswith(b"\n"):
            raise
        raise DataError(f"{error}; the file ends within this line: was it copied whole?") from error
