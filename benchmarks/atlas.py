"""`make tables`: what images and each part of the fusion are worth on Atlas, mean and spread of three seeds.

Writes ``benchmarks/atlas.json`` (every run's figures) and the table of ``docs/atlas.md`` between its markers. Two runs
go on at a time, with one thread each.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.runs import fill, machine, mean_and_spread

RUNS = Path("runs/atlas")
RESULTS = Path("benchmarks/atlas.json")
PAGE = Path("docs/atlas.md")
BEGIN, END = "<!-- table: python -m benchmarks.atlas -->", "<!-- end of table -->"
BEGIN_PAIRS, END_PAIRS = "<!-- table: python -m benchmarks.atlas pairs -->", "<!-- end of pairs -->"
SEEDS = (0, 1, 2)
TASKS = {
    "mre": ("f1", "accuracy"),
    "mner": ("f1", "decided/f1"),
    "link_prediction": ("mrr", "hits@10", "decided/mrr", "decided/hits@1", "decided/hits@10"),
}
"""Measures of the test split; ``decided/`` ones are of the examples whose answer the image shows."""
VARIANTS = {
    "full": [],
    "text_only": ["backbone=text_only"],
    "pgi=false": ["backbone.fusion.pgi=false"],
    "caf=false": ["backbone.fusion.caf=false"],
}
WHERE = tuple(f"decided/{relation}/mrr" for relation in ("in_region", "in_subregion"))


class Pair(NamedTuple):
    """A row of the second table: settings with images and without, the seeds and the measures."""

    task: str
    full: list[str]
    text_only: list[str] | None
    seeds: tuple[int, ...]
    metrics: tuple[str, ...]


E5 = "size=e5_dino"
PAIRS = {
    "size=small, longer": Pair(
        "link_prediction",
        ["data.images.image=96", "task.model.hide=0.5", "task.epochs=24", "patience=24"],
        ["backbone=text_only", "task.epochs=24", "patience=24"],
        (0,),
        ("mrr", *WHERE, "decided/mrr"),
    ),
    "size=small_dino": Pair(
        "link_prediction",
        ["size=small_dino", "task.epochs=12", "task.model.hide=0.5"],
        ["backbone=text_only", "task.epochs=12"],
        SEEDS,
        ("mrr", *WHERE, "decided/mrr"),
    ),
    "backbone=kge/complex": Pair(
        "link_prediction",
        [
            "backbone=kge/complex",
            "task.epochs=30",
            "optim.lr=0.05",
            "optim.weight_decay=0",
            "task.model.structure.n3=0.05",
        ],
        None,
        SEEDS,
        ("mrr", *WHERE, "decided/mrr"),
    ),
    "backbone=e5_dino, relations": Pair(
        "mre",
        ["backbone=e5_dino", "task.epochs=4", "task.data.markers=punctuation"],
        ["backbone=text_only", E5, "task.epochs=4", "task.data.markers=punctuation"],
        (0,),
        ("f1", "accuracy"),
    ),
    "backbone=e5_dino, mentions": Pair(
        "mner",
        ["backbone=e5_dino", "task.epochs=3"],
        ["backbone=text_only", E5, "task.epochs=3"],
        (0,),
        ("f1", "decided/f1"),
    ),
}
"""Rows with longer training or, after ``make weights``, with pretrained encoders."""

Job = tuple[str, str, int, tuple[str, ...]]
"""Task, folder, seed and overrides of a run."""


def main() -> None:
    """Runs what has not been run of the tables named (all tasks by default, or ``pairs``), and writes both."""
    asked = sys.argv[1:] or list(TASKS)
    jobs = [job for name in asked for job in (_pairs() if name == "pairs" else _variants(name))]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(_run, jobs))
    figures = json.loads(RESULTS.read_text())["runs"] if RESULTS.exists() else {}
    figures |= {f"{task}/{name}/{seed}": _figures(task, name, seed) for task, name, seed, _ in jobs}
    RESULTS.write_text(json.dumps({"machine": machine(), "runs": figures}, indent=1) + "\n")
    fill(PAGE, BEGIN, END, table(figures))
    fill(PAGE, BEGIN_PAIRS, END_PAIRS, pairs_table(figures))


def _variants(task: str) -> list[Job]:
    return [(task, name, seed, tuple(keys)) for seed in SEEDS for name, keys in VARIANTS.items()]


def _pairs() -> list[Job]:
    jobs = []
    for name, pair in PAIRS.items():
        for seed in pair.seeds:
            jobs.append((pair.task, f"{name}/full", seed, tuple(pair.full)))
            if pair.text_only is not None:
                jobs.append((pair.task, f"{name}/text_only", seed, tuple(pair.text_only)))
    return jobs


def _folder(task: str, variant: str, seed: int) -> Path:
    return RUNS / task / variant.replace("=", "_").replace(", ", "_") / str(seed)


def _run(job: Job) -> None:
    task, name, seed, keys = job
    folder = _folder(task, name, seed)
    if (folder / "metrics.json").exists():
        return
    command = [sys.executable, "-m", "mkgc.train", f"task={task}", f"seed={seed}", *keys]
    print(" ".join(["python", *command[1:]]), flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log.txt").open("w") as log:
        extra = [f"hydra.run.dir={folder}", "trainer.enable_progress_bar=false", "size.threads=1"]
        threads = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run([*command, *extra], check=True, stdout=log, stderr=log, env=threads)


def _figures(task: str, variant: str, seed: int) -> dict[str, Any]:
    folder = _folder(task, variant, seed)
    figures = json.loads((folder / "metrics.json").read_text())
    test = figures["test"] | _where_the_image_decides(folder / "best.ckpt", task)
    return {"test": test, "dev": figures["dev"], "seconds": figures["seconds"]}


def _where_the_image_decides(checkpoint: Path, task: str) -> dict[str, float]:
    """The task's measures over the test examples that the data set lists as decided by their image."""
    if task == "mre":  # all of them
        return {}
    from mkgc.data.dataset import read_dataset
    from mkgc.training.checkpoint import read, restore

    model, config = restore(read(checkpoint))
    dataset = read_dataset(config, model.processor)
    features = DECIDED[task](Path(config.data.root), dataset.features["test"], model.processor)
    parts = {"": features} | (_by_relation(features, model.processor) if task == "link_prediction" else {})
    return {f"decided/{key}{n}": v for key, part in parts.items() for n, v in _score(model, dataset, part).items()}


