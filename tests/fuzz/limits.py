"""A time limit an input, and how the inputs of one kind are tried: what failed is told all at once."""

import signal
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from mkgc.errors import MkgcError

Input = TypeVar("Input")

SECONDS = 60.0
"""Most wait for nothing; the machine may be shared."""


class TooLongError(BaseException):
    """No exception, which what is tried might catch."""


@contextmanager
def limited(seconds: float = SECONDS) -> Iterator[None]:
    """Ends what runs too long."""

    def stop(_: int, __: FrameType | None) -> None:
        raise TooLongError(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def failures(inputs: Iterable[Input], attempt: Callable[[Input], object]) -> list[str]:
    """The inputs of which something else comes than a result or one line, each with the end of its traceback."""
    found = []
    for given in inputs:
        try:
            with limited():
                attempt(given)
        except MkgcError as error:
            if "\n" in str(error) or len(str(error)) > 4000:
                found.append(f"{given!r:.300}: more than a line: {str(error)[:300]!r}")
        except (Exception, TooLongError) as error:
            found.append(f"{given!r:.300}: {''.join(traceback.format_exception(error)[-2:])}")
    print(*found, sep="\n")  # whole, where pytest would shorten it
    return found
