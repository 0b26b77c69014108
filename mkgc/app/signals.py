"""Signals end a command in order: half-written files go, what was saved stays, the exit code says what it was."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import Popen, TimeoutExpired
from types import FrameType

WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


OBEDIENCE = 15.0
"""Seconds in which a process has to end that was told to."""

children: list[Popen[bytes]] = []
"""The processes that this one has started to train with it."""


class Ended(BaseException):
    """The command is to end now, with a line and an exit code: neither a user's mistake nor a bug."""

    def __init__(self, line: str, code: int) -> None:
        super().__init__(line)
        self.line, self.code = line, code


@contextmanager
def in_order() -> Iterator[None]:
    """Lets the first signal raise :class:`Ended` meanwhile; a second one ends the process at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in WORDS}
    claim()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def unmasked() -> Iterator[None]:
    """Lets :class:`Ended` through where a library, ended amid its work, raises an error of its own on top of it.

    `torch.save` does: it finishes its archive in any case, and complains of what is missing there.
    """
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, Ended):
            cause = cause.__context__
        if cause is None:
            raise
        raise cause from None


def claim() -> None:
    """Takes the signals over from whoever has them; those that are ignored (as by nohup) stay so."""
    owner = os.getpid()

    def end(number: int, _: FrameType | None) -> None:
        for each in WORDS:
            signal.signal(each, signal.SIG_DFL)
        if os.getpid() != owner:  # a worker that was forked has nothing to put in order, nor to complain of
            os._exit(0)
        raise Ended(WORDS[signal.Signals(number)], 128 + number)

    if threading.current_thread() is threading.main_thread():
        for number in WORDS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, end)


def is_first() -> bool:
    """Whether this process speaks for all that train together."""
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))) == 0


def end_others() -> None:
    """Ends the processes that this one has started; by force, where they do not obey in time."""
    for child in children:
        if child.poll() is None:
            child.terminate()
    until = time.monotonic() + OBEDIENCE
    for child in children:
        try:
            child.wait(max(until - time.monotonic(), 0))
        except TimeoutExpired:
            child.kill()
            child.wait()
