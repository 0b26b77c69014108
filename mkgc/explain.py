"""`python -m mkgc.explain checkpoint=PATH input=FILE.jsonl output=DIR`: why a model answers records as it does."""

from __future__ import annotations

from pathlib import Path

import hydra
from omegaconf import DictConfig

from mkgc.app.command import exit_on_user_error, require, run
from mkgc.app.config import check_keys
from mkgc.app.files import check_output_folder
from mkgc.app.keys import EXPLAIN
from mkgc.app.packages import CONF
from mkgc.data.formats.jsonl import read_records, record_names, require_records
from mkgc.errors import DataError
from mkgc.explanations.folder import PAGE, check_replaceable, writing
from mkgc.terminal import say


def explain(config: DictConfig) -> tuple[int, list[str]]:
    """Writes the explanations, all or none; returns how many records there are, and what is wrong with which.

    Raises:
        MkgcError: A key has a wrong value, the output cannot be written to, the model has nothing to explain, or a
            record cannot be used.
    """
    require(config, "checkpoint", "input", "output")
    check_keys(config, EXPLAIN)
    source, target = Path(config.input), Path(config.output)
    check_output_folder(config.output)
    check_replaceable(target)
    from mkgc.app.devices import find_device
    from mkgc.inference import load

    find_device(config.device)
    lines = read_records(source)
    if config.bad_records == "fail":
        require_records(lines)
    model = load(config.checkpoint, config.device, trusted=config.trusted, language=config.language)
    explanations = model.explain(
        [line.record for line in lines],
        source.parent,
        [line.place for line in lines],
        config.batch_size,
        config.root,
        config.bad_records,
        config.bad_images,
    )
    errors = []
    with writing(target, len(lines), str(config.checkpoint)) as writer:
        for name, one in zip(record_names(lines), explanations, strict=True):
            writer.add(name, one)
            errors += [str(one)] if isinstance(one, DataError) else []
    return len(lines), errors


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="explain")
@exit_on_user_error
def _main(config: DictConfig) -> None:
    count, errors = explain(config)
    if errors:
        say(f"{len(errors):,} of {count:,} records could not be used, the first: {errors[0]}", error=True)
    say(f"{count - len(errors):,} explanations into {config.output}: open {Path(config.output) / PAGE}")


def main() -> None:
    """The command."""
    run(_main, "explain")


if __name__ == "__main__":
    main()
