"""What is to be done when a command ends, however it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_waiting: list[Callable[[], None]] = []


def at_end(act: Callable[[], None]) -> None:
    """Lets something be done when the command ends. (Hydra's own end of a sweep is not reached where a job failed.)"""
    _waiting.append(act)


@contextmanager
def ending() -> Iterator[None]:
    """Does what :func:`at_end` was told meanwhile, the last first."""
    try:
        yield
    finally:
        while _waiting:
            _waiting.pop()()
