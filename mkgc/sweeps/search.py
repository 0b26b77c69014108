"""Searches by Optuna (`experiment=search/…`): a study in the sweep's folder that goes on, and the best settings."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, open_dict

from mkgc.app.files import write_whole
from mkgc.errors import ConfigError
from mkgc.sweeps.folder import Found, State, find_runs
from mkgc.sweeps.job import objective, result
from mkgc.terminal import say

BEST = "best.yaml"

HEAD = """\
# The best of a search, by its figure on dev. To train it: python -m mkgc.train --config-dir DIR --config-name best
# (DIR is this folder; keys behind it change settings)
"""


def go_on(config: DictConfig) -> None:
    """Lets the study of a search go on: trials that have ended count, and those that were interrupted come first.

    Its sampler begins elsewhere each time, since with its first seed it would draw what it has drawn before.

    Raises:
        ConfigError: The study cannot be read.
    """
    study = _study(config)
    states = _states()
    for trial in study.get_trials(deepcopy=False):
        if trial.state == states.RUNNING:
            study.tell(trial.number, state=states.FAIL)
            study.enqueue_trial(trial.params)
    ended = len(study.get_trials(deepcopy=False, states=(states.COMPLETE,)))
    sweeper = config.hydra.sweeper
    with open_dict(config):
        sweeper.n_trials = max(0, config.search.trials - ended)
        if "seed" in sweeper.sampler and sweeper.sampler.seed is not None:
            sweeper.sampler.seed += len(study.trials)
    before = f" ({ended} ended before)" if ended else ""
    say(f"search: {config.search.trials} trials{before}; into {config.hydra.sweep.dir}")


def write_best(config: DictConfig) -> None:
    """Writes the settings of the best trial's run as ``best.yaml`` into the folder of its search, and says so.

    Raises:
        ConfigError: That run is gone.
    """
    best, folder = _study(config).best_trial, Path(config.hydra.sweep.dir)
    found = find_runs(folder).items()
    name, run = next(((name, one) for name, one in found if _is(one, best)), (None, None))
    values = {key: f"{value:.4g}" if isinstance(value, float) else value for key, value in best.params.items()}
    told = " ".join(f"{key}={value}" for key, value in values.items())
    if run is None:
        raise ConfigError(f"{folder}: the run of the best trial ({told}) is not there any more")
    text = (run.folder / "config.yaml").read_text("utf-8")
    settings = [line for line in text.splitlines(keepends=True) if not line.startswith("#")]
    write_whole(folder / BEST, HEAD + "".join(settings))
    dev = f"dev {run.figures['metric']} {best.value:.4f}"
    say(f"best of the search: job {name} ({told}): {dev}; {result(run.figures)}")
    say(f"its settings are in {folder / BEST}")


def _is(run: Found, trial: Any) -> bool:
    """Whether a run is a trial's, by what a search looks at."""
    return run.state is State.FINISHED and objective(run.figures) == trial.value


def _study(config: DictConfig) -> Any:
    """The study of a search, which is made where there is none.

    Raises:
        DataError: It cannot be read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # what Optuna 2 asks of SQLAlchemy
        import optuna

    from mkgc.sweeps.study import StudyFile

    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(logging.ERROR)
    logging.getLogger("hydra_plugins.hydra_optuna_sweeper").setLevel(logging.CRITICAL)  # each failure has its line
    sweeper = config.hydra.sweeper
    return optuna.create_study(
        study_name=sweeper.study_name,
        storage=StudyFile(sweeper.storage.path),
        direction=str(sweeper.direction),
        load_if_exists=True,
    )


def _states() -> Any:
    from optuna.trial import TrialState

    return TrialState
