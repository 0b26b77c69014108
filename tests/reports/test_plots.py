"""Plots: what is drawn follows from what differs, and the same runs make the same files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mkgc.reports import plots, training_curves
from mkgc.reports.drawing import COLOURS, save, styled
from mkgc.reports.found import read_runs
from mkgc.reports.groups import Comparable, compared
from tests.reports.test_groups import run_of


def curves(folder: Path, epochs: int = 4, timed: bool = True) -> Path:
    (folder / "curves").mkdir()
    rows = ["dev/f1,epoch,step,train/loss,train/seconds"]
    for epoch in range(epochs):
        rows += [
            f",{epoch},{2 * epoch},{1 / (epoch + 1)},",
            f"{epoch / 10},{epoch},{2 * epoch + 1},,{epoch + 1 if timed else ''}",
        ]
    rows += [f"0.9,{epochs},{2 * epochs},,"] if timed else []  # of the best checkpoint, when training has ended
    (folder / "curves" / "metrics.csv").write_text("\n".join(rows) + "\n")
    return folder


def comparable(folder: Path) -> Comparable:
    (shown,) = compared(read_runs([folder]))
    return shown


def drawn(folder: Path) -> dict[str, Any]:
    """The figures of a folder by what they show."""
    with styled():
        return dict(plots._figures(comparable(folder)))


def test_a_setting_that_is_a_number_is_the_axis_of_a_curve_with_a_band(tmp_path: Path) -> None:
    values = {1: (0.2, 0.4), 5: (0.5, 0.5), 20: (0.6, 0.9)}
    for shots, found in values.items():
        for seed, f1 in enumerate(found):
            run_of(tmp_path / f"{shots}_{seed}", {"data": {"shots": shots, "subset_seed": seed}}, f1)
    (axes,) = drawn(tmp_path)["data.shots"].axes
    (line,), (band, dots) = axes.get_lines(), axes.collections
    assert [*line.get_xdata()] == [1, 5, 20]
    assert [*line.get_ydata()] == pytest.approx([np.mean(v) for v in values.values()])
    edges = band.get_paths()[0].vertices
    for x, found in values.items():
        low, high = np.mean(found) - np.std(found, ddof=1), np.mean(found) + np.std(found, ddof=1)
        at = edges[edges[:, 0] == x][:, 1]
        assert (at.min(), at.max()) == pytest.approx((low, high))
    assert len(dots.get_offsets()) == 6
    assert (axes.get_xscale(), axes.get_xlabel(), axes.get_ylabel()) == ("log", "data.shots", "test f1")
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "5", "20"]


def test_systems_are_curves_of_their_own_and_all_of_train_a_level_line(tmp_path: Path) -> None:
    for system in ("A", "$B$"):
        for shots in (1, 2, None):
            run_of(tmp_path / f"{system[-1]}_{shots}", {"system": system, "data": {"shots": shots}}, 0.5)
    figure = drawn(tmp_path)["data.shots"]
    (axes,) = figure.axes
    assert axes.get_legend_handles_labels()[1] == ["$B$", "A", "$B$ data.shots=null", "A data.shots=null"]
    assert axes.get_xscale() == "linear"
    with styled():
        save(figure, tmp_path, "x")  # a dollar begins no formula


def test_a_system_without_the_setting_is_a_level_line_beside_the_curve(tmp_path: Path) -> None:
    for layers in (1, 2):
        run_of(tmp_path / str(layers), {"system": "fused", "backbone": {"text": {}, "fused": layers}}, layers / 4)
    run_of(tmp_path / "t", {"system": "text only"}, 0.2)
    (axes,) = drawn(tmp_path)["backbone.fused"].axes
    curve, level = axes.get_lines()
    assert ([*curve.get_ydata()], [*level.get_ydata()]) == ([0.25, 0.5], [0.2, 0.2])
    assert axes.get_legend_handles_labels()[1] == ["fused", "text only"]


def test_what_has_no_number_is_bars_with_whiskers(tmp_path: Path) -> None:
    for name, found in (("full", (0.8, 0.9)), ("text only", (0.5, 0.7))):
        for seed, f1 in enumerate(found):
            run_of(tmp_path / f"{name}{seed}", {"system": name, "seed": seed}, f1)
    (axes,) = drawn(tmp_path)["systems"].axes
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([0.85, 0.6])
    assert [text.get_text() for text in axes.get_yticklabels()] == ["full", "text only"]
    (whiskers,) = axes.containers[1].lines[2]
    ends = [segment[:, 0] for segment in whiskers.get_segments()]
    assert ends[0] == pytest.approx([0.85 - np.std([0.8, 0.9], ddof=1), 0.85 + np.std([0.8, 0.9], ddof=1)])


def test_trials_of_a_search_are_no_curve(tmp_path: Path) -> None:
    for i in range(50):
        settings = {"optim": {"lr": 0.1 / (i + 1)}, "backbone": {"text": {}, "width": 64 + i}}
        run_of(tmp_path / f"{i:02}", settings, 0.5 - i / 200)
    (axes,) = drawn(tmp_path)["systems"].axes
    assert len(axes.patches) == 40
    assert axes.get_yticklabels()[0].get_text() == "width=64, lr=0.1"


def test_training_curves_are_loss_by_step_and_dev_by_epoch_and_time(tmp_path: Path) -> None:
    for name in ("A", "B"):
        curves(run_of(tmp_path / name, {"system": name}))
    loss, epochs, seconds = drawn(tmp_path)["training"].axes
    assert loss.get_lines()[0].get_xydata()[:2].tolist() == [[0, 1], [2, 0.5]]
    assert epochs.get_lines()[1].get_xydata()[[0, -1]].ravel() == pytest.approx([1, 0, 4, 0.3])
    assert seconds.get_lines()[0].get_xydata()[-1].tolist() == [4, pytest.approx(0.3)]
    assert [axes.get_xlabel() for axes in (loss, epochs, seconds)] == ["step", "epoch", "seconds"]
    assert loss.get_legend_handles_labels()[1] == ["A", "B"]


def test_of_many_systems_the_best_are_shown_while_they_learn(tmp_path: Path) -> None:
    for i in range(12):
        curves(run_of(tmp_path / f"{i:02}", {"system": f"s{i}"}, i / 20))
    axes = drawn(tmp_path)["training"].axes[0]
    assert axes.get_legend_handles_labels()[1] == [f"s{i}" for i in range(4, 12)]
    assert len({line.get_color() for line in axes.get_lines()}) == len(COLOURS)


def test_a_single_run_has_its_training_curves_and_without_any_a_line_says_so(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    folder = run_of(tmp_path / "runs" / "0", {})
    code, out, _ = run("report", f"runs={tmp_path}/runs", "plots=p")
    assert (code, out.splitlines()[-1]) == (0, "nothing to plot: no two rows, and no curves of a run")
    assert not (tmp_path / "p").exists()
    curves(folder, timed=False)
    code, out, _ = run("report", f"runs={tmp_path}/runs", "plots=p")
    assert (code, out.splitlines()[-1]) == (0, "plots in p: mre_training.png, mre_training.svg")


def test_the_same_runs_make_the_same_files(tmp_path: Path) -> None:
    for fused in (1, 2):
        for seed in (0, 1):
            settings = {"backbone": {"fused": fused}, "seed": seed}
            curves(run_of(tmp_path / "r" / f"{fused}{seed}", settings, fused / 3 + seed / 10))
    runs = read_runs([tmp_path / "r"])
    made = [plots.draw(runs, tmp_path / name) for name in ("a", "b")]
    assert [path.name for path in made[0]] == [
        f"mre_{kind}.{form}" for kind in ("backbone.fused", "training") for form in ("png", "svg")
    ]
    assert [path.read_bytes() for path in made[0]] == [path.read_bytes() for path in made[1]]
    assert made[0][0].read_bytes().startswith(b"\x89PNG")


@pytest.mark.filterwarnings("error")
def test_names_that_a_font_lacks_or_that_are_endless_are_drawn(tmp_path: Path) -> None:
    for i, name in enumerate(("罗马", "x" * 500, "a\nb\x1b")):
        run_of(tmp_path / "r" / str(i), {"system": name})
    assert len(plots.draw(read_runs([tmp_path / "r"]), tmp_path / "p")) == 2


def test_figures_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    for i, value in enumerate(("NaN", "Infinity", "0.5", "0.6")):
        (run_of(tmp_path / str(i), {"system": f"s{i}"}) / "metrics.json").write_text(
            f'{{"test": {{"f1": {value}}}, "metric": "f1", "data": "d"}}'
        )
    (axes,) = drawn(tmp_path)["systems"].axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["s2", "s3"]


def test_rows_of_a_curve_that_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "0", {})
    (folder / "curves").mkdir()
    (folder / "curves" / "metrics.csv").write_text("dev/f1,epoch,step\n0.5,0,1\nhigh,1,2\nnan,2,3\n0.7,3,4,5,6\n")
    (one,) = read_runs([tmp_path])
    assert training_curves.read_curves(one).dev == [(1, 0.5), (4, 0.7)]
