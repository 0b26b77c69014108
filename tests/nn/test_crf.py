import itertools

import pytest
import torch
from torch import Tensor
from torchcrf import CRF

from mkgc.nn.crf import FORBIDDEN, Crf, may_follow, repair_bio

TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
EVERY_WORD = torch.ones(3, 4, dtype=torch.bool)


def trained(tags: tuple[str, ...] = TAGS, bio: bool = True) -> Crf:
    """A CRF whose weights matter."""
    crf = Crf(tags, bio)
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter)
    return crf


def is_legal(path: tuple[int, ...]) -> bool:
    names = ["O", *(TAGS[tag] for tag in path)]
    return all(may_follow(before, tag) for before, tag in itertools.pairwise(names))


def score(crf: Crf, emissions: Tensor, path: tuple[int, ...]) -> Tensor:
    chain = crf.chain
    steps = [chain.transitions[a, b] for a, b in itertools.pairwise(path)]
    emitted = [emissions[word, tag] for word, tag in enumerate(path)]
    return sum(steps + emitted) + chain.start_transitions[path[0]] + chain.end_transitions[path[-1]]


def all_paths(crf: Crf, emissions: Tensor, bio: bool) -> tuple[list[tuple[int, ...]], Tensor]:
    """Every path that is allowed, and the log-probability of each."""
    paths = [p for p in itertools.product(range(5), repeat=len(emissions)) if not bio or is_legal(p)]
    scores = torch.stack([score(crf, emissions, path) for path in paths])
    return paths, scores.log_softmax(0)


@pytest.mark.parametrize("bio", [True, False])
def test_loss_and_its_gradients_are_those_of_a_sum_over_all_paths(bio: bool) -> None:
    crf = trained(bio=bio)
    emissions = torch.randn(3, 4, 5, requires_grad=True)
    tags = torch.tensor([[1, 2, 0, 3], [0, 0, 3, 4], [3, 1, 2, 2]])
    loss = crf(emissions, tags, EVERY_WORD)
    expected = torch.tensor(0.0)
    for sentence, gold in zip(emissions, tags.tolist(), strict=True):
        paths, logs = all_paths(crf, sentence, bio)
        expected = expected - logs[paths.index(tuple(gold))] / 3
    torch.testing.assert_close(loss, expected, rtol=0, atol=1e-5)
    weights = [emissions, *crf.parameters()]
    for found, right in zip(torch.autograd.grad(loss, weights), torch.autograd.grad(expected, weights), strict=True):
        torch.testing.assert_close(found, right, rtol=0, atol=1e-5)


@pytest.mark.parametrize("bio", [True, False])
def test_the_decoded_path_is_the_best_of_all_paths(bio: bool) -> None:
    crf, emissions = trained(bio=bio), torch.randn(3, 4, 5)
    for sentence, path in zip(emissions, crf.decode(emissions, EVERY_WORD).tolist(), strict=True):
        paths, logs = all_paths(crf, sentence, bio)
        assert tuple(path) == paths[int(logs.argmax())]


@pytest.mark.parametrize("bio", [True, False])
@pytest.mark.parametrize("words", [1, 2, 7, 16, 33])
def test_losses_and_paths_of_ragged_sentences_are_torchcrfs_own(bio: bool, words: int) -> None:
    crf, theirs = trained(bio=bio), CRF(len(TAGS), batch_first=True)
    with torch.no_grad():
        for own, given in zip(theirs.parameters(), crf.parameters(), strict=True):
            own.copy_(given)
        theirs.start_transitions.masked_fill_(crf.illegal_start, FORBIDDEN)
        theirs.transitions.masked_fill_(crf.illegal_step, FORBIDDEN)
    emissions, tags = torch.randn(6, words, 5), torch.randint(2, (6, words))
    mask = torch.arange(words) < torch.randint(1, words + 1, (6, 1))
    expected = -theirs(emissions, tags, mask, reduction="mean")
    torch.testing.assert_close(crf(emissions, tags, mask), expected, rtol=1e-6, atol=1e-6)
    paths = [[tag for tag in path if tag != -100] for path in crf.decode(emissions, mask).tolist()]
    assert paths == theirs.decode(emissions, mask)


@pytest.mark.parametrize("bio", [True, False])
def test_marginals_are_the_summed_probabilities_of_the_paths_through_a_tag(bio: bool) -> None:
    crf, emissions = trained(bio=bio), torch.randn(3, 4, 5)
    expected = torch.zeros(3, 4, 5)
    for sentence, marginal in zip(emissions, expected, strict=True):
        for path, log in zip(*all_paths(crf, sentence, bio), strict=True):
            marginal[torch.arange(4), list(path)] += log.exp().detach()
    found = crf.marginals(emissions, EVERY_WORD)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert bool(found[:, 0, 2].any()) is not bio


@pytest.mark.parametrize("strength", [1.0, 100.0, 1e6])
def test_no_emissions_make_it_decode_what_bio_forbids(strength: float) -> None:
    emissions = torch.randn(50, 9, 5)
    emissions[..., [2, 4]] += 3
    paths = trained().decode(emissions * strength, torch.ones(50, 9, dtype=torch.bool))
    assert all(is_legal(tuple(path)) for path in paths.tolist())


def test_what_bio_forbids_gets_no_gradient_and_all_else_does() -> None:
    crf = trained()
    crf(torch.randn(3, 4, 5), torch.zeros(3, 4, dtype=torch.long), EVERY_WORD).backward()
    chain = crf.chain
    assert torch.equal(chain.start_transitions.grad == 0, torch.tensor([False, False, True, False, True]))
    assert (chain.transitions.grad == 0).tolist() == [[not may_follow(before, tag) for tag in TAGS] for before in TAGS]