def _score(model: Any, dataset: Any, features: Sequence[Any]) -> dict[str, float]:
    import torch

    metric = model.make_metric()
    with torch.inference_mode():
        for start in range(0, len(features), 64):
            model.update_metric(model.processor.collate(features[start : start + 64], dataset.store), metric)
    return metric.compute()


def _by_relation(features: Sequence[Any], processor: Any) -> dict[str, list[Any]]:
    out: dict[str, list[Any]] = {}
    for item in features:
        out.setdefault(f"{processor.relations[item.relation]}/", []).append(item)
    return out


def _decided_sentences(root: Path, features: Sequence[Any], _: Any) -> list[Any]:
    from tasks.mner import twitter

    listed = {line.split("\t")[1] for line in (root / "image_decides.txt").read_text().splitlines()}
    examples = twitter.read(root, "test")
    return [item for item, example in zip(features, examples, strict=True) if example.id in listed]


def _decided_queries(root: Path, features: Sequence[Any], processor: Any) -> list[Any]:
    """Queries for the tail of a listed triple: those show the country whose map tells."""
    rows = [line.split("\t") for line in (root / "image_decides.tsv").read_text().splitlines()]
    place = {name: i for i, name in enumerate(processor.entities)}
    number = {name: i for i, name in enumerate(processor.relations)}
    listed = {(place[head], number[relation]) for split, head, relation, _ in rows if split == "test"}
    return [item for item in features if item.target == "tail" and (item.anchor, item.relation) in listed]


DECIDED = {"mner": _decided_sentences, "link_prediction": _decided_queries}


def table(figures: dict[str, Any]) -> str:
    """The figures as a Markdown table, mean ± standard deviation over the seeds."""
    lines = ["| task | measure | " + " | ".join(VARIANTS) + " |", "| --- | --- |" + " --- |" * len(VARIANTS)]
    for task, metrics in TASKS.items():
        for measure in metrics:
            cells = [mean_and_spread([figures[f"{task}/{v}/{s}"]["test"][measure] for s in SEEDS], 3) for v in VARIANTS]
            lines.append(f"| {task} | {measure} | " + " | ".join(cells) + " |")
        times = [[figures[f"{task}/{v}/{s}"]["seconds"] for s in SEEDS] for v in VARIANTS]
        lines.append(f"| {task} | seconds | " + " | ".join(f"{statistics.mean(t):.0f}" for t in times) + " |")
    return "\n".join(lines)


def pairs_table(figures: dict[str, Any]) -> str:
    """Each pair's measures, with images and without; a structure model has neither."""
    lines = ["| encoders | task | seeds | measure | full | text_only |", "| --- |" + " --- |" * 5]
    for name, pair in PAIRS.items():
        place, sides = f"{pair.task}/{name}", ("full",) if pair.text_only is None else ("full", "text_only")
        names = [[f"{place}/{side}/{seed}" for seed in pair.seeds] for side in sides]
        if not all(name in figures for side in names for name in side):
            continue
        runs = [[figures[name] for name in side] for side in names]
        row = f"| {name.removesuffix(', relations').removesuffix(', mentions')} | {pair.task} | {len(pair.seeds)} |"
        for measure in pair.metrics:
            cells = [mean_and_spread([run["test"][measure] for run in side], 3) for side in runs]
            lines.append(f"{row} {measure} | " + " | ".join([*cells, "–"][:2]) + " |")
        seconds = [f"{statistics.mean(run['seconds'] for run in side):.0f}" for side in runs]
        lines.append(f"{row} seconds | " + " | ".join([*seconds, "–"][:2]) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
