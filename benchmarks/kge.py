"""`python -m benchmarks.kge ARCHIVES`: training structure models here and with PyKEEN, on FB15k-237 and WN18RR.

Each side lives in a process of its own with one thread, and they take turns: in every round each trains two epochs of a
fixed number of steps, of which the second is timed. Both make steps of the same size: as many triples against as many
negatives each, or as many queries against all entities. Writes ``benchmarks/kge.json`` and the tables of
``docs/benchmarks.md``.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import torch

from benchmarks.runs import composed, fill, machine
from mkgc.data.dataset import Dataset, read_dataset
from mkgc.data.formats import kg
from mkgc.data.graph import Graph
from mkgc.tools.archive import unpack

RESULTS = Path("benchmarks/kge.json")
PAGE = Path("docs/benchmarks.md")
BEGIN, END = "<!-- table: python -m benchmarks.kge -->", "<!-- end of kge table -->"
ROUNDS = 3
RATE = 1e-3
Objective = Literal["negatives", "kvsall"]
Model = Literal["TransE", "RotatE", "DistMult", "ComplEx", "RESCAL"]


@dataclass(frozen=True)
class Row:
    """The model that both sides train; ``run`` is how many steps the literature makes of it.

    ``part`` is how many triples of a batch PyKEEN takes at a time, where it had not enough memory for all.
    """

    data: str
    model: Model
    objective: Objective
    width: int
    batch: int
    steps: int
    negatives: int = 64
    margin: float = 9.0
    run: int | None = None
    part: int | None = None


SAMPLED: tuple[Model, ...] = ("TransE", "RotatE", "DistMult", "ComplEx")
PRODUCTS: tuple[Model, ...] = ("DistMult", "ComplEx", "RESCAL")
ROWS = [
    *(Row("fb15k237", model, "negatives", 200, 512, 6) for model in SAMPLED),
    *(Row("wn18rr", model, "negatives", 200, 512, 4) for model in SAMPLED),
    *(Row("fb15k237", model, "kvsall", 100, 128, 2) for model in PRODUCTS),
    *(Row("wn18rr", model, "kvsall", 100, 64, 2) for model in PRODUCTS),
    Row("fb15k237", "RotatE", "negatives", 1000, 1024, 1, 256, 9.0, 100_000, 256),
    Row("wn18rr", "RotatE", "negatives", 500, 512, 1, 1024, 6.0, 80_000, 128),
]


@dataclass(frozen=True)
class Cost:
    """The time of a step: seconds of the clock and of the processor."""

    wall: float
    cpu: float


class Clock:
    """Notes the time at the end of each epoch."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def note(self, *_: Any, **__: Any) -> None:
        self.wall.append(time.perf_counter())
        self.cpu.append(time.process_time())

    def cost(self, steps: int) -> Cost:
        """Of a step of the second epoch."""
        return Cost((self.wall[1] - self.wall[0]) / steps, (self.cpu[1] - self.cpu[0]) / steps)


def main() -> None:
    """All rows, or those whose description has the word behind the archives (nothing is written then)."""
    word = sys.argv[2] if len(sys.argv) > 2 else ""
    rows = [row for row in ROWS if word in str(row)]
    load = [os.getloadavg()[0]]
    with TemporaryDirectory() as folder:
        for data in {row.data for row in rows}:
            unpack(Path(sys.argv[1]) / f"{data}.tar.xz", Path(folder) / data)
        results = measured(Path(folder), rows)
    if word:
        return
    load.append(os.getloadavg()[0])
    about = {"machine": machine(), "threads": 1, "rounds": ROUNDS, "load average, before and after": load}
    RESULTS.write_text(json.dumps({**about, "rows": results}, indent=1) + "\n")
    fill(PAGE, BEGIN, END, tables(results))


def measured(root: Path, rows: list[Row]) -> list[dict[str, Any]]:
    """Both sides of each row by turns, in processes that last."""
    os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    results = []
    one: dict[str, Any] = {"max_workers": 1, "mp_context": get_context("spawn")}
    with ProcessPoolExecutor(**one) as here, ProcessPoolExecutor(**one) as there:
        for row in rows:
            costs: dict[str, list[Cost]] = {"mkgc": [], "pykeen": []}
            for _ in range(1 if row.run else ROUNDS):
                costs["mkgc"].append(here.submit(ours, root, row).result())
                costs["pykeen"].append(there.submit(theirs, root, row).result())
            results.append(summary(row, here.submit(epoch, root, row).result(), costs))
            print(json.dumps(results[-1]), flush=True)
    return results


