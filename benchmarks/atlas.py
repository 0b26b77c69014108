"""`make tables`: what pictures and each part of the fusion are worth on Atlas, mean and spread of three seeds.

Writes ``benchmarks/atlas.json`` (every run's figures) and the table of ``docs/atlas.md`` between its markers. Two runs
go on at a time, with one thread each.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

RUNS = Path("runs/atlas")
RESULTS = Path("benchmarks/atlas.json")
PAGE = Path("docs/atlas.md")
BEGIN, END = "<!-- table: python -m benchmarks.atlas -->", "<!-- end of table -->"
SEEDS = (0, 1, 2)
LONGER = {"link_prediction": ["task.epochs=40", "patience=40"]}
"""Where the defaults stop before the vision tower has learned to read: what is set beside them, in every column."""
TASKS = {
    "mre": ("f1", "accuracy"),
    "mner": ("f1", "decided/f1"),
    "link_prediction": ("mrr", "hits@10", "decided/mrr", "decided/hits@1", "decided/hits@10"),
}
"""Measures of the test split; ``decided/`` ones are of the examples whose answer the picture shows."""
VARIANTS = {
    "full": [],
    "text_only": ["backbone=text_only"],
    "pgi=false": ["backbone.fusion.pgi=false"],
    "caf=false": ["backbone.fusion.caf=false"],
}


def main() -> None:
    """Runs what has not been run, of all tasks or of those named; once all is there, writes figures and table."""
    tasks = sys.argv[1:] or list(TASKS)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda job: _run(*job), [(t, v, seed) for seed in SEEDS for t in tasks for v in VARIANTS]))
    wanted = [(task, variant, seed) for task in TASKS for variant in VARIANTS for seed in SEEDS]
    if not all((_folder(*job) / "metrics.json").exists() for job in wanted):
        return
    figures = {f"{t}/{v}/{s}": _figures(t, v, s) for t, v, s in wanted}
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    RESULTS.write_text(json.dumps({"machine": machine, "runs": figures}, indent=1) + "\n")
    page = PAGE.read_text()
    head, rest = page.split(BEGIN)
    PAGE.write_text(f"{head}{BEGIN}\n{table(figures)}\n{END}{rest.split(END)[1]}")


def _folder(task: str, variant: str, seed: int) -> Path:
    return RUNS / task / variant.replace("=", "_") / str(seed)


def _run(task: str, variant: str, seed: int) -> None:
    folder = _folder(task, variant, seed)
    if (folder / "metrics.json").exists():
        return
    command = [
        sys.executable,
        "-m",
        "mkgc.train",
        f"task={task}",
        f"seed={seed}",
        *LONGER.get(task, []),
        *VARIANTS[variant],
    ]
    print(" ".join(["python", *command[1:]]), flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log.txt").open("w") as log:
        extra = [f"hydra.run.dir={folder}", "trainer.enable_progress_bar=false"]
        threads = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run([*command, *extra], check=True, stdout=log, stderr=log, env=threads)


def _figures(task: str, variant: str, seed: int) -> dict[str, Any]:
    folder = _folder(task, variant, seed)
    figures = json.loads((folder / "metrics.json").read_text())
    test = figures["test"] | _where_the_picture_decides(folder / "best.ckpt", task)
    return {"test": test, "dev": figures["dev"], "seconds": figures["seconds"]}


def _where_the_picture_decides(checkpoint: Path, task: str) -> dict[str, float]:
    """The task's measures over the test examples that the data set lists as decided by their picture."""
    if task == "mre":  # all of them
        return {}
    import torch

    from mkgc.checkpoint import read, restore
    from mkgc.data.corpus import read_corpus

    model, config = restore(read(checkpoint))
    corpus = read_corpus(config, model.codec)
    items = DECIDED[task](Path(config.data.root), corpus.items["test"], model.codec)
    metric = model.make_metric()
    with torch.inference_mode():
        for start in range(0, len(items), 64):
            model.score(model.codec.collate(items[start : start + 64], corpus.store), metric)
    return {f"decided/{name}": value for name, value in metric.compute().items()}


def _decided_sentences(root: Path, items: list[Any], _: Any) -> list[Any]:
    from mkgc.data.formats import twitter

    listed = {line.split("\t")[1] for line in (root / "picture_decides.txt").read_text().splitlines()}
    examples = twitter.read(root, "test")
    return [item for item, example in zip(items, examples, strict=True) if example.id in listed]


def _decided_queries(root: Path, items: list[Any], codec: Any) -> list[Any]:
    """Queries for the tail of a listed triple: those show the country whose map tells."""
    rows = [line.split("\t") for line in (root / "picture_decides.tsv").read_text().splitlines()]
    relation_ids = {name: codec.tokenizer.size + len(codec.entities) + i for i, name in enumerate(codec.relations)}
    place = {name: i for i, name in enumerate(codec.entities)}
    listed = {(place[head], relation_ids[relation]) for split, head, relation, _ in rows if split == "test"}
    return [item for item in items if item.side == "tail" and any((item.shown, token) in listed for token in item.ids)]


DECIDED = {"mner": _decided_sentences, "link_prediction": _decided_queries}


def table(figures: dict[str, Any]) -> str:
    """The figures as a Markdown table, mean ± standard deviation over the seeds."""
    lines = ["| task | measure | " + " | ".join(VARIANTS) + " |", "| --- | --- |" + " --- |" * len(VARIANTS)]
    for task, measures in TASKS.items():
        for measure in measures:
            cells = [_cell([figures[f"{task}/{v}/{s}"]["test"][measure] for s in SEEDS]) for v in VARIANTS]
            lines.append(f"| {task} | {measure} | " + " | ".join(cells) + " |")
        times = [[figures[f"{task}/{v}/{s}"]["seconds"] for s in SEEDS] for v in VARIANTS]
        lines.append(f"| {task} | seconds | " + " | ".join(f"{statistics.mean(t):.0f}" for t in times) + " |")
    return "\n".join(lines)


def _cell(values: list[float]) -> str:
    return f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"


if __name__ == "__main__":
    main()
