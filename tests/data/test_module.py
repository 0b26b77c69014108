from collections import Counter

import pytest

from mkgc.data.module import LengthBatches

LENGTHS = [3, 9, 4, 4, 12, 7, 5, 5, 8, 6, 3, 10, 11]


def test_evaluation_goes_in_order_and_leaves_nothing_out() -> None:
    batches = list(LengthBatches(LENGTHS, 4, seed=None))
    assert sum(batches, []) == list(range(13))
    assert len(LengthBatches(LENGTHS, 4, seed=None)) == len(batches) == 4


@pytest.mark.parametrize("world", [2, 3, 5])
def test_processes_share_an_evaluation_without_repeating_an_example(world: int) -> None:
    seen = [i for rank in range(world) for batch in LengthBatches(LENGTHS, 4, None, rank, world) for i in batch]
    assert sorted(seen) == list(range(13))


@pytest.mark.parametrize("world", [2, 3, 5])
def test_processes_train_on_equally_many_batches_and_miss_none(world: int) -> None:
    shares = [LengthBatches(LENGTHS, 2, 0, rank, world) for rank in range(world)]
    assert len({len(list(share)) for share in shares}) == 1
    assert [len(list(share)) for share in shares] == [len(share) for share in shares]
    counts = Counter(i for share in shares for batch in share for i in batch)
    assert set(counts) == set(range(13))


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
