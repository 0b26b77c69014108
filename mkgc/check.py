"""`python -m mkgc.check task=mre data.root=DIR`: reads a data set as training would, and says what it found."""

from __future__ import annotations

import hydra
from omegaconf import DictConfig

from mkgc.command import reported, run


def check_data(config: DictConfig) -> None:
    """Reads the task's data with its own reader and prints how many examples and pictures are usable.

    Raises:
        MkgcError: Training could not begin on them.
    """
    from mkgc.config import check
    from mkgc.data.corpus import read_corpus

    check(config)
    corpus = read_corpus(config)
    corpus.coverage.show()
    counts = ", ".join(f"{len(items):,} {split}" for split, items in corpus.items.items())
    print(f"{config.task.name}: {config.data.root} can be trained on: {counts} examples")


@hydra.main(version_base="1.3", config_path="../conf", config_name="check")
@reported
def _main(config: DictConfig) -> None:
    check_data(config)


def main() -> None:
    """The command."""
    run(_main)


if __name__ == "__main__":
    main()
