"""The study of a search as a JSON file. (Optuna 2 cannot make its databases with SQLAlchemy 2.)"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from mkgc.app.files import write_json
from mkgc.errors import DataError

NAME = "mkgc"
"""Name of the one study."""

ATTRIBUTE = "fixed_params"
"""What Optuna keeps about a trial that is still to be made with given values."""


class StudyFile(InMemoryStorage):
    """Optuna's storage in memory, which is written to ``path`` whenever a trial changes, and read from there.

    Raises:
        DataError: The file is there and holds no study.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = Path(path)
        self._earlier = _read(self.path) if self.path.is_file() else []

    def create_new_study(self, study_name: str | None = None) -> int:
        """As Optuna's, and in a folder that is there."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return super().create_new_study(study_name)

    def set_study_directions(self, study_id: int, directions: Sequence[StudyDirection]) -> None:
        """As Optuna's; now that it is known which trial is better, those in the file are trials of the study."""
        super().set_study_directions(study_id, directions)
        earlier, self._earlier = self._earlier, []
        for trial in earlier:
            super().create_new_trial(study_id, trial)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """As Optuna's."""
        made = super().create_new_trial(study_id, template_trial)
        self._write()
        return made

    def set_trial_state(self, trial_id: int, state: TrialState) -> bool:
        """As Optuna's."""
        changed = super().set_trial_state(trial_id, state)
        self._write()
        return changed

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: int | float, distribution: BaseDistribution
    ) -> None:
        """As Optuna's."""
        super().set_trial_param(trial_id, param_name, param_value_internal, distribution)
        self._write()

    def _write(self) -> None:
        trials = self.get_all_trials(self.get_study_id_from_name(NAME), deepcopy=False)
        write_json(self.path, {"trials": [_plain(one) for one in trials]})


def _plain(trial: FrozenTrial) -> dict[str, Any]:
    return {
        "state": trial.state.name,
        "value": trial.value,
        "params": trial.params,
        "distributions": {name: distribution_to_json(one) for name, one in trial.distributions.items()},
        ATTRIBUTE: trial.system_attrs.get(ATTRIBUTE),
    }


def _read(path: Path) -> list[FrozenTrial]:
    try:
        return [_trial(i, one) for i, one in enumerate(json.loads(path.read_text("utf-8"))["trials"])]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError("is no study of a search", path) from error


def _trial(number: int, found: Any) -> FrozenTrial:
    """A trial as it was written.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: It was not written by us.
    """
    if (value := found["value"]) is not None and not math.isfinite(value):
        raise ValueError(value)
    return FrozenTrial(
        number=number,
        trial_id=number,
        state=TrialState[found["state"]],
        value=value,
        datetime_start=None,
        datetime_complete=None,
        params=dict(found["params"]),
        distributions={name: json_to_distribution(one) for name, one in found["distributions"].items()},
        user_attrs={},
        system_attrs={ATTRIBUTE: found[ATTRIBUTE]} if found[ATTRIBUTE] else {},
        intermediate_values={},
    )
