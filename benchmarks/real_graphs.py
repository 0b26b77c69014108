"""`python -m benchmarks.real_graphs ARCHIVES [NAME …]`: link prediction on FB15k-237 and WN18RR, beside the literature.

Trains the rows that are named, or all, one after the other on one thread (they take a day of one core together; the
text encoder needs ``make weights``); a run that is in ``runs/real_graphs`` is not run again. Writes
``benchmarks/real_graphs.json`` and the table of ``docs/link_prediction.md``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.runs import chosen, fill, machine, trained, unpacked

RUNS = Path("runs/real_graphs")
RESULTS = Path("benchmarks/real_graphs.json")
PAGE = Path("docs/link_prediction.md")
BEGIN, END = "<!-- table: python -m benchmarks.real_graphs -->", "<!-- end of real graphs table -->"
MEASURES = ("mrr", "mr", "hits@1", "hits@3", "hits@10", "amri")


class Graph(NamedTuple):
    """A data set: its archive and its configuration."""

    title: str
    archive: str
    data: str


class Row(NamedTuple):
    """A run by its overrides, and what the literature reports (MRR, hits@1, hits@10)."""

    graph: Graph
    keys: str
    literature: str


FREEBASE = Graph("FB15k-237", "fb15k237", "fb15k237_img")
WORDNET = Graph("WN18RR", "wn18rr", "wn18rr")
SELF_ADVERSARIAL = "backbone.margin=6 task.model.structure.margin=6 task.model.structure.temperature=0.5"
MINILM = (
    "backbone=text_only size=minilm_dino size.trainable_layers=2 "
    "data.max_length=32 data.batch_size=64 optim.head_lr=5e-4"
)
STAGE1 = "task.model.stage1.batch_size=256 task.model.stage1.lr=2e-3"

ROWS = {
    "fb_transe": Row(
        FREEBASE, "system=transe task.epochs=10 trainer.check_val_every_n_epoch=10", "TransE .313, .221, .497"
    ),
    "fb_distmult": Row(
        FREEBASE,
        "system=distmult backbone.width=200 data.batch_size=500 task.epochs=10 trainer.check_val_every_n_epoch=10",
        "DistMult .343, .250, .531",
    ),
    "fb_complex": Row(
        FREEBASE, "system=complex backbone.width=200 data.batch_size=500 task.epochs=15", "ComplEx .348, .253, .536"
    ),
    "fb_rotate": Row(
        FREEBASE, "system=rotate task.epochs=15 trainer.check_val_every_n_epoch=15", "RotatE .338, .241, .533"
    ),
    "wn_transe": Row(
        WORDNET,
        f"system=transe {SELF_ADVERSARIAL} task.epochs=20 trainer.check_val_every_n_epoch=20",
        "TransE .228, .053, .520",
    ),
    "wn_rotate": Row(
        WORDNET,
        f"system=rotate {SELF_ADVERSARIAL} task.epochs=60 trainer.check_val_every_n_epoch=20",
        "RotatE .476, .428, .571",
    ),
    "wn_text": Row(WORDNET, f"{MINILM} {STAGE1} trainer.precision=bf16-mixed task.epochs=2", "KG-BERT –, .041, .524"),
}


def main() -> None:
    """Runs what has not been run, then writes figures and table."""
    archives = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("data")
    runs: dict[str, Any] = json.loads(RESULTS.read_text())["runs"] if RESULTS.exists() else {}
    for name in chosen(sys.argv[2:], ROWS):
        runs[name] = _run(name, archives)
        RESULTS.write_text(json.dumps({"machine": machine(), "runs": runs}, indent=1) + "\n")
    fill(PAGE, BEGIN, END, table(runs))


def _run(name: str, archives: Path) -> dict[str, Any]:
    graph, keys, _ = ROWS[name]
    root = unpacked(archives, graph.archive, RUNS / "data")
    where = (f"data={graph.data}", f"data.root={root}", "size.threads=1")
    figures = trained(RUNS / name, "task=link_prediction", *where, *keys.split())
    kept = {split: {measure: figures[split][measure] for measure in MEASURES} for split in ("dev", "test")}
    return {"keys": keys, **kept, "epochs": figures["epochs"], "seconds": figures["seconds"]}


def table(runs: dict[str, Any]) -> str:
    """Test figures as Markdown, in the order of the rows."""
    lines = ["| data | keys | MRR | hits@1 | hits@10 | MR | dev MRR | minutes | literature |"]
    lines.append("| --- |" + " --- |" * 8)
    for name, (graph, keys, literature) in ROWS.items():
        if name in runs:
            test, dev, minutes = runs[name]["test"], runs[name]["dev"], runs[name]["seconds"] / 60
            cells = [_short(test[measure]) for measure in ("mrr", "hits@1", "hits@10")]
            cells += [f"{test['mr']:,.0f}", _short(dev["mrr"]), f"{minutes:.0f}", literature]
            lines.append(f"| {graph.title} | `{keys}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _short(share: float) -> str:
    return f"{share:.3f}".lstrip("0")


if __name__ == "__main__":
    main()
