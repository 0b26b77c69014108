"""`python -m benchmarks.large_graph`: graphs of up to a million entities, from their files to predictions.

Three synthetic graphs, each ten times the one before, are written as files, read, trained on, ranked and asked, each by
a process of its own that says its peak memory and must stay below 8 GiB. A last process compares ways to find the best
of a million entities. Writes ``benchmarks/large_graph.json`` and the tables of ``docs/benchmarks.md``.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from benchmarks.runs import composed, fill, machine

RESULTS = Path("benchmarks/large_graph.json")
PAGE = Path("docs/benchmarks.md")
BEGIN, END = "<!-- table: python -m benchmarks.large_graph -->", "<!-- end of large graph table -->"
SIZES = (10_000, 100_000, 1_000_000)
RELATIONS, DEGREE, HELD_OUT, WIDTH = 200, 10, 1000, 64
STEPS, BATCH, ASKED = 60, 512, 32
LIMIT = 8 << 30
OVERRIDES = (
    "task=link_prediction",
    "data=folder",
    "data.format=kg",
    "backbone=kge/distmult",
    f"backbone.width={WIDTH}",
    "+backbone.sparse=true",
    "optim.optimizer._target_=torch.optim.SparseAdam",
    "optim.weight_decay=0",
    "optim.lr=0.01",
    "task.model.structure.objective=negatives",
    "task.data.examples=triples",
    f"data.batch_size={BATCH}",
    "task.epochs=1",
    f"+trainer.limit_train_batches={STEPS}",
    "+trainer.limit_val_batches=1",
    "+trainer.limit_test_batches=1",
    "trainer.enable_progress_bar=false",
)


def main() -> None:
    """All processes in turn, or one of them where it is named with its folder."""
    if len(sys.argv) == 3:
        print(json.dumps({"graph": graph, "index": index}[sys.argv[1]](Path(sys.argv[2]))))
        return
    results = {"machine": machine(), "load": os.getloadavg()[0], "sizes": [_sized(size) for size in SIZES]}
    results["index"] = [_started("index", Path(kind)) for kind in ("grouped", "ungrouped")]
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    fill(PAGE, BEGIN, END, table(results))


def _sized(entities: int) -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        began = time.perf_counter()
        write(Path(folder), entities)
        print(f"{entities:,} entities written in {time.perf_counter() - began:.0f} s", flush=True)
        figures = _started("graph", Path(folder))
    if figures["peak"] >= LIMIT:
        raise SystemExit(f"{entities:,} entities took {figures['peak'] / 2**30:.1f} GiB of memory: more than 8")
    print(figures, flush=True)
    return figures


def _started(name: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.large_graph", name, str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def write(root: Path, entities: int) -> None:
    """A graph as files: ten triples an entity, whose ends are drawn as Zipf's law has it, and shuffled ids."""
    random = np.random.default_rng(entities)
    ids = random.permutation(entities)
    (root / "entities.txt").write_text("".join(f"{entity}\n" for entity in ids.tolist()))
    for split, count in {"train": DEGREE * entities, "dev": HELD_OUT, "test": HELD_OUT}.items():
        with (root / f"{split}.tsv").open("w") as file:
            for start in range(0, count, 1 << 20):
                rows = _triples(random, ids, min(count - start, 1 << 20))
                file.write("".join(f"{h}\tr{r}\t{t}\n" for h, r, t in zip(*rows, strict=True)))


def _triples(random: np.random.Generator, ids: np.ndarray, count: int) -> list[list[int]]:
    """Ranks whose logarithm is uniform have a probability of about 1/rank."""
    ends = [np.exp(random.random(count) * np.log(len(ids))).astype(np.int64) for _ in range(2)]
    relations = random.integers(RELATIONS, size=count)
    return [column.tolist() for column in (ids[ends[0] - 1], relations, ids[ends[1] - 1])]


