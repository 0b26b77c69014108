"""`python -m mkgc.report runs=DIR`, `table=DIR` or `compare=[A,B]`: what runs reached, and whether two differ."""

from __future__ import annotations

from pathlib import Path

import hydra
from omegaconf import DictConfig
from rich.console import Console

from mkgc.app.command import exit_on_user_error, require_one, run
from mkgc.app.config import check_keys
from mkgc.app.files import check_output, only_contents
from mkgc.app.keys import REPORT
from mkgc.app.packages import CONF
from mkgc.errors import ConfigError
from mkgc.reports.comparison import compare_runs
from mkgc.reports.console import show
from mkgc.reports.runs import list_runs, read_runs, run_files
from mkgc.reports.systems import list_systems
from mkgc.reports.table import Table
from mkgc.reports.writers import check_form, write
from mkgc.training.run import run_folder


def report(config: DictConfig) -> list[Table]:
    """The tables that were asked for.

    Raises:
        MkgcError: The keys do not say what is wanted, or the runs are not there or not comparable.
    """
    check_keys(config, REPORT)
    asked = require_one(config, "runs", "table", "compare")
    if asked is None:
        raise ConfigError("give runs=…, table=… or compare=[A,B]")
    if asked == "compare" and len(config.compare) != 2:
        raise ConfigError(f"compare={config.compare}: give the folders of two runs, compare=[A,B]")
    folders = [*map(run_folder, config.compare)] if asked == "compare" else [config[asked]]
    if config.output is not None:
        check_output(config.output, *(file for folder in folders for file in run_files(Path(folder))))
        check_form(Path(config.output))
    if asked == "runs":
        return [list_runs(read_runs(Path(config.runs)))]
    if asked == "table":
        return list_systems(Path(config.table), config.resamples, config.seed)
    return compare_runs([Path(folder) for folder in folders], config.resamples, config.seed)


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="report")
@exit_on_user_error
def _main(config: DictConfig) -> None:
    tables = report(config)
    if config.output is not None:
        write(tables, Path(config.output))
    with only_contents(config.output):
        show(tables, Console())


def main() -> None:
    """The command."""
    run(_main, "report")


if __name__ == "__main__":
    main()