def summary(row: Row, steps: int, costs: dict[str, list[Cost]]) -> dict[str, Any]:
    """Medians of the rounds and what follows from them."""
    out: dict[str, Any] = {**asdict(row), "steps an epoch": steps}
    for side, rounds in costs.items():
        wall, cpu = (statistics.median(getattr(cost, kind) for cost in rounds) for kind in ("wall", "cpu"))
        out[side] = {"step": wall, "cpu": cpu, "epoch": steps * wall, "rounds": [cost.wall for cost in rounds]}
        if row.run:
            out[side]["run, days"] = row.run * wall / 86_400
    return out | {"times": {kind: out["pykeen"][kind] / out["mkgc"][kind] for kind in ("step", "cpu")}}


@lru_cache
def _graph(folder: Path) -> Graph:
    return kg.read(folder, ())


def epoch(root: Path, row: Row) -> int:
    """Steps until each triple was asked from both sides, or each distinct query once."""
    triples = _graph(root / row.data / row.data).triples["train"]
    sides = (triples[:, :2], triples[:, 1:])
    asked = 2 * len(triples) if row.objective == "negatives" else sum(len(np.unique(s, axis=0)) for s in sides)
    return math.ceil(asked / row.batch)


def ours(root: Path, row: Row) -> Cost:
    """By Lightning's trainer as it is configured here, but without validation, checkpoints and curves."""
    from hydra.utils import instantiate
    from pytorch_lightning.callbacks import LambdaCallback

    from mkgc.training.checkpoint import build_task
    from mkgc.training.datamodule import DataModule

    config = composed(*_overrides(root, row))
    dataset = _dataset(root, row.data, row.objective)
    task = build_task(config, dataset.processor)
    task.before_fit(dataset)
    clock = Clock()
    trainer = instantiate(
        {key: value for key, value in config.trainer.items() if key != "compile"},
        max_epochs=2,
        limit_train_batches=row.steps,
        limit_val_batches=0,
        callbacks=[LambdaCallback(on_train_epoch_end=clock.note)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        use_distributed_sampler=False,
    )
    trainer.fit(task, DataModule(dataset, row.batch, seed=0))
    return clock.cost(row.steps)


@lru_cache
def _dataset(root: Path, data: str, objective: Objective) -> Dataset:
    return read_dataset(composed(*_overrides(root, Row(data, "DistMult", objective, 1, 1, 1))))


def _overrides(root: Path, row: Row) -> list[str]:
    data = "wn18rr" if row.data == "wn18rr" else "fb15k237_img"
    how = "task.model.structure"
    return [
        *("task=link_prediction", f"data={data}", f"data.root={root / row.data / row.data}"),
        *(f"backbone=kge/{row.model.lower()}", f"backbone.width={row.width}"),
        f"task.data.examples={'triples' if row.objective == 'negatives' else 'queries'}",
        *(f"{how}.objective={row.objective}", f"{how}.negatives={row.negatives}", f"{how}.margin={row.margin}"),
        *(f"optim.lr={RATE}", "optim.weight_decay=0.0", f"data.batch_size={row.batch}"),
    ]


def theirs(root: Path, row: Row) -> Cost:
    """By PyKEEN's training loops, on just so many triples or queries as there are steps for."""
    from pykeen.training import LCWATrainingLoop, SLCWATrainingLoop

    graph = _graph(root / row.data / row.data)
    triples = torch.from_numpy(graph.triples["train"])
    if row.objective == "negatives":
        part = triples[torch.randperm(len(triples))[: row.steps * row.batch]]
        sampled = {"negative_sampler": "basic", "negative_sampler_kwargs": {"num_negs_per_pos": row.negatives}}
        return _trained(graph, row, part, row.steps, SLCWATrainingLoop, sampled)
    half, asked = row.steps // 2, {"tail": slice(0, 2), "head": slice(1, 3)}
    parts = {side: _of_queries(triples, columns, half * row.batch) for side, columns in asked.items()}
    costs = [_trained(graph, row, part, half, LCWATrainingLoop, {"target": side}) for side, part in parts.items()]
    return Cost(*(statistics.mean(getattr(cost, kind) for cost in costs) for kind in ("wall", "cpu")))


def _of_queries(triples: torch.Tensor, columns: slice, count: int) -> torch.Tensor:
    """All triples of some queries that are drawn at random."""
    queries, which = triples[:, columns].unique(dim=0, return_inverse=True)
    chosen = torch.zeros(len(queries), dtype=torch.bool)
    chosen[torch.randperm(len(queries))[:count]] = True
    return triples[chosen[which]]


def _trained(
    graph: Graph, row: Row, part: torch.Tensor, steps: int, loop: Callable[..., Any], settings: dict[str, Any]
) -> Cost:
    from pykeen.training import TrainingCallback
    from pykeen.triples import CoreTriplesFactory

    clock = Clock()
    callback = type("Noting", (TrainingCallback,), {"post_epoch": lambda self, **_: clock.note()})
    factory = CoreTriplesFactory(part, len(graph.entities), len(graph.relations))
    model = _model(factory, row)
    optimizer = torch.optim.Adam(model.get_grad_params(), lr=RATE, fused=True)  # what AdamW is without decay
    made = loop(model=model, triples_factory=factory, optimizer=optimizer, **settings)
    sizes = {"batch_size": row.batch, "sub_batch_size": row.part}
    made.train(factory, num_epochs=2, use_tqdm=False, pin_memory=False, callbacks=callback, **sizes)
    return clock.cost(steps)


def _model(factory: Any, row: Row) -> Any:
    """The same interaction, without the constraints and regularisers that PyKEEN's models add and these have not."""
    from pykeen.losses import BCEWithLogitsLoss, NSSALoss
    from pykeen.models import ERModel
    from pykeen.nn.init import init_phases
    from pykeen.utils import complex_normalize

    number = torch.cfloat if row.model in ("RotatE", "ComplEx") else torch.float
    relation: dict[str, Any] = {"shape": (row.width, row.width) if row.model == "RESCAL" else row.width}
    if row.model == "RotatE":
        relation |= {"initializer": init_phases, "constrainer": complex_normalize}
    return ERModel(
        triples_factory=factory,
        interaction=row.model,
        interaction_kwargs={"p": 1} if row.model in ("TransE", "RotatE") else {},
        entity_representations_kwargs={"shape": row.width, "dtype": number},
        relation_representations_kwargs={**relation, "dtype": number},
        loss=NSSALoss(margin=row.margin) if row.objective == "negatives" else BCEWithLogitsLoss(),
        random_seed=0,
    )


def tables(results: list[dict[str, Any]]) -> str:
    """Epochs of both sides, and what the literature's runs would take."""
    lines = [
        "| data | model | width | against | steps | mkgc, s | PyKEEN, s | times | times, CPU |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        *(_line(result) for result in results if not result["run"]),
        "",
        "| literature's RotatE | a step: mkgc, s | PyKEEN, s | times | steps | days: mkgc | PyKEEN |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(_long_line(result) for result in results if result["run"]),
    ]
    return "\n".join(lines)


def _against(result: dict[str, Any]) -> str:
    return f"{result['negatives']} negatives" if result["objective"] == "negatives" else "all entities"


def _line(result: dict[str, Any]) -> str:
    sides = " | ".join(f"{result[side]['epoch']:.0f}" for side in ("mkgc", "pykeen"))
    times = " | ".join(f"{result['times'][kind]:.1f}" for kind in ("step", "cpu"))
    what = f"{result['data']} | {result['model']} | {result['width']} | {_against(result)}"
    return f"| {what} | {result['steps an epoch']:,} | {sides} | {times} |"


def _long_line(result: dict[str, Any]) -> str:
    sides = [result[side] for side in ("mkgc", "pykeen")]
    steps, days = (" | ".join(f"{side[key]:.1f}" for side in sides) for key in ("step", "run, days"))
    what = f"{result['data']}, width {result['width']}, {result['batch']} triples × {_against(result)}"
    return f"| {what} | {steps} | {result['times']['step']:.1f} | {result['run']:,} | {days} |"


if __name__ == "__main__":
    main()
