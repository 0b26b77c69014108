"""Questions from many threads: answered together, each with its own answer; too many are told so."""

from collections.abc import Sequence
from threading import Event

import pytest

from mkgc.searching.batching import Batcher
from mkgc.searching.query import QueryError


def test_what_comes_meanwhile_is_answered_together_and_too_many_are_told() -> None:
    begun, go_on, batches = Event(), Event(), []

    def answer(asked: Sequence[int]) -> list[int]:
        batches.append(list(asked))
        begun.set()
        assert go_on.wait(10)
        return [one * one for one in asked]

    batcher = Batcher(answer, most=3, waiting=4)
    first = batcher.submit(1)
    assert begun.wait(10)
    others = [batcher.submit(number) for number in (2, 3, 4, 5)]
    with pytest.raises(QueryError, match="too many questions") as refused:
        batcher.submit(6)
    assert refused.value.code == "busy"
    go_on.set()
    assert [one.result(10) for one in (first, *others)] == [1, 4, 9, 16, 25]
    assert batches == [[1], [2, 3, 4], [5]]
    batcher.close()


def test_who_has_gone_is_not_answered_and_an_error_reaches_those_who_wait() -> None:
    begun, go_on = Event(), Event()

    def answer(asked: Sequence[int]) -> list[float]:
        begun.set()
        assert go_on.wait(10)
        return [1 / one for one in asked]

    batcher = Batcher(answer, most=1, waiting=9)
    first = batcher.submit(1)
    assert begun.wait(10)
    gone, wrong, last = batcher.submit(0), batcher.submit(0), batcher.submit(2)
    assert gone.cancel()
    go_on.set()
    with pytest.raises(ZeroDivisionError):
        wrong.result(10)
    assert (first.result(10), last.result(10)) == (1.0, 0.5)
    batcher.close()
