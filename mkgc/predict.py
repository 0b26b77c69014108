"""`python -m mkgc.predict checkpoint=PATH input=FILE.jsonl output=OUT.jsonl`: a model's answers to a user's records."""

from __future__ import annotations

import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

from mkgc.app.command import exit_on_user_error, require, run
from mkgc.app.config import check_keys
from mkgc.app.files import check_output, json_text, only_contents, write_whole
from mkgc.app.keys import PREDICT
from mkgc.app.packages import CONF
from mkgc.data.formats.jsonl import read_records, record_names, require_records
from mkgc.terminal import say
from mkgc.training.run import checkpoint_file

FLAGS = {"--exclude-known": "exclude_known=true"}
"""Flags in the manner of other programs, and the keys that they stand for."""


def predict(config: DictConfig) -> tuple[int, list[str]]:
    """Writes one JSON line a record, whole or not at all; returns their number, and what is wrong with which.

    Raises:
        MkgcError: A key has a wrong value, the output cannot be written to, or a record cannot be used.
    """
    require(config, "checkpoint", "input", "output")
    check_keys(config, PREDICT)
    source, target = Path(config.input), Path(config.output)
    check_output(config.output, source, checkpoint_file(config.checkpoint))
    from mkgc.app.devices import find_device
    from mkgc.inference import load

    find_device(config.device)
    lines = read_records(source)
    if config.bad_records == "fail":
        require_records(lines)
    model = load(config.checkpoint, config.device, config.index, config.trusted, config.language)
    answers = model.predict(
        [line.record for line in lines],
        source.parent,
        [line.place for line in lines],
        config.batch_size,
        config.exclude_known,
        config.root,
        config.bad_records,
        config.bad_images,
        config.top_k,
        config.type_constraints,
    )
    rows = [{"id": name} | answer for name, answer in zip(record_names(lines), answers, strict=True)]
    write_whole(target, "".join(f"{json_text(row, ensure_ascii=False)}\n" for row in rows))
    return len(rows), [row["error"] for row in rows if "error" in row]


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="predict")
@exit_on_user_error
def _main(config: DictConfig) -> None:
    count, errors = predict(config)
    if errors:
        say(f"{len(errors):,} of {count:,} records could not be used, the first: {errors[0]}", error=True)
    with only_contents(config.output):
        say(f"{count - len(errors):,} predictions into {config.output}")


def main() -> None:
    """The command."""
    sys.argv[1:] = [FLAGS.get(word, word) for word in sys.argv[1:]]
    run(_main, "predict")


if __name__ == "__main__":
    main()
