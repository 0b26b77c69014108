"""`python -m mkgc.prepare …`: what is done once, before training: pictures, weights, archives, low-resource splits."""

from __future__ import annotations

from pathlib import Path

import hydra
from omegaconf import DictConfig

from mkgc.command import reported, run


def prepare(config: DictConfig) -> None:
    """Does the one thing that the configuration asks for.

    Raises:
        MkgcError: It cannot be done.
    """
    if config.weights is not None:
        from mkgc.encoders import packages

        packages.prepare(config.weights, Path(config.output or f"weights/{config.weights}"))


@hydra.main(version_base="1.3", config_path="../conf", config_name="prepare")
@reported
def _main(config: DictConfig) -> None:
    prepare(config)


def main() -> None:
    """The command."""
    run(_main)


if __name__ == "__main__":
    main()
