"""A tracker that cannot stop a run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol, runtime_checkable

from pytorch_lightning.loggers import Logger

from mkgc.errors import one_line
from mkgc.terminal import say
from mkgc.tracking.facts import Facts
from mkgc.tracking.results import Results
from mkgc.training.run import Run


@runtime_checkable
class Begins(Protocol):
    """A logger that knows of runs that go on, and that a run's end is its own."""

    label: str

    def begin(self, run: Run) -> None:
        """Called before anything is logged, in the process that writes."""

    def end(self, failed: bool) -> None:
        """Called when the run has ended, whether it was tested or failed."""


@runtime_checkable
class Shows(Protocol):
    """A logger that shows more of a run than curves."""

    def describe(self, facts: Facts) -> None:
        """Called before training."""

    def show(self, results: Results) -> None:
        """Called once the run has been tested."""


class Guarded(Logger):
    """A logger of which the first failure is said in a line; from there on the run goes on without it.

    It is told what it has methods for: any logger of Lightning's can be guarded.
    """

    def __init__(self, logger: Logger) -> None:
        super().__init__()
        self._logger: Logger | None = logger

    def _try(self, call: Callable[[Any], Any], kind: type[object] = Logger) -> Any:
        if not isinstance(self._logger, kind):  # or it has failed before
            return None
        try:
            return call(self._logger)
        except Exception as error:  # of whatever kind: it is the tracker's
            self._drop(error)

    def _drop(self, error: Exception) -> None:
        logger, self._logger = self._logger, None
        name = logger.label if isinstance(logger, Begins) else type(logger).__name__
        why = one_line(f"{type(error).__name__}: {error}".removesuffix(": "), 300)
        say(f"{name} has failed, and the run goes on without it: {why}", error=True)
        if isinstance(logger, Begins):
            with suppress(Exception):
                logger.end(failed=True)

    @property
    def name(self) -> str | None:
        found: str | None = self._try(lambda logger: logger.name)
        return found

    @property
    def version(self) -> int | str | None:
        found: int | str | None = self._try(lambda logger: logger.version)
        return found

    @property
    def save_dir(self) -> str | None:
        found: str | None = self._try(lambda logger: logger.save_dir)
        return found

    def begin(self, run: Run) -> None:
        """The run's logs begin, or go on."""
        self._try(lambda logger: logger.begin(run), Begins)

    def describe(self, facts: Facts) -> None:
        """Shows what is known of the run before it is trained."""
        self._try(lambda logger: logger.describe(facts), Shows)

    def show(self, gather: Callable[[], Results]) -> None:
        """Shows the results of a tested run, which are only gathered where they are shown."""
        self._try(lambda logger: logger.show(gather()), Shows)

    def end(self, failed: bool) -> None:
        """The run's logs end."""
        self._try(lambda logger: logger.end(failed), Begins)

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self._try(lambda logger: logger.log_metrics(metrics, step))

    def log_hyperparams(self, params: Any, *arguments: Any, **options: Any) -> None:
        self._try(lambda logger: logger.log_hyperparams(params, *arguments, **options))

    def log_graph(self, *arguments: Any, **options: Any) -> None:
        self._try(lambda logger: logger.log_graph(*arguments, **options))

    def save(self) -> None:
        self._try(lambda logger: logger.save())

    def finalize(self, status: str) -> None:
        self._try(lambda logger: logger.finalize(status))

    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        self._try(lambda logger: logger.after_save_checkpoint(checkpoint_callback))
