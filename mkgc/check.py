"""`python -m mkgc.check task=NAME data.root=DIR`: reads a data set as training would, and reports what it found.

The exit code is 0 where training may go on, 1 where it may not, and 2 where the data cannot be read at all.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from omegaconf import DictConfig, OmegaConf

from mkgc.app.command import exit_on_user_error, run
from mkgc.app.files import check_output_folder, json_text, write_whole
from mkgc.app.packages import CONF
from mkgc.terminal import say

if TYPE_CHECKING:
    from mkgc.inspect.report import Report

UNFIT = 1


def check_data(config: DictConfig) -> Report:
    """The report of the task's data, read with its own reader.

    Broken images are masked while reading, so that all are found; the findings follow the user's own policy.

    Raises:
        MkgcError: The settings or the data cannot be read.
    """
    from hydra.utils import instantiate

    from mkgc.app.config import check
    from mkgc.app.keys import CHECK
    from mkgc.data.dataset import read_dataset
    from mkgc.encoders.text import check_length
    from mkgc.encoders.vision import check_sizes
    from mkgc.inspect.overview import inspect_dataset

    check(config, CHECK)
    check_output_folder(config.output)
    check_length(config.backbone, config.data.max_length)
    check_sizes(config.backbone, config.data.get("images", {}))
    settings = instantiate(config.data)
    lenient = OmegaConf.merge(config, {"data": {"bad_images": "mask", "min_image_coverage": 0.0}})
    assert isinstance(lenient, DictConfig)
    return inspect_dataset(read_dataset(lenient), settings, config.task.name)


def write(report: Report, folder: Path) -> None:
    """Writes ``report.html`` and ``report.json``."""
    from mkgc.inspect.render import page

    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "report.html", page(report))
    write_whole(folder / "report.json", json_text(report.as_dict(), indent=1, ensure_ascii=False) + "\n")


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="check")
@exit_on_user_error
def _main(config: DictConfig) -> None:
    from rich.console import Console

    from mkgc.inspect.render import show

    report, folder = check_data(config), Path(config.output)
    write(report, folder)
    show(report, Console())
    say(f"written to {folder}/report.html and {folder}/report.json")
    if report.fatal:
        sys.exit(UNFIT)


def main() -> None:
    """The command."""
    run(_main, "check")


if __name__ == "__main__":
    main()
