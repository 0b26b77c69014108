"""`python -m mkgc.predict checkpoint=PATH input=FILE.jsonl output=OUT.jsonl`: a model's answers to a user's records."""

from __future__ import annotations

import json
import os
from pathlib import Path

import hydra
from omegaconf import DictConfig

from mkgc.command import reported, require, run
from mkgc.data.formats.jsonl import read_records
from mkgc.errors import DataError


def predict(checkpoint: str, source: Path, target: Path, batch_size: int, device: str) -> int:
    """Writes one JSON line a record, whole or not at all; returns their number."""
    from mkgc.predictor import load

    records, places = read_records(source)
    if not target.parent.is_dir():
        raise DataError("the folder of output= does not exist", target.parent)
    answers = load(checkpoint, device).predict(records, source.parent, places, batch_size)
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    with beside.open("w", encoding="utf-8") as file:
        for number, (record, answer) in enumerate(zip(records, answers, strict=True), start=1):
            print(json.dumps({"id": record.get("id", number), **answer}, ensure_ascii=False), file=file)
    beside.replace(target)
    return len(answers)


@hydra.main(version_base="1.3", config_path="../conf", config_name="predict")
@reported
def _main(config: DictConfig) -> None:
    require(config, "checkpoint", "input", "output")
    target = Path(config.output)
    count = predict(config.checkpoint, Path(config.input), target, config.batch_size, config.device)
    print(f"{count:,} predictions into {target}")


def main() -> None:
    """The command."""
    run(_main)


if __name__ == "__main__":
    main()
