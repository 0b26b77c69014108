"""`python -m mkgc.report runs=DIR`, `table=DIR` or `compare=[A,B]`: what runs reached, and whether two differ."""

from __future__ import annotations

from pathlib import Path

import hydra
from omegaconf import DictConfig, ListConfig
from rich.console import Console

from mkgc.command import reported, require_one, run
from mkgc.errors import ConfigError
from mkgc.reports.comparison import compare_runs
from mkgc.reports.runs import list_runs, read_runs
from mkgc.reports.systems import list_systems
from mkgc.reports.tables import WRITERS, Table, show, write


def report(config: DictConfig) -> list[Table]:
    """The tables that were asked for.

    Raises:
        MkgcError: The keys do not say what is wanted, or the runs are not there or not comparable.
    """
    asked = require_one(config, "runs", "table", "compare")
    if asked is None:
        raise ConfigError("give runs=…, table=… or compare=[A,B]")
    if config.output is not None and Path(config.output).suffix not in WRITERS:
        raise ConfigError(f"output={config.output}: must end with {', '.join(WRITERS)}")
    if asked == "runs":
        return [list_runs(read_runs(Path(config.runs)))]
    if not isinstance(config.resamples, int) or config.resamples < 1:
        raise ConfigError(f"resamples={config.resamples} must be a whole number of at least 1")
    if asked == "table":
        return list_systems(Path(config.table), config.resamples, config.seed)
    if not isinstance(config.compare, ListConfig) or len(config.compare) != 2:
        raise ConfigError(f"compare={config.compare}: give the folders of two runs, compare=[A,B]")
    return compare_runs([Path(str(folder)) for folder in config.compare], config.resamples, config.seed)


@hydra.main(version_base="1.3", config_path="../conf", config_name="report")
@reported
def _main(config: DictConfig) -> None:
    tables = report(config)
    if config.output is not None:
        write(tables, Path(config.output))
    show(tables, Console())


def main() -> None:
    """The command."""
    run(_main)


if __name__ == "__main__":
    main()
