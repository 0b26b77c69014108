"""Processes that train together end together."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from subprocess import Popen
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from mkgc.app import signals
from mkgc.app.signals import Ended, children, end_others, is_first
from mkgc.terminal import say

SHORTLY = 3.0
"""Seconds in which a process learns what has become of another."""

LATE = 30.0
"""Seconds after which a process that still waits for a dead one is ended by force."""


class EndTogether(Callback):
    """Ends all processes where one of them has failed or was told to end.

    The first process has started the others. Where it fails it ends them; where one of them has failed, all that it
    sees is a broken connection, and it ends as that one did. The others wait shortly before they speak of an error,
    which may be the first one's end.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        started = [child for child in getattr(trainer.strategy.launcher, "procs", ()) if child not in children]
        if started:
            children[:] = started
            _retire_observer(started)
            threading.Thread(target=_watch, args=(started,), daemon=True).start()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        signals.claim()  # Lightning's own handler waits for the other processes, which may not answer

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        signals.claim()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        signals.claim()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if isinstance(exception, Ended) or trainer.world_size == 1:
            end_others()
            return
        if not is_first():
            time.sleep(SHORTLY)
            return
        code = _failed(children)
        end_others()
        if code is not None:
            raise Ended(_line(code), code) from exception


def _failed(others: Sequence[Popen[bytes]]) -> int | None:
    """The exit code of one that has not ended well, if there is one shortly."""
    until = time.monotonic() + SHORTLY
    while True:
        codes = [code for child in others if (code := child.poll())]
        if codes or time.monotonic() > until:
            return (codes[0] if codes[0] > 0 else 128 - codes[0]) if codes else None
        time.sleep(0.05)


def _line(code: int) -> str:
    """The message about another process' end: nothing, where it has spoken itself."""
    return "" if code in (1, 2) else f"one of the processes ended with exit code {code}, and so do all of them"


def _watch(others: Sequence[Popen[bytes]]) -> None:
    """Ends this process by force where it does not notice that another has gone."""
    while not any(codes := [child.poll() for child in others]):
        if all(code == 0 for code in codes):
            return
        time.sleep(0.5)
    time.sleep(LATE)
    code = _failed(others) or 1
    say(f"mkgc: {_line(code) or 'one of the processes has failed'}", error=True)
    for child in others:
        child.kill()
    os._exit(code)


def _retire_observer(others: Sequence[Popen[bytes]]) -> None:
    """Leaves Lightning's observer nothing to watch: it would kill this process before that has put things in order."""
    for thread in threading.enumerate():
        watched: Any = getattr(thread, "_child_processes", None)
        if watched is not None and list(watched) == list(others):
            thread._child_processes = []  # type: ignore[attr-defined]
