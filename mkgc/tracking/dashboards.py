"""A dashboard of Weights & Biases for the runs of a task, as code: made without a network, saved with one.

What it shows is what :class:`mkgc.training.loggers.WandbRun` logs.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mkgc.errors import ConfigError, DataError, one_line
from mkgc.reports.saved import Run, read_run
from mkgc.training.run import run_folder

if TYPE_CHECKING:
    import wandb_workspaces.reports.v2.interface as wr
    import wandb_workspaces.workspaces as ws

PROJECT = "mkgc"
"""The project of Weights & Biases, if nothing else is said (`conf/logger/wandb.yaml`)."""

STEP = "trainer/global_step"

CONFUSION = "wandb/confusion_matrix/v1"
"""The chart of Weights & Biases that `wandb.plot.confusion_matrix` logs the table of."""


@dataclass(frozen=True)
class Subject:
    """What a dashboard is of: a task, how its runs are judged, and, if only some are meant, these.

    ``figures`` are names of dev's; of none, panels find them themselves.
    """

    task: str
    metric: str
    mode: Literal["max", "min"] = "max"
    figures: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    project: str = PROJECT


def subject(asked: Sequence[str]) -> Subject:
    """What the words of ``dashboard=`` mean: one task, or the folders of runs of one.

    Raises:
        MkgcError: They are neither, or the runs do not belong together.
    """
    places = [run_folder(word) for word in asked]
    if not any(place.exists() for place in places):
        if len(asked) > 1:
            raise DataError("is not there: a dashboard is of one task, or of runs by their folders", places[0])
        return _of_task(asked[0])
    runs = [read_run(place, place.parent) for place in places]
    for run in runs:
        if run.problem is not None or not run.figures:
            raise DataError(run.problem or "has no figures: the run has not ended", run.folder)
    return _of_runs(runs)


def _of_task(name: str) -> Subject:
    from hydra import compose
    from hydra.errors import HydraException
    from hydra.utils import get_class

    try:
        config = compose("train", [f"task={name}"])
    except HydraException as error:
        why = one_line(" ".join(str(error).split()))  # Hydra's words stand on several lines
        raise ConfigError(f"dashboard={name}: neither a task nor the folder of a run: {why}") from error
    task: Any = get_class(config.task.model._target_)
    return Subject(name, task.monitor.removeprefix("dev/"), task.mode)


def _of_runs(runs: Sequence[Run]) -> Subject:
    first = runs[0].figures
    for run in runs:
        if (run.figures["task"], run.figures["metric"]) != (first["task"], first["metric"]):
            raise DataError(
                f"is a run of {run.figures['task']}, and {runs[0].folder} one of {first['task']}", run.folder
            )
    names = [name for name in first["dev"] if "/" not in name and name not in ("count", "support")]
    return Subject(
        first["task"],
        first["metric"],
        first.get("mode", "max"),
        tuple(sorted(names, key=lambda name: name != first["metric"])),
        tuple(str(run.figures["run"]) for run in runs),
        str(runs[0].setting("logger.project") or PROJECT),
    )


def build(of: Subject, entity: str = "") -> ws.Workspace:
    """The workspace; ``entity`` is whose project it is.

    Raises:
        ConfigError: The package that makes workspaces is not installed.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # it is written for an earlier pydantic
            import wandb_workspaces.workspaces as ws
            from wandb_workspaces import expr
    except ImportError as error:
        raise ConfigError("dashboard= is built with wandb-workspaces: pip install mkgc[dashboards]") from error
    best = f"test/{of.metric}"
    chosen = [expr.Config("task.name") == of.task]
    if of.runs:
        chosen.append(expr.Metric("ID").isin(list(of.runs)))
    settings = ws.RunsetSettings(
        filters=expr.And(*chosen),
        order=[expr.Ordering(expr.Summary(best), ascending=of.mode == "min")],
        pinned_columns=[f"summary:{best}", f"summary:dev/{of.metric}.{of.mode}", "config:seed", "run:group"],
    )
    return ws.Workspace(
        entity=entity,
        project=of.project,
        name=f"mkgc {of.task.replace('_', ' ')}",
        sections=_sections(of),
        settings=ws.WorkspaceSettings(x_axis=STEP, smoothing_type="none"),
        runset_settings=settings,
    )


