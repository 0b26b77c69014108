"""`python -m mkgc.predict checkpoint=PATH input=FILE.jsonl output=OUT.jsonl`: a model's answers to a user's records."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

from mkgc.command import reported, require, run
from mkgc.data.formats.jsonl import read_records
from mkgc.errors import ConfigError, DataError
from mkgc.files import whole

FLAGS = {"--novel-only": "novel_only=true"}
"""What can be said the way other programs say it, and Hydra's way."""


def predict(config: DictConfig) -> int:
    """Writes one JSON line a record, whole or not at all; returns their number."""
    from mkgc.predictor import load

    source, target = Path(config.input), Path(config.output)
    records, places = read_records(source)
    if not target.parent.is_dir():
        raise DataError("the folder of output= does not exist", target.parent)
    model, novel = load(config.checkpoint, config.device, config.index), config.novel_only
    answers = model.predict(records, source.parent, places, config.batch_size, novel, config.root)
    with whole(target) as beside, beside.open("w", encoding="utf-8") as file:
        for number, (record, answer) in enumerate(zip(records, answers, strict=True), start=1):
            print(json.dumps({"id": record.get("id", number), **answer}, ensure_ascii=False), file=file)
    return len(answers)


@hydra.main(version_base="1.3", config_path="../conf", config_name="predict")
@reported
def _main(config: DictConfig) -> None:
    require(config, "checkpoint", "input", "output")
    if not isinstance(config.novel_only, bool):
        raise ConfigError(f"novel_only={config.novel_only}: must be true or false")
    print(f"{predict(config):,} predictions into {config.output}")


def main() -> None:
    """The command."""
    sys.argv[1:] = [FLAGS.get(word, word) for word in sys.argv[1:]]
    run(_main)


if __name__ == "__main__":
    main()
