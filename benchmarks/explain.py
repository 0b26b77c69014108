"""`python -m benchmarks.explain RUN INPUT.jsonl`: processor time of an explanation of one record, and of its picture.

The records of INPUT are explained again and again for about ten seconds, with one thread; what is printed are means.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.runs import machine
from mkgc.explanations.explanation import Explanation
from mkgc.explanations.picture import draw
from mkgc.inference import load

LONGEST = 10.0


def main() -> None:
    """Measures and prints."""
    run, asked = sys.argv[1], Path(sys.argv[2])
    torch.set_num_threads(1)
    records = [json.loads(line) for line in asked.read_text(encoding="utf-8").splitlines()]
    model = load(run)
    [*model.explain(records[:1], asked.parent)]  # what only the first one has to do
    times: dict[str, list[float]] = {"predict": [], "explain": [], "picture": []}
    began = time.monotonic()
    while time.monotonic() - began < LONGEST:
        for record in records:
            start = time.process_time()
            model.predict([record], asked.parent)
            times["predict"].append(time.process_time() - start)
            start = time.process_time()
            (one,) = model.explain([record], asked.parent)
            times["explain"].append(time.process_time() - start)
            assert isinstance(one, Explanation)
            start = time.process_time()
            with tempfile.TemporaryDirectory() as folder:
                draw(one, Path(folder) / "1.png")
            times["picture"].append(time.process_time() - start)
    means = {name: f"{sum(of_all) / len(of_all):.3f} s" for name, of_all in times.items()}
    print(f"{run}, {len(records)} records, {machine()}, one thread: {means}")


if __name__ == "__main__":
    main()
