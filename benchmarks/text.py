"""`python -m benchmarks.text ARCHIVES`: what the text alone gives on the real files, beside the published rows.

Trains `experiment=e5_mner` on Twitter-2017 and `experiment=e5_mre` on MNRE (after ``make weights``), one process after
the other with one thread each; a run that is in ``runs/text`` is not run again. Writes ``benchmarks/text.json`` and the
table of ``docs/benchmarks.md``.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.runs import fill, mean_and_spread, unpacked

RUNS = Path("runs/text")
RESULTS = Path("benchmarks/text.json")
PAGE = Path("docs/benchmarks.md")
BEGIN, END = "<!-- table: python -m benchmarks.text -->", "<!-- end of text table -->"


class Row(NamedTuple):
    """A data set's row: its archive, its task's experiment, the seeds, and the published text-only figure."""

    title: str
    archive: str
    task: str
    seeds: tuple[int, ...]
    published: str


ROWS = (
    Row("NER, Twitter-2017", "twitter2017", "mner", (0, 1), "83.44 (BERT-CRF)"),
    Row("relations, MNRE", "mnre", "mre", (0,), "59.55 (BERT)"),
)
MEASURES = ("f1", "precision", "recall")


def main() -> None:
    """Runs what has not been run, then writes figures and table."""
    archives = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("data")
    figures = {row.archive: [_run(row, seed, archives) for seed in row.seeds] for row in ROWS}
    RESULTS.write_text(json.dumps(figures, indent=1) + "\n")
    fill(PAGE, BEGIN, END, table(figures))


def _run(row: Row, seed: int, archives: Path) -> dict[str, Any]:
    folder = RUNS / row.archive / str(seed)
    if not (folder / "metrics.json").exists():
        root = unpacked(archives, row.archive, RUNS / "data")
        keys = [f"task={row.task}", f"experiment=e5_{row.task}", f"data.root={root}", f"seed={seed}"]
        command = [sys.executable, "-m", "mkgc.train", *keys, "size.threads=1", f"hydra.run.dir={folder}"]
        print(" ".join(["python", *command[1:]]), flush=True)
        subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    figures = json.loads((folder / "metrics.json").read_text())
    kept = {split: {name: figures[split][name] for name in MEASURES} for split in ("dev", "test")}
    return {"seed": seed, **kept, "seconds": figures["seconds"], "epochs": figures["epochs"]}


def table(figures: dict[str, list[dict[str, Any]]]) -> str:
    """Test figures in percent, their mean where there are several seeds, as Markdown."""
    lines = ["| | seeds | F1 | precision | recall | dev F1 | minutes a run | published, text only |"]
    lines.append("| --- |" + " --- |" * 7)
    for row in ROWS:
        runs = figures[row.archive]
        cells = [mean_and_spread([100 * run["test"][name] for run in runs], 2) for name in MEASURES]
        cells += [mean_and_spread([100 * run["dev"]["f1"] for run in runs], 2)]
        minutes = statistics.mean(run["seconds"] for run in runs) / 60
        lines.append(f"| {row.title} | {len(runs)} | " + " | ".join(cells) + f" | {minutes:.0f} | {row.published} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
