"""Questions from many at once, answered together: one thread asks the model, with all that has come meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, Full, Queue
from threading import Thread
from typing import Generic, TypeVar

from mkgc.searching.query import QueryError

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class Batcher(Generic[Asked, Answer]):
    """Hands what is asked to ``answer``, up to ``most`` at once; at most ``waiting`` may wait."""

    def __init__(self, answer: Callable[[Sequence[Asked]], Sequence[Answer]], most: int, waiting: int) -> None:
        self._answer, self._most = answer, most
        self._queue: Queue[tuple[Asked, Future[Answer]] | None] = Queue(waiting)
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def submit(self, asked: Asked) -> Future[Answer]:
        """The answer to come.

        Raises:
            QueryError: Too many wait already.
        """
        future: Future[Answer] = Future()
        try:
            self._queue.put_nowait((asked, future))
        except Full:
            raise QueryError("busy", "too many questions at once: ask again in a moment") from None
        return future

    def close(self) -> None:
        """Answers what waits, and ends."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        going_on = True
        while going_on:
            taken = [self._queue.get()]
            while len(taken) < self._most and taken[-1] is not None:
                try:
                    taken.append(self._queue.get_nowait())
                except Empty:
                    break
            going_on = taken[-1] is not None
            self._settle([one for one in taken if one is not None and one[1].set_running_or_notify_cancel()])

    def _settle(self, taken: Sequence[tuple[Asked, Future[Answer]]]) -> None:
        if not taken:
            return
        try:
            answers = self._answer([asked for asked, _ in taken])
        except Exception as error:  # whatever it is, it is for those who wait
            for _, future in taken:
                future.set_exception(error)
            return
        for (_, future), answer in zip(taken, answers, strict=True):
            future.set_result(answer)