def test_a_gold_path_that_bio_forbids_costs_so_much_that_it_is_noticed() -> None:
    tags = torch.tensor([[0, 2, 0, 0]] * 3)
    assert trained()(torch.randn(3, 4, 5), tags, EVERY_WORD) > 1e8


def test_padding_changes_neither_loss_nor_paths_nor_marginals() -> None:
    crf, emissions, tags = trained(), torch.randn(2, 3, 5), torch.tensor([[1, 2, 0], [3, 0, -100]])
    mask = torch.tensor([[True, True, True], [True, True, False]])
    wider = torch.cat([emissions, torch.full((2, 2, 5), 1e4)], 1)
    wider[1, 2] = -1e4
    wider_mask = torch.cat([mask, torch.zeros(2, 2, dtype=torch.bool)], 1)
    wider_tags = torch.cat([tags, torch.full((2, 2), -100)], 1)
    torch.testing.assert_close(crf(wider, wider_tags, wider_mask), crf(emissions, tags, mask))
    paths = crf.decode(wider, wider_mask)
    assert torch.equal(paths[:, :3], crf.decode(emissions, mask))
    assert torch.equal(paths == -100, ~wider_mask)
    found = crf.marginals(wider, wider_mask)
    torch.testing.assert_close(found[:, :3], crf.marginals(emissions, mask))
    assert torch.equal(found.sum(-1).round(), wider_mask.float())


def test_the_loss_is_the_mean_of_the_sentences_own_losses() -> None:
    crf, emissions, tags = trained(), torch.randn(3, 4, 5), torch.tensor([[0] * 4, [1, 2, 2, 0], [3] * 4])
    alone = [crf(emissions[i : i + 1], tags[i : i + 1], EVERY_WORD[:1]) for i in range(3)]
    torch.testing.assert_close(crf(emissions, tags, EVERY_WORD), torch.stack(alone).mean())


def test_a_sentence_without_words_counts_for_nothing() -> None:
    crf, emissions, tags = trained(), torch.randn(3, 4, 5), torch.zeros(3, 4, dtype=torch.long)
    mask = EVERY_WORD.clone()
    mask[1] = False
    others = [0, 2]
    torch.testing.assert_close(crf(emissions, tags, mask), crf(emissions[others], tags[others], mask[others]))
    assert (crf.decode(emissions, mask) == -100).all(1).tolist() == [False, True, False]
    assert not crf.marginals(emissions, mask)[1].any()


def test_a_batch_without_any_word_has_a_loss_of_zero() -> None:
    emissions, mask = torch.randn(2, 1, 5, requires_grad=True), torch.zeros(2, 1, dtype=torch.bool)
    loss = trained()(emissions, torch.full((2, 1), -100), mask)
    loss.backward()
    assert loss == 0
    assert not emissions.grad.any()
    assert not trained().marginals(emissions, mask).any()


def test_autocast_leaves_the_loss_as_in_full_precision() -> None:
    crf, emissions = trained(), torch.randn(3, 4, 5).bfloat16()
    tags = torch.zeros(3, 4, dtype=torch.long)
    with torch.autocast("cpu", torch.bfloat16):
        loss, marginals = crf(emissions, tags, EVERY_WORD), crf.marginals(emissions, EVERY_WORD)
    assert torch.equal(loss, crf(emissions.float(), tags, EVERY_WORD))
    assert torch.equal(marginals, crf.marginals(emissions.float(), EVERY_WORD))


def test_a_module_in_half_precision_still_reckons_in_full() -> None:
    crf, emissions, tags = trained(), torch.randn(3, 4, 5), torch.zeros(3, 4, dtype=torch.long)
    rounded = crf.bfloat16()(emissions, tags, EVERY_WORD)
    assert rounded.dtype == torch.float
    assert torch.equal(rounded, crf.float()(emissions, tags, EVERY_WORD))


def test_marginals_can_be_had_in_inference_mode() -> None:
    crf, emissions = trained(), torch.randn(3, 4, 5)
    expected = crf.marginals(emissions, EVERY_WORD)
    with torch.inference_mode():
        found = crf.marginals(emissions * 1, EVERY_WORD & True)
    assert torch.equal(found, expected)
    assert all(parameter.grad is None for parameter in crf.parameters())


def test_tags_of_other_schemes_are_free_without_bio() -> None:
    crf = trained(("O", "I-PER", "X", "[CLS]", "[SEP]"), bio=False)
    emissions = 50 * torch.eye(5)[[3, 1, 2, 4]][None]
    assert crf.decode(emissions, EVERY_WORD[:1]).tolist() == [[3, 1, 2, 4]]


def test_the_state_is_torchcrfs_three_tables_alone() -> None:
    names = {f"chain.{name}" for name in ("start_transitions", "end_transitions", "transitions")}
    assert set(Crf(TAGS).state_dict()) == names


@pytest.mark.parametrize(
    ("tags", "repaired"),
    [
        ("O I-PER I-PER", "O B-PER I-PER"),
        ("I-LOC O", "B-LOC O"),
        ("B-PER I-LOC I-LOC", "B-PER B-LOC I-LOC"),
        ("I-PER I-LOC I-PER", "B-PER B-LOC B-PER"),
        ("B-PER I-PER O B-PER", "B-PER I-PER O B-PER"),
        ("", ""),
    ],
)
def test_what_continues_nothing_begins_a_span(tags: str, repaired: str) -> None:
    assert repair_bio(tags.split()) == repaired.split()
