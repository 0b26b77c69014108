"""Searching measured; each writes its table into docs/search.md:

    python -m benchmarks.search vectors [SIZE …]        latency, recall and building of each kind of index
    python -m benchmarks.search images CHECKPOINT DIR   images indexed in a second, beside decoding alone
    python -m benchmarks.search load INDEX              the page and the endpoint, 200 asking at once

Vectors are drawn around centres, as those of images are. Questions are other vectors drawn likewise (an image that is
looked for), and such moved in one direction that all have in common, as texts of two towers are (Liang et al., 2022).
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.runs import fill
from mkgc.searching.vectors import FOUND, MAKERS, Kind, Rows, index_rows, shared

PAGE = Path("docs/search.md")
SIZES = (10_000, 100_000, 1_000_000)
WIDTH, CENTRES, SPREAD, GAP, QUESTIONS = 128, 1000, 1.5, 1.0, 500
CLIENTS, EACH = 200, 5


def main() -> None:
    """One of the three."""
    match sys.argv[1:]:
        case ["vectors", *sizes]:
            head = ["images", "index", "p50, ms", "p99, ms", "recall of images", "of texts", "built in, s"]
            _fill("vectors", head, [row for size in map(int, sizes or SIZES) for row in vectors(size)])
        case ["images", checkpoint, folder]:
            head = ["images", "decoded alone, a second", "indexed, a second", "the model alone, a second"]
            _fill("images", head, [images(Path(checkpoint), Path(folder))])
        case ["load", index]:
            _fill("load", ["asked", "answered in a second", "p50, ms", "p99, ms"], load(Path(index)))
        case _:
            raise SystemExit(__doc__)


def _fill(name: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    lines = [head, ["---"] * len(head), *rows]
    begin, end = f"<!-- table: python -m benchmarks.search {name} -->", f"<!-- end of {name} table -->"
    fill(PAGE, begin, end, "\n".join(f"| {' | '.join(line)} |" for line in lines))


def drawn(count: int, centres: Rows, draw: np.random.Generator, gap: Rows | float = 0.0) -> Rows:
    """Unit vectors around centres, moved by a gap."""
    of = centres[draw.integers(len(centres), size=count)]
    noise = draw.standard_normal((count, WIDTH), np.float32) * np.float32(SPREAD)
    return _unit(of + noise / np.float32(WIDTH**0.5) + np.float32(gap))


def _unit(rows: Rows) -> Rows:
    return np.ascontiguousarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def vectors(size: int) -> list[list[str]]:
    """A row for each kind of index over so many vectors."""
    draw = np.random.default_rng(0)
    centres = _unit(draw.standard_normal((CENTRES, WIDTH), np.float32))
    rows = drawn(size, centres, draw)
    gap = GAP * _unit(draw.standard_normal((1, WIDTH), np.float32))
    asked = {"images": drawn(QUESTIONS, centres, draw), "texts": drawn(QUESTIONS, centres, draw, gap)}
    exact = index_rows(rows, "flat")
    right = {kind: exact.search(queries, FOUND)[1] for kind, queries in asked.items()}
    return [_measured(rows, kind, asked, right) for kind in MAKERS]  # type: ignore[arg-type]  # its keys are kinds


def _measured(rows: Rows, kind: Kind, asked: dict[str, Rows], right: dict[str, Any]) -> list[str]:
    began = time.perf_counter()
    index = index_rows(rows, kind)
    built = time.perf_counter() - began
    found = {name: index.search(queries, FOUND)[1] for name, queries in asked.items()}
    p50, p99 = _percentiles([_seconds(index, query) for queries in asked.values() for query in queries])
    recalls = [f"{shared(found[name], right[name]):.3f}" for name in asked]
    return [f"{len(rows):,}", f"`{kind}`", p50, p99, *recalls, f"{built:.1f}"]


def _seconds(index: Any, query: Rows) -> float:
    began = time.perf_counter()
    index.search(query[None], FOUND)
    return time.perf_counter() - began


def _percentiles(seconds: Sequence[float]) -> list[str]:
    return [f"{1000 * part:.2f}" for part in np.percentile(seconds, (50, 99))]


def images(checkpoint: Path, folder: Path) -> list[str]:
    """Rates over a folder: files to pixels, pixels to vectors, and the index with all that is kept."""
    from mkgc.searching.building import CHUNK, build
    from mkgc.searching.encoder import open_encoder
    from mkgc.searching.folder import decoded_ahead, list_images

    with TemporaryDirectory() as target:
        files, encoder = list_images(folder, Path(target)), open_encoder(checkpoint)
        for _ in range(2):  # the second time the files are in the system's memory
            began = time.perf_counter()
            parts = list(decoded_ahead(folder, files, encoder.image_size, encoder.fit, CHUNK))
            decoding = time.perf_counter() - began
        pixels = np.stack([image for _, part in parts for image in part if isinstance(image, np.ndarray)])
        began = time.perf_counter()
        encoder.embed_images(pixels)
        model = time.perf_counter() - began
        began = time.perf_counter()
        build(folder, files, Path(target), encoder, int)
        indexing = time.perf_counter() - began
    return [f"{len(files):,}", *(f"{len(files) / seconds:,.0f}" for seconds in (decoding, indexing, model))]


def load(index: Path) -> list[list[str]]:
    """A row for the page and one for the endpoint, asked by many at once."""
    command = [sys.executable, "-m", "mkgc.serve", f"index={index}", "port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split(" at ")[1].split()[0]
            return [_asked(address, name, path) for name, path in (("page", "/?q="), ("JSON", "/api/search?text="))]
        finally:
            server.terminate()


def _asked(address: str, name: str, path: str) -> list[str]:
    began = time.perf_counter()
    seconds = asyncio.run(_all(address, path))
    rate = len(seconds) / (time.perf_counter() - began)
    return [f"{name}, by {CLIENTS} at once", f"{rate:,.0f}", *_percentiles(seconds)]


async def _all(address: str, path: str) -> list[float]:
    import httpx

    async def person(number: int) -> list[float]:
        seconds = []
        for turn in range(EACH):
            began = time.perf_counter()
            (await client.get(f"{path}question {number} {turn}")).raise_for_status()
            seconds.append(time.perf_counter() - began)
        return seconds

    # Of connections that nobody uses, none is as old as the server lets one be: it could end one that is just asked.
    limits = httpx.Limits(max_connections=None, keepalive_expiry=2)
    async with httpx.AsyncClient(base_url=address, limits=limits, timeout=120, trust_env=False) as client:
        return [one for found in await asyncio.gather(*map(person, range(CLIENTS))) for one in found]


if __name__ == "__main__":
    main()
