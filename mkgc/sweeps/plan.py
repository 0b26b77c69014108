"""Which job of a sweep is which run in its folder: found by a digest of the settings, not by the job's number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from mkgc.app.overrides import settle
from mkgc.errors import MkgcError
from mkgc.sweeps.digest import config_digest
from mkgc.sweeps.folder import Found, State, find_runs, free_name, put_aside
from mkgc.sweeps.job import Job
from mkgc.terminal import say


class Plan:
    """The jobs of a sweep and their folders below the sweep's, over one batch of jobs or, of a search, several.

    A job has the folder where a run of its settings lies; else the one that ``hydra.sweep.subdir`` says, or the next
    that is free. So runs of other settings stay where they are. A damaged run is moved aside. Each is told in a line.
    """

    def __init__(self, config: DictConfig, loader: Any, searched: bool) -> None:
        self.config, self.loader, self.searched = config, loader, searched
        self.folder = Path(config.hydra.sweep.dir)
        self.names: dict[str, str] = {}
        """Names of folders by digest, of the jobs so far."""
        self.taken: set[str] = set()
        """Names of folders of the jobs so far."""

    def jobs(self, batch: Sequence[Sequence[str]], first: int, resumable: bool) -> list[Job]:
        """The jobs of a batch, of which the first has a number; what lies in the folder is looked at if resumable."""
        shared = set.intersection(*map(set, batch)) if len(batch) > 1 else set()
        fixed = _fixed(self.config)
        drafts = []
        for number, words in enumerate(batch, first):
            own = " ".join(word for word in words if word not in shared and word.partition("=")[0] not in fixed)
            name, digest = self._composed(number, words)
            drafts.append(Job(number, tuple(words), own, name, digest if resumable else None))
        found = find_runs(self.folder) if resumable else {}
        digests = {draft.digest for draft in drafts}
        return [self._placed(draft, found, digests) for draft in drafts]

    def _composed(self, number: int, words: Sequence[str]) -> tuple[str, str | None]:
        """What Hydra would call the job's folder, and the digest of its settings: none where it will be refused."""
        config = self.loader.load_sweep_config(self.config, list(words))
        with open_dict(config):
            config.hydra.job.num, config.hydra.job.id = number, number
        before = HydraConfig.instance().cfg
        HydraConfig.instance().set_config(config)
        try:
            name = str(config.hydra.sweep.subdir)
            settings = config.copy()
            with open_dict(settings):
                settings.pop("hydra")
            settle(settings, list(words))
            return name, config_digest(settings)
        except (MkgcError, HydraException, OmegaConfBaseException):  # the job itself will say so
            return str(number), None
        finally:
            HydraConfig.instance().cfg = before

    def _placed(self, job: Job, found: dict[str, Found], digests: set[str | None]) -> Job:
        """The job with its folder."""
        if job.digest is not None and job.digest in self.names:
            return self._named(job, self.names[job.digest])
        same = [one for one in found.values() if job.digest is not None and one.digest == job.digest]
        for run in sorted(same, key=lambda one: one.state.value):
            self._settle(run)
            figures = run.figures if run.state is State.FINISHED else None
            return self._named(job, run.folder.relative_to(self.folder).as_posix(), figures)
        there = found.get(job.name)
        if there is not None and there.digest is None:
            self._settle(there)
        elif there is not None and there.digest not in digests and not self.searched:
            say(f"{there.folder} holds a run of other settings, which stays there: the job has another folder")
        taken = {name for name, run in found.items() if run.digest is not None}
        return self._named(job, free_name(job.name, taken | self.taken))

    def _named(self, job: Job, name: str, figures: Any = None) -> Job:
        self.taken.add(name)
        if job.digest is not None:
            self.names[job.digest] = name
        return Job(job.number, job.words, job.own, name, job.digest, figures)

    def _settle(self, run: Found) -> None:
        """Says what is wrong with a run that is a job's, and moves it aside where it is of no use."""
        if run.state is State.DAMAGED:
            say(f"{run.problem}; it now lies in {put_aside(run.folder)}, and its job is run again")
        elif run.problem:
            say(f"{run.problem}: its job goes on from its last checkpoint")


def _fixed(config: DictConfig) -> set[str]:
    """The keys that were typed with one value."""
    typed: Any = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
    last = {one.get_key_element(): one for one in OverridesParser.create().parse_overrides(typed)}
    return {key for key, one in last.items() if not one.is_sweep_override()}
