"""Training runs by their overrides, composed in this process and kept: a run that is there is not run again."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_module
from omegaconf import DictConfig

from mkgc.errors import MkgcError
from mkgc.tools.archive import unpack

UNTIL_STEP = """
import os, runpy, sys, time
from torch.optim.optimizer import register_optimizer_step_post_hook

last, times = int(sys.argv[1]), []

def stepped(*_):
    times.append(time.process_time())
    if len(times) == last:
        print(*times, flush=True)
        os._exit(0)

register_optimizer_step_post_hook(stepped)
sys.argv = sys.argv[2:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
"""Ends a module when an optimiser has made so many steps: prints the processor time at each as its last line."""


def composed(*overrides: str, name: str = "train") -> DictConfig:
    """The configuration that ``python -m mkgc.train`` would have with these overrides."""
    with initialize_config_module("conf", version_base="1.3"):
        return compose(name, list(overrides))


def trained(folder: Path, *overrides: str) -> dict[str, Any]:
    """The figures of a run in ``folder``, which begins there, or goes on, if there are none."""
    from mkgc.train import train

    figures = folder / "metrics.json"
    if not figures.exists():
        print(f"$ python -m mkgc.train {' '.join(overrides)} hydra.run.dir={folder}", flush=True)
        train(composed(*overrides, "resume=auto"), folder)
    return json.loads(figures.read_text())


def chosen(asked: Sequence[str], known: Iterable[str]) -> list[str]:
    """The names that were asked for, or all that are known."""
    known = list(known)
    for name in asked:
        if name not in known:
            raise SystemExit(f"{name}: choose {', '.join(known)}")
    return list(asked) or known


def unpacked(archives: Path, name: str, folder: Path) -> Path:
    """The data set of an archive, in ``folder`` from now on."""
    if not (folder / name).exists():
        try:
            unpack(archives / f"{name}.tar.xz", folder / name)
        except MkgcError as error:
            raise SystemExit(str(error)) from None
    return folder / name / name


def checkouts(words: Sequence[str]) -> list[Path]:
    """The checkouts of this project that were named, or this one."""
    for word in words:
        if not (Path(word) / "mkgc" / "train.py").is_file():  # Python would find another mkgc
            raise SystemExit(f"{word}: no checkout of mkgc")
    return [Path(word).resolve() for word in words] or [Path(__file__).parent.parent.resolve()]


def printed(words: Sequence[str], tree: Path, folder: Path, code: int = 0, **environment: str) -> str:
    """What ``python …`` prints in a folder, with the code of a checkout, where it must end with an exit code."""
    settings = {"PYTHONPATH": str(tree), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    everything = os.environ | settings | environment
    done = subprocess.run([sys.executable, *words], cwd=folder, env=everything, capture_output=True, text=True)
    if done.returncode != code:
        raise SystemExit(f"python {' '.join(words)} in {tree}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def machine() -> str:
    """The machine that figures were made on, as results name it."""
    return f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def fill(page: Path, begin: str, end: str, text: str) -> None:
    """Replaces what stands between two markers of a page."""
    head, rest = page.read_text().split(begin)
    page.write_text(f"{head}{begin}\n{text}\n{end}{rest.split(end)[1]}")


def mean_and_spread(values: Sequence[float], digits: int) -> str:
    """The mean, with the standard deviation where there are several values."""
    mean = f"{statistics.mean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.{digits}f}"
