"""`python -m mkgc.report runs=DIR`, `table=DIR`, `compare=[A,B]` or `errors=RUN`: what runs reached, and where not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig
from rich.console import Console

from mkgc.app.command import exit_on_user_error, require_one, run
from mkgc.app.config import check_keys
from mkgc.app.files import check_output, check_output_folder, only_contents, write_whole
from mkgc.app.keys import REPORT
from mkgc.app.packages import CONF
from mkgc.errors import ConfigError, DataError
from mkgc.reports.comparison import compare_runs
from mkgc.reports.console import show
from mkgc.reports.errors import report_errors
from mkgc.reports.evidence import Statistics
from mkgc.reports.found import read_runs, run_files
from mkgc.reports.planned import unbegun
from mkgc.reports.runs import list_runs
from mkgc.reports.table import Table
from mkgc.reports.writers import check_form, write
from mkgc.terminal import say
from mkgc.training.run import ERRORS, run_folder


def report(config: DictConfig) -> list[Table]:
    """The tables that were asked for.

    Raises:
        MkgcError: The keys do not say what is wanted, or the runs are not there or not comparable.
    """
    check_keys(config, REPORT)
    asked = require_one(config, "runs", "table", "compare", "errors")
    if asked is None:
        raise ConfigError("give runs=…, table=…, compare=[A,B], errors=RUN or dashboard=TASK")
    if config.root is not None and asked != "errors":
        raise ConfigError(f"root={config.root} says where the data of errors=RUN lie: leave it out")
    for key in ("plots", "baseline"):
        if config[key] is not None and asked in ("compare", "errors"):
            raise ConfigError(f"{key}= is for runs= and table=, not for {asked}=: leave it out")
    if asked == "errors":
        return _errors(config)
    folders = [run_folder(place) if asked == "compare" else Path(place) for place in _listed(config[asked])]
    _check(config, asked, folders)
    if asked == "compare":
        return compare_runs(folders, config.resamples, config.seed)
    baseline = None if config.baseline is None else run_folder(config.baseline)
    runs = read_runs(folders)
    how = Statistics(asked == "table", config.resamples, config.seed, baseline)
    return list_runs(runs, how, unbegun(folders, runs))


def plot(config: DictConfig) -> str:
    """Draws the plots that were asked for, and says so.

    Raises:
        MkgcError: As :func:`report` does.
    """
    from mkgc.reports.plots import draw

    asked = config.table if config.runs is None else config.runs
    files = draw(read_runs([Path(place) for place in _listed(asked)]), Path(config.plots))
    made = ", ".join(path.name for path in files)
    return f"plots in {config.plots}: {made}" if files else "nothing to plot: no two rows, and no curves of a run"


def _listed(given: Any) -> list[str]:
    return [given] if isinstance(given, str) else [*given]


def _check(config: DictConfig, asked: str, folders: list[Path]) -> None:
    """Checks what the command is to write, and how many runs it is to compare, before anything is read."""
    if not folders or (asked == "compare" and len(folders) != 2):
        many = "the folders of two runs, compare=[A,B]" if asked == "compare" else f"a folder, {asked}=DIR"
        raise ConfigError(f"{asked}={config[asked]}: give {many}")
    if config.output is not None:
        check_output(config.output, *(file for folder in folders for file in run_files(folder)))
        check_form(Path(config.output))
        if asked == "compare" and Path(config.output).suffix == ".csv":
            raise ConfigError("tables of different columns do not fit a .csv: choose output=FILE.md or FILE.json")
    if config.plots is not None:
        check_output_folder(config.plots, "plots")


def _errors(config: DictConfig) -> list[Table]:
    """Writes the page of a run's errors; its tables."""
    folder = run_folder(config.errors)
    if not folder.is_dir():
        raise DataError("there is no such folder: give that of a run", folder)
    output = config.output or str(folder / ERRORS)
    if Path(output).suffix != ".html":
        raise ConfigError(f"output={output}: a page of errors must end with .html")
    check_output(output, *run_files(folder))
    found = report_errors(folder, config.root)
    write_whole(Path(output), found.page)
    for note in found.notes:
        say(note, error=True)
    say(f"the {len(found.cases)} worst examples: {output}", error=True)
    return [*found.tables]


def dashboard(config: DictConfig) -> str:
    """Makes the dashboard that was asked for, in a file or with the service, and says where it is.

    Raises:
        MkgcError: There is no such task or run, or nobody is logged in.
    """
    from mkgc.tracking import dashboards

    check_keys(config, REPORT)
    require_one(config, "runs", "table", "compare", "errors", "dashboard")
    if config.output is not None and Path(config.output).suffix != ".json":
        raise ConfigError(f"output={config.output}: a dashboard is written as .json")
    asked = dashboards.subject([config.dashboard] if isinstance(config.dashboard, str) else [*config.dashboard])
    if config.output is None:
        return dashboards.save(asked)
    check_output(config.output)
    dashboards.write(asked, Path(config.output))
    return f"the dashboard of {asked.task}: {config.output}"


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="report")
@exit_on_user_error
def _main(config: DictConfig) -> None:
    if config.dashboard is not None:
        say(dashboard(config))
        return
    tables = report(config)
    if config.output is not None and config.errors is None:
        write(tables, Path(config.output))
    with only_contents(config.output):
        show(tables, Console())
        if config.plots is not None:
            say(plot(config))


def main() -> None:
    """The command."""
    run(_main, "report")


if __name__ == "__main__":
    main()