def _sections(of: Subject) -> list[ws.Section]:
    import wandb_workspaces.reports.v2.interface as wr
    import wandb_workspaces.workspaces as ws

    best = f"test/{of.metric}"
    layout = ws.SectionLayoutSettings(columns=3, rows=2)
    contents: dict[str, list[Any]] = {
        "Result": [
            wr.BarPlot(title=f"Test {of.metric}", metrics=[best]),
            wr.LinePlot(title=f"Dev {of.metric}", x=STEP, y=[f"dev/{of.metric}"]),
            wr.BarPlot(title=f"Test {of.metric} of each sweep", metrics=[best], groupby="Group",
                       groupby_aggfunc="mean", groupby_rangefunc="stddev"),
        ],
        "Training": [
            wr.LinePlot(title="Loss", x=STEP, y=["train/loss"]),
            wr.LinePlot(title="Learning rates", x=STEP, metric_regex="^lr(/.*)?$"),
            wr.LinePlot(title="Examples a second", x=STEP, y=["train/examples_per_second"]),
        ],
        "Dev": _dev_panels(of),
        "Test predictions": [
            wr.WeavePanelSummaryTable(table_name="test/predictions"),
            wr.CustomChart(
                query={"summaryTable": {"tableKey": "test/confusion_table"}},
                chart_name=CONFUSION,
                chart_fields={name: name for name in ("Actual", "Predicted", "nPredictions")},
                chart_strings={"title": "Test confusion"},
            ),
            wr.MediaBrowser(title="Explanations", media_keys=["test/explanations"]),
        ],
        "Settings": [wr.RunComparer(diff_only="split"), _coordinates(best)],
    }  # fmt: skip
    return [
        ws.Section(name=name, panels=panels, is_open=True, layout_settings=layout) for name, panels in contents.items()
    ]


def _dev_panels(of: Subject) -> list[Any]:
    import wandb_workspaces.reports.v2.interface as wr

    if not of.figures:
        return [wr.LinePlot(title="Dev", x=STEP, metric_regex="^dev/[^/]*$")]
    return [wr.LinePlot(title=f"Dev {name}", x=STEP, y=[f"dev/{name}"]) for name in of.figures]


def _coordinates(best: str) -> wr.ParallelCoordinatesPlot:
    """How what is varied most goes with the result."""
    import wandb_workspaces.reports.v2.interface as wr

    axes = [wr.ParallelCoordinatesPlotColumn(wr.Config(key)) for key in ("optim.lr", "data.batch_size", "seed")]
    return wr.ParallelCoordinatesPlot(columns=[*axes, wr.ParallelCoordinatesPlotColumn(wr.SummaryMetric(best))])


def as_json(workspace: ws.Workspace) -> str:
    """The specification that would be sent, as JSON."""
    view = workspace._to_model()
    spec = json.loads(view.spec.model_dump_json(by_alias=True, exclude_none=True))
    named = {"entity": view.entity, "project": view.project, "displayName": view.display_name, "spec": spec}
    return json.dumps(named, indent=2, ensure_ascii=False) + "\n"


def save(of: Subject) -> str:
    """Creates the dashboard in the project of whoever is logged in, and returns its address.

    Raises:
        ConfigError: Nobody is logged in, or the service refuses.
    """
    import wandb

    remedy = "output=FILE.json writes it without the service"
    try:
        if not wandb.login(prompt=False):
            raise ConfigError(f"dashboard=: nobody is logged in to Weights & Biases: run `wandb login`, or {remedy}")
        entity = str(wandb.Api().default_entity or "")
        workspace: Any = build(of, entity)
        return str(workspace.save().url)
    except ConfigError:
        raise
    except Exception as error:  # the client's, of GraphQL, of the network
        raise ConfigError(f"dashboard=: Weights & Biases: {one_line(str(error), 300)}; {remedy}") from error


def write(of: Subject, output: Path) -> None:
    """Writes the dashboard into a file."""
    from mkgc.app.files import write_whole

    write_whole(output, as_json(build(of)))