class Stages:
    """Seconds and the peak memory so far of what is done one after the other."""

    def __init__(self) -> None:
        self.figures: dict[str, dict[str, float]] = {}

    def __call__(self, name: str, run: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        out = run()
        self.figures[name] = {"seconds": time.perf_counter() - began, "peak": peak()}
        return out


def peak() -> int:
    """The most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def graph(root: Path) -> dict[str, Any]:
    """Reading, training, ranking and asking, as the commands do them."""
    import pytorch_lightning as pl

    import mkgc
    from mkgc.data.dataset import read_dataset
    from mkgc.training.checkpoint import build_task
    from mkgc.training.datamodule import DataModule
    from mkgc.training.trainer import build_trainer

    torch.set_num_threads(1)
    config, stages = composed(*OVERRIDES, f"data.root={root}"), Stages()
    dataset = stages("read", lambda: read_dataset(config))
    task = stages("build", lambda: build_task(config, dataset.processor))
    data = DataModule(dataset, config.data.batch_size, config.seed)
    trainer: Any = build_trainer(config, root / "run")
    watch = _watch(pl)
    trainer.callbacks.append(watch)
    task.before_fit(dataset)
    stages("fit", lambda: trainer.fit(task, data))
    stages("validate", lambda: trainer.validate(task, data, verbose=False))
    stages("calibrate", lambda: task.after_fit(dataset))
    model = stages("load", lambda: mkgc.load(root / "run" / "best.ckpt"))
    known = dataset.source.graph.triples["dev"][:ASKED].tolist()
    records = [{"head": dataset.processor.entities[h], "relation": dataset.processor.relations[r]} for h, r, _ in known]
    stages("predict", lambda: model.predict(records))
    stages("predict again", lambda: model.predict(records))
    return {
        "entities": len(dataset.processor.entities),
        "triples": sum(map(len, dataset.source.graph.triples.values())),
        "step": statistics.median(watch.steps),
        "query": statistics.median(watch.batches) / BATCH,
        "peak": peak(),
        "stages": stages.figures,
    }


def index(kind: Path) -> dict[str, Any]:
    """The best ten of a million entities for some queries, by one product, and by both indexes."""
    import faiss

    from mkgc.kge.index import EntityIndex

    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    vectors, asked = _vectors(kind.name == "grouped")
    exact = _asked(lambda: (asked @ vectors.T).topk(10))
    figures: dict[str, Any] = {"vectors": kind.name, "ways": {"torch": {"ms": exact[1]}}}
    for way, approximate in (("flat", False), ("approximate", True)):
        began = time.perf_counter()
        built = EntityIndex(vectors, approximate=approximate)
        seconds = time.perf_counter() - began
        (_, found), took = _asked(partial(built.search, asked, 10))
        recall = statistics.mean(
            len({*a} & {*b}) / 10 for a, b in zip(exact[0].indices.tolist(), found.tolist(), strict=True)
        )
        figures["ways"][way] = {"ms": took, "recall": recall, "build": seconds}
    return figures | {"peak": peak()}


def _vectors(grouped: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Entities around ten thousand centres, or around none, and queries near some of them."""
    draw = torch.Generator().manual_seed(0)
    vectors = torch.randn(SIZES[-1], WIDTH, generator=draw)
    if grouped:
        centres = torch.randn(SIZES[-1] // 100, WIDTH, generator=draw)
        vectors = 0.5 * vectors + centres[torch.randint(len(centres), (len(vectors),), generator=draw)]
    near = vectors[torch.randint(len(vectors), (ASKED,), generator=draw)]
    return vectors, near + 0.3 * torch.randn(near.shape, generator=draw)


def _asked(run: Callable[[], Any]) -> tuple[Any, float]:
    """The answers of a search, and its milliseconds a query: the median of five."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        out = run()
        times.append(time.perf_counter() - began)
    return out, statistics.median(times) / ASKED * 1000


def table(results: dict[str, Any]) -> str:
    """Both tables as Markdown."""
    lines = [
        "| entities | triples | reading, s | a step, ms | ranking a query, ms | predicting one, ms | loading, s "
        "| peak memory, GiB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in results["sizes"]:
        stages = row["stages"]
        predicted = stages["predict again"]["seconds"] / ASKED * 1000
        lines.append(
            f"| {row['entities']:,} | {row['triples']:,} | {stages['read']['seconds']:.1f} | {row['step'] * 1000:.0f} "
            f"| {row['query'] * 1000:.2f} | {predicted:.2f} | {stages['load']['seconds']:.1f} "
            f"| {row['peak'] / 2**30:.1f} |"
        )
    lines += [
        "",
        "| million vectors | way | a query, ms | recall@10 | building, s |",
        "| --- | --- | --- | --- | --- |",
    ]
    for part in results["index"]:
        for way, row in part["ways"].items():
            recall, build = f"{row.get('recall', 1):.3f}", f"{row['build']:.1f}" if "build" in row else "–"
            lines.append(f"| {part['vectors']} | {way} | {row['ms']:.2f} | {recall} | {build} |")
    return "\n".join([*lines, "", f"The machine's load when this began: {results['load']:.1f}."])


def _watch(pl: Any) -> Any:
    class Watch(pl.Callback):
        """Seconds of every training step and of every batch that is ranked."""

        def __init__(self) -> None:
            self.steps: list[float] = []
            self.batches: list[float] = []
            self.began = 0.0

        def on_train_batch_start(self, *_: Any) -> None:
            self.began = time.perf_counter()

        def on_train_batch_end(self, *_: Any) -> None:
            self.steps.append(time.perf_counter() - self.began)

        def on_validation_batch_start(self, *_: Any) -> None:
            self.began = time.perf_counter()

        def on_validation_batch_end(self, *_: Any) -> None:
            self.batches.append(time.perf_counter() - self.began)

    return Watch()


if __name__ == "__main__":
    main()
