from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lightning_fabric.utilities.data import _set_sampler_epoch
from torch.utils.data import DataLoader

from mkgc.errors import ConfigError
from mkgc.train import train
from mkgc.training.samplers import LengthBatches, epoch_of

LENGTHS = [3, 9, 4, 4, 12, 7, 5, 5, 8, 6, 3, 10, 11]


def test_evaluation_goes_in_order_and_leaves_nothing_out() -> None:
    batches = list(LengthBatches(LENGTHS, 4, seed=None))
    assert sum(batches, []) == list(range(13))
    assert len(LengthBatches(LENGTHS, 4, seed=None)) == len(batches) == 4


@pytest.mark.parametrize("world", [2, 3, 5])
def test_processes_share_an_evaluation_without_repeating_an_example(world: int) -> None:
    seen = [i for rank in range(world) for batch in LengthBatches(LENGTHS, 4, None, rank, world) for i in batch]
    assert sorted(seen) == list(range(13))


@pytest.mark.parametrize(("count", "size", "world"), [(12, 32, 2), (5, 4, 4), (3, 32, 3), (13, 4, 3)])
def test_every_process_has_something_to_evaluate_even_if_one_batch_would_hold_all(
    count: int, size: int, world: int
) -> None:
    shares = [LengthBatches(LENGTHS[:count], size, None, rank, world) for rank in range(world)]
    assert all(list(share) and not share.spare for share in shares)
    assert [len(list(share)) for share in shares] == [len(share) for share in shares]
    assert sorted(i for share in shares for batch in share for i in batch) == list(range(count))


def test_a_process_without_any_example_keeps_step_but_is_not_to_score() -> None:
    shares = [LengthBatches(LENGTHS[:1], 32, None, rank, world=3) for rank in range(3)]
    assert [share.spare for share in shares] == [False, True, True]
    assert [list(share) for share in shares] == [[[0]]] * 3
    assert [len(share) for share in shares] == [1] * 3


@pytest.mark.parametrize("world", [2, 3, 5])
def test_processes_share_the_batches_of_one_process_that_takes_as_many_examples(world: int) -> None:
    shares = [list(LengthBatches(LENGTHS, 2, 0, rank, world)) for rank in range(world)]
    large = list(LengthBatches(LENGTHS, 2 * world, 0))
    assert [sorted(set(sum(step, []))) for step in zip(*shares, strict=True)] == [sorted(batch) for batch in large]
    assert [len(LengthBatches(LENGTHS, 2, 0, rank, world)) for rank in range(world)] == [len(large)] * world


@pytest.mark.parametrize("world", [3, 4])
def test_a_batch_of_fewer_examples_than_processes_goes_to_all_whole(world: int) -> None:
    shares = [list(LengthBatches(LENGTHS[:2], 4, 0, rank, world)) for rank in range(world)]
    assert [sorted(share[0]) for share in shares] == [[0, 1]] * world


def test_one_seed_gives_one_order_and_each_epoch_another() -> None:
    first, again, other = (LengthBatches(LENGTHS, 4, seed) for seed in (0, 0, 1))
    assert list(first) == list(again)
    assert list(first) != list(other)
    again.set_epoch(1)
    assert list(first) != list(again)
    assert sorted(sum(again, [])) == list(range(13))


def test_examples_of_like_length_share_a_batch() -> None:
    lengths = [i % 40 + 1 for i in range(400)]
    padded = sum(max(lengths[i] for i in batch) * len(batch) for batch in LengthBatches(lengths, 8, seed=0))
    assert 1 - sum(lengths) / padded < 0.05


def test_a_run_that_goes_on_passes_over_the_batches_of_its_first_epoch_that_are_made() -> None:
    whole, later = (LengthBatches(LENGTHS, 4, 0, redrawn=True) for _ in range(2))
    whole.set_epoch(1)
    later.go_on(epoch=1, made=2)
    iter(later)  # as a loader with workers does, which then asks again
    assert len(later) == len(whole) == 4
    assert list(later) == list(whole)[2:]
    for sampler in (whole, later):
        sampler.set_epoch(2)
    assert list(later) == list(whole)


def test_redrawn_examples_are_numbered_on_from_epoch_to_epoch() -> None:
    sampler = LengthBatches(LENGTHS, 4, 0, redrawn=True)
    for epoch in range(3):
        sampler.set_epoch(epoch)
        assert sorted(sum(sampler, [])) == [13 * epoch + row for row in range(13)]
    assert {epoch_of(row, 13) for row in sum(sampler, [])} == {(2, row) for row in range(13)}


@pytest.mark.parametrize("last", ["drop", "pad"])
@pytest.mark.parametrize(("count", "size", "world"), [(13, 4, 1), (13, 2, 3), (12, 2, 2), (3, 8, 2), (5, 1, 5)])
def test_batches_of_one_size_are_those_of_one_process_that_takes_as_many_examples(
    count: int, size: int, world: int, last: Any
) -> None:
    shares = [list(LengthBatches(LENGTHS[:count], size, 0, rank, world, last=last)) for rank in range(world)]
    large = list(LengthBatches(LENGTHS[:count], size * world, 0, last=last))
    if count >= size * world:
        assert [sorted(sum(step, ())) for step in zip(*(map(tuple, s) for s in shares), strict=True)] == [
            sorted(batch) for batch in large
        ]
    assert len({len(batch) for share in shares for batch in share}) == 1
    assert {len(LengthBatches(LENGTHS[:count], size, 0, r, world, last=last)) for r in range(world)} == {len(shares[0])}


def test_what_is_left_over_is_dropped_or_filled_up_and_is_other_examples_each_epoch() -> None:
    drop, pad = (LengthBatches(LENGTHS, 4, 0, last=last) for last in ("drop", "pad"))
    seen = []
    for epoch in range(2):
        drop.set_epoch(epoch)
        pad.set_epoch(epoch)
        seen.append(sum(drop, []))
        assert len(seen[-1]) == len(set(seen[-1])) == 12
        padded = sum(pad, [])
        assert len(padded) == 16
        assert set(padded) == set(range(13))
        assert padded[13:] == padded[:3]
    assert set(seen[0]) != set(seen[1])


def test_fewer_examples_than_a_batch_are_one_batch_and_in_evaluation_nothing_is_left_out() -> None:
    assert sorted(sum(LengthBatches(LENGTHS, 100, 0, last="pad"), [])) == list(range(13))
    assert sum(LengthBatches(LENGTHS, 4, None, last="drop"), []) == list(range(13))
    with pytest.raises(ConfigError, match="2 training examples are none for some of 3 processes"):
        LengthBatches(LENGTHS[:2], 4, 0, 0, 3, last="drop")


def test_lightning_tells_the_epoch() -> None:
    sampler = LengthBatches(LENGTHS, 4, 0)
    _set_sampler_epoch(DataLoader(LENGTHS, batch_sampler=sampler), 5)
    assert sampler.epoch == 5


def test_a_run_has_the_same_examples_in_another_order_each_epoch(
    quick: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs, made = [], LengthBatches._shares

    def shares(sampler: LengthBatches) -> Iterator[list[int]]:
        epochs.append(list(made(sampler)))
        return iter(epochs[-1])

    monkeypatch.setattr(LengthBatches, "_shares", shares)
    train(quick("data.batch_size=8", "task.epochs=3"), tmp_path / "run")
    assert len(epochs) == 3
    assert all(sorted(sum(epoch, [])) == sorted(sum(epochs[0], [])) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
