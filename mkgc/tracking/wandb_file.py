"""Reads what a run of Weights & Biases kept offline: the records of its ``.wandb`` file, without a service.

The client's own readers are programs of other languages (`wandb sync`, `wandb beta leet`).
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mkgc.errors import DataError

BLOCK = 32 * 1024
"""Bytes of a block of LevelDB's log format, of which the file is one behind a header of its own."""

HEADER = b":W&B" + struct.pack("<HB", 0xBEE1, 0)

FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
"""Kinds of the pieces of records."""


@dataclass
class Kept:
    """A run as it was kept: ``rows`` are what it logged, in order; ``folder`` has its media."""

    folder: Path
    name: str = ""
    project: str = ""
    group: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, str] = field(default_factory=dict)
    """By figures whose summary was asked for: which of their values it has (min, max)."""


def read_kept(path: Path) -> Kept:
    """The run in a ``.wandb`` file, or in the folder that holds one.

    Raises:
        DataError: There is none, or it is damaged before its first record.
    """
    from google.protobuf.message import DecodeError
    from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]  # protobuf makes it when imported

    file = path if path.is_file() else next(iter(sorted(path.rglob("*.wandb"))), None)
    if file is None:
        raise DataError("there is no .wandb file: no run of Weights & Biases was kept offline here", path)
    run = Kept(file.parent / "files")
    for data in pieces(file.read_bytes(), file):
        record = Record()
        try:
            record.ParseFromString(data)
        except DecodeError as error:
            raise DataError("holds a record that is damaged", file) from error
        _take(run, record)
    return run


def _take(run: Kept, record: Any) -> None:
    kind = record.WhichOneof("record_type")
    if kind == "run":
        run.name, run.project, run.group = record.run.display_name, record.run.project, record.run.run_group
        _update(run.config, record.run.config.update)
    elif kind == "config":
        _update(run.config, record.config.update)
    elif kind == "history":
        row: dict[str, Any] = {}
        _update(row, record.history.item)
        run.rows.append(row)
        run.summary |= row
    elif kind == "summary":
        _update(run.summary, record.summary.update)
    elif kind == "metric" and record.metric.name:
        asked = record.metric.summary
        run.metrics[record.metric.name] = "max" if asked.max else "min" if asked.min else ""


def _update(values: dict[str, Any], items: Any) -> None:
    for item in items:
        *path, last = [item.key] if item.key else [*item.nested_key]
        node = values
        for part in path:
            inner = node.get(part)
            inner = inner if isinstance(inner, dict) else {}
            node[part], node = inner, inner
        node[last] = json.loads(item.value_json)


def pieces(data: bytes, path: Path) -> Iterator[bytes]:
    """The records of a file's bytes, as far as they are whole: a run that was killed ends within one.

    Raises:
        DataError: It is no such file.
    """
    if data[: len(HEADER) - 1] != HEADER[:-1]:
        raise DataError("is no file of Weights & Biases", path)
    at, record = len(HEADER), b""
    while at + 7 <= len(data):
        if BLOCK - at % BLOCK < 7:  # too little for a piece's header: padding
            at += BLOCK - at % BLOCK
            continue
        checksum, length, kind = struct.unpack_from("<IHB", data, at)
        piece = data[at + 7 : at + 7 + length]
        if len(piece) < length or not FULL <= kind <= LAST or zlib.crc32(data[at + 6 : at + 7] + piece) != checksum:
            return
        at += 7 + length
        record = piece if kind in (FULL, FIRST) else record + piece
        if kind in (FULL, LAST):
            yield record
