from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from mkgc.errors import DataError
from mkgc.kge.model import Target
from mkgc.kge.negatives import NegativeSampler, Subsampling

ENTITIES, RELATIONS = 11, 3
BOTH_SIDES = pytest.mark.parametrize("target", ["head", "tail"])


def graph() -> Tensor:
    """A dense graph with repeated triples; whoever is asked for a tail of (0, 0) has one wrong entity only."""
    torch.manual_seed(0)
    many = torch.stack([torch.randint(size, (150,)) for size in (ENTITIES, RELATIONS, ENTITIES)], dim=1)
    of_one = torch.tensor([[0, 0, tail] for tail in range(ENTITIES) if tail != 4])
    return torch.cat([many[(many[:, :2].sum(1) > 0)], of_one, of_one[:2]])


def drawn(negatives: NegativeSampler, triples: Tensor, target: Target, seed: int = 0) -> Tensor:
    return negatives(triples, torch.full((len(triples),), target == "tail"), torch.Generator().manual_seed(seed))


@BOTH_SIDES
def test_no_negative_makes_a_known_triple(target: Target) -> None:
    triples = graph()
    found = drawn(NegativeSampler(ENTITIES, RELATIONS, 200, known=triples), triples, target)
    corrupted = triples[:, None].repeat(1, 200, 1)
    corrupted[:, :, 0 if target == "head" else 2] = found
    made = set(map(tuple, corrupted.flatten(0, 1).tolist()))
    assert len(made) > 100
    assert not made & set(map(tuple, triples.tolist()))


@BOTH_SIDES
def test_negatives_are_uniform_over_the_wrong_entities_of_their_query(target: Target) -> None:
    triples = graph()
    draws = 5000
    found = drawn(NegativeSampler(ENTITIES, RELATIONS, draws, known=triples), triples, target)
    asked, missing = (triples[:, 1:], 0) if target == "head" else (triples[:, :2], 2)
    for row in range(0, len(triples), 7):
        answers = set(triples[(asked == asked[row]).all(1), missing].tolist())
        wrong = [entity for entity in range(ENTITIES) if entity not in answers]
        counts = torch.bincount(found[row], minlength=ENTITIES)[wrong]
        assert counts.sum() == draws
        expected = draws / len(wrong)
        assert ((counts - expected).abs() <= 5 * expected**0.5).all()


def test_the_one_wrong_entity_is_drawn_every_time() -> None:
    assert (
        drawn(NegativeSampler(ENTITIES, RELATIONS, 9, known=graph()), torch.tensor([[0, 0, 1]]), "tail").unique() == 4
    )


@BOTH_SIDES
def test_unfiltered_negatives_are_uniform_over_all_entities(target: Target) -> None:
    counts = torch.bincount(drawn(NegativeSampler(ENTITIES, RELATIONS, 1000), graph(), target).flatten())
    assert len(counts) == ENTITIES
    expected = counts.sum() / ENTITIES
    assert ((counts - expected).abs() <= 5 * expected**0.5).all()


@pytest.mark.parametrize("filtered", [False, True])
def test_the_same_seed_draws_the_same(filtered: bool) -> None:
    triples = graph()
    negatives = NegativeSampler(ENTITIES, RELATIONS, 20, known=triples if filtered else None)
    first, again, other = (drawn(negatives, triples, "tail", seed) for seed in (3, 3, 4))
    assert first.shape == (len(triples), 20)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_query_that_no_known_triple_answers_has_all_entities_as_negatives() -> None:
    negatives = NegativeSampler(
        ENTITIES, RELATIONS, 2000, known=torch.tensor([[0, 0, 1], [ENTITIES - 1, RELATIONS - 1, 0]])
    )
    for triple in ([5, 1, 2], [0, 1, 0], [ENTITIES - 1, 0, 0]):
        assert len(drawn(negatives, torch.tensor([triple]), "tail").unique()) == ENTITIES


def test_a_query_with_all_entities_as_answers_is_an_error() -> None:
    message = (
        r"^a head and relation are known with all 2 entities as their tail: no negative is left to draw; "
        r"train without filtering negatives$"
    )
    with pytest.raises(DataError, match=message):
        NegativeSampler(2, 1, 5, known=torch.tensor([[0, 0, 0], [0, 0, 1]]))


def test_more_triples_than_can_be_numbered_are_an_error() -> None:
    with pytest.raises(DataError, match=r"^4000000000 entities and 1 relations are too many to filter negatives for$"):
        NegativeSampler(4_000_000_000, 1, 5, known=torch.tensor([[0, 0, 0]]))


def test_known_triples_move_with_the_module_and_are_not_saved() -> None:
    negatives = NegativeSampler(ENTITIES, RELATIONS, 5, known=graph())
    assert {name for name, _ in negatives.named_buffers()} == {"gaps"}
    assert not negatives.state_dict()


def test_frequent_triples_weigh_less_as_counted_by_the_released_code() -> None:
    triples = graph().unique(dim=0)
    counts: dict[tuple[int, int], int] = {}
    for head, relation, tail in triples.tolist():
        for key in ((head, relation), (tail, -relation - 1)):
            counts[key] = counts[key] + 1 if key in counts else 4
    expected = [(counts[h, r] + counts[t, -r - 1]) ** -0.5 for h, r, t in triples.tolist()]
    assert_close(Subsampling(triples, RELATIONS)(triples.flip(0)).flip(0), torch.tensor(expected))
