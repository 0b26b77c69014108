"""`python -m benchmarks.input_pipeline ARCHIVES`: what the image store and the batches by length are worth.

Images: examples a second, decoded in the loop and mapped from a prepared store (which the system has in its cache),
over JPEGs of photographs' size that are made here. Padding: the share of a batch's tokens that are padding, of the real
texts in ``ARCHIVES`` (``mnre.tar.xz``, …). Both sides of each ratio are measured in this one run; results go into
``benchmarks/input_pipeline.json`` and the table of ``docs/benchmarks.md``.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image

from benchmarks.runs import composed, fill, machine
from mkgc.batch import Images
from mkgc.data.dataset import read_dataset
from mkgc.images import store
from mkgc.images.decode import read_image
from mkgc.images.loaded import LoadedImages
from mkgc.tools.archive import unpack
from mkgc.training.samplers import LengthBatches

RESULTS = Path("benchmarks/input_pipeline.json")
PAGE = Path("docs/benchmarks.md")
BEGIN, END = "<!-- table: python -m benchmarks.input_pipeline -->", "<!-- end of pipeline table -->"
PICTURES, WIDE, HIGH, SIZE, BATCH, ROUNDS = 512, 1024, 768, 224, 32, 5
TEXTS = {
    "mnre": ("mre", "data=mnre"),
    "twitter2015": ("mner", "data=twitter2015"),
    "twitter2017": ("mner", "data=twitter2017"),
}


def main() -> None:
    """Measures, writes the figures and the table."""
    torch.set_num_threads(1)
    archives = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("data")
    with TemporaryDirectory() as folder:
        speed = compare_images(Path(folder))
    waste = {}
    for name in TEXTS:
        with TemporaryDirectory() as folder:
            waste[name] = padding(name, archives / f"{name}.tar.xz", Path(folder) / name)
    figures = {"machine": machine(), "examples_per_second": speed, "padding": waste}
    RESULTS.write_text(json.dumps(figures, indent=1) + "\n")
    fill(PAGE, BEGIN, END, table(speed, waste))


def draw_images(folder: Path) -> list[Path]:
    """JPEGs with the detail of photographs: smooth shapes with some noise."""
    random = np.random.default_rng(0)
    paths = [folder / f"{i}.jpg" for i in range(PICTURES)]
    for path in paths:
        coarse = Image.fromarray(random.integers(0, 256, (HIGH // 32, WIDE // 32, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((WIDE, HIGH), Image.Resampling.BICUBIC), dtype=np.int16)
        noisy = (smooth + random.integers(-12, 13, smooth.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(path, quality=90)
    return paths


def compare_images(folder: Path) -> dict[str, dict[str, float]]:
    """Examples a second of one image each, decoded in the loop and out of the store, in turns."""
    paths = draw_images(folder)
    began = time.perf_counter()
    list(store.prepare(folder / "store", folder, paths, SIZE))
    prepared = time.perf_counter() - began
    mapped = LoadedImages({"image": paths}, {"image": SIZE}, folder / "store", folder)
    sides: dict[str, Callable[[Sequence[Path]], Images]] = {
        "decoding in the loop": decoded,
        "prepared store": lambda part: from_store(part, mapped),
    }
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, batch in sides.items():
            began = time.perf_counter()
            for part in batches(paths):
                assert batch(part).pixels.shape == (len(part), 3, SIZE, SIZE)
            times[name].append(time.perf_counter() - began)
    out = {name: {"examples_per_second": PICTURES / statistics.median(t)} for name, t in times.items()}
    size = sum(path.stat().st_size for path in paths) / PICTURES
    return out | {"setting": {"images": PICTURES, "mean_bytes": size, "seconds_to_prepare": prepared}}


def batches(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """The images in random batches."""
    order = np.random.default_rng(1).permutation(len(paths))
    for start in range(0, len(order), BATCH):
        yield [paths[i] for i in order[start : start + BATCH]]


def decoded(part: Sequence[Path]) -> Images:
    """Decodes a batch as a loader without a store does."""
    pixels = torch.stack([torch.from_numpy(read_image(path, SIZE)) for path in part])
    return Images("image", pixels, torch.arange(len(part))[:, None])


def from_store(part: Sequence[Path], images: LoadedImages) -> Images:
    """The same batch out of the store."""
    rows = [row for path in part if (row := images.index(path, SIZE)) is not None]
    return Images("image", images.take(rows, SIZE), torch.arange(len(part))[:, None])


def padding(name: str, archive: Path, folder: Path) -> dict[str, float]:
    """The share of padding in an epoch of training batches: in the order of a shuffle, and by length."""
    unpack(archive, folder)
    task, data = TEXTS[name]
    config = composed(f"task={task}", data, f"data.root={folder / name}", "~data.images", "task.vocab_size=3000")
    lengths = [len(item.ids) for item in read_dataset(config).features["train"]]
    shuffled = np.random.default_rng(0).permutation(len(lengths))
    plain = [shuffled[i : i + BATCH].tolist() for i in range(0, len(shuffled), BATCH)]
    most = {"to data.max_length": 1 - sum(lengths) / (len(lengths) * config.data.max_length)}
    return most | {
        "to the longest, shuffled": waste(lengths, plain),
        "to the longest, by length": waste(lengths, list(LengthBatches(lengths, BATCH, 0))),
    }


def waste(lengths: Sequence[int], batches: Sequence[Sequence[int]]) -> float:
    """1 - tokens / (examples x longest), over all batches."""
    cells = sum(len(batch) * max(lengths[i] for i in batch) for batch in batches)
    return 1 - sum(lengths[i] for batch in batches for i in batch) / cells


def table(speed: dict[str, dict[str, float]], waste: dict[str, dict[str, float]]) -> str:
    """Both comparisons as Markdown tables."""
    loop, mapped = (speed[name]["examples_per_second"] for name in ("decoding in the loop", "prepared store"))
    lines = ["| images | examples a second |", "| --- | --- |"]
    lines += [f"| decoding in the loop | {loop:,.0f} |", f"| prepared store | {mapped:,.0f} ({mapped / loop:.0f} x) |"]
    ways = list(next(iter(waste.values())))
    lines += ["", "| share of padding | " + " | ".join(ways) + " |", "| --- |" + " --- |" * len(ways)]
    lines += [f"| {name} | " + " | ".join(f"{row[way]:.1%}" for way in ways) + " |" for name, row in waste.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
