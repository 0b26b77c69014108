"""`python -m benchmarks.ranking ARCHIVES`: evaluating link prediction here and with PyKEEN, on FB15k-237's test split.

The same DistMult vectors in both, filtered by all splits, both sides ranked, one thread; each evaluation runs in a
process of its own, which says how much memory it added at its peak. Writes ``benchmarks/ranking.json`` and the table
of ``docs/benchmarks.md``.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from benchmarks.runs import fill, machine

RESULTS = Path("benchmarks/ranking.json")
PAGE = Path("docs/benchmarks.md")
BEGIN, END = "<!-- table: python -m benchmarks.ranking -->", "<!-- end of ranking table -->"
WIDTH, BATCH = 64, 256
MEASURES = ("mrr", "mr", "hits@1", "hits@10", "amri")


def main() -> None:
    """Both sides in turn, or one of them where it is named behind the data's folder."""
    if len(sys.argv) == 3:
        print(json.dumps({"mkgc": ours, "pykeen": theirs}[sys.argv[2]](Path(sys.argv[1]))))
        return
    from mkgc.tools.archive import unpack

    with TemporaryDirectory() as folder:
        unpack(Path(sys.argv[1]) / "fb15k237.tar.xz", Path(folder) / "data")
        sides = {name: _started(Path(folder) / "data" / "fb15k237", name) for name in ("mkgc", "pykeen")}
    for measure in MEASURES:
        if not np.isclose(sides["mkgc"][measure], sides["pykeen"][measure], rtol=1e-5, atol=1e-6):
            raise SystemExit(f"{measure} differs: {sides['mkgc'][measure]} and {sides['pykeen'][measure]}")
    RESULTS.write_text(json.dumps({"machine": machine(), **sides}, indent=1) + "\n")
    fill(PAGE, BEGIN, END, table(sides))


def _started(root: Path, name: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.ranking", str(root), name]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _vectors(entities: int, relations: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    return torch.randn(entities, WIDTH, generator=draw), torch.randn(relations, WIDTH, generator=draw)


def _timed(run: Any) -> tuple[Any, dict[str, float]]:
    """Calls a function: its result, its seconds, and by how many MiB it raised the process' peak."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    out = run()
    seconds = time.perf_counter() - began
    return out, {"seconds": seconds, "mib": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}


def ours(root: Path) -> dict[str, float]:
    """From the triples in memory to the measures: queries, filter, scores, ranks."""
    torch.set_num_threads(1)
    from benchmarks.runs import composed
    from mkgc.data.dataset import read_dataset
    from mkgc.training.checkpoint import build_task
    from tasks.link_prediction.queries import query_sets

    data = ("task=link_prediction", "data=fb15k237_img", f"data.root={root}")
    config = composed(*data, "backbone=kge/distmult", f"backbone.width={WIDTH}")
    dataset: Any = read_dataset(config)
    graph = dataset.source.graph
    task: Any = build_task(config, dataset.processor)
    processor: Any = dataset.processor
    entities, relations = _vectors(len(graph.entities), len(graph.relations))
    with torch.no_grad():
        task.kge.entities.weight.copy_(entities)
        task.kge.relations.weight.copy_(relations)

    def evaluate() -> dict[str, float]:
        metric = task.make_metric()
        features = query_sets(graph, processor, "strict", "queries")["test"]
        with torch.inference_mode():
            for start in range(0, len(features), BATCH):
                rows = range(start, min(start + BATCH, len(features)))
                task.update_metric(processor.collate(features.__getitems__(rows), dataset.store), metric)
        return metric.compute()

    figures, cost = _timed(evaluate)
    return {name: figures[name] for name in MEASURES} | cost


def theirs(root: Path) -> dict[str, float]:
    """PyKEEN's evaluator on the same triples, numbered the same way."""
    torch.set_num_threads(1)
    from pykeen.evaluation import RankBasedEvaluator
    from pykeen.models import DistMult
    from pykeen.triples import CoreTriplesFactory

    from mkgc.data.formats import kg

    graph = kg.read(root, ())
    splits = {name: torch.from_numpy(triples) for name, triples in graph.triples.items()}
    train = CoreTriplesFactory(splits["train"], len(graph.entities), len(graph.relations))
    model: Any = DistMult(
        triples_factory=train, embedding_dim=WIDTH, entity_initializer="normal", entity_constrainer=None
    )
    entities, relations = _vectors(len(graph.entities), len(graph.relations))
    with torch.no_grad():
        model.entity_representations[0]._embeddings.weight.copy_(entities)
        model.relation_representations[0]._embeddings.weight.copy_(relations)
    known = [splits["train"], splits["dev"]]
    found, cost = _timed(
        lambda: RankBasedEvaluator().evaluate(
            model, splits["test"], batch_size=BATCH, additional_filter_triples=known, use_tqdm=False
        )
    )
    names = {
        "mrr": "inverse_harmonic_mean_rank",
        "mr": "arithmetic_mean_rank",
        "hits@1": "hits_at_1",
        "hits@10": "hits_at_10",
        "amri": "adjusted_arithmetic_mean_rank_index",
    }
    return {name: float(found.get_metric(f"both.realistic.{key}")) for name, key in names.items()} | cost


def table(sides: dict[str, dict[str, float]]) -> str:
    """Seconds and memory of both as Markdown."""
    lines = ["| evaluator | seconds | peak memory added, MiB | MRR |", "| --- | --- | --- | --- |"]
    lines += [f"| {n} | {f['seconds']:.1f} | {f['mib']:.0f} | {f['mrr']:.6f} |" for n, f in sides.items()]
    ratio = sides["pykeen"]["seconds"] / sides["mkgc"]["seconds"]
    return "\n".join([*lines, "", f"{ratio:.1f} times as fast; all measures agree to 1e-5."])


if __name__ == "__main__":
    main()
