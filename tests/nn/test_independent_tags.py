"""Tags of words, each for itself."""

import pytest
import torch

from mkgc.batch import IGNORED
from mkgc.nn.crf import repair_bio
from mkgc.nn.independent_tags import IndependentTags

TAGS = ("O", "B-X", "I-X", "B-Y", "I-Y")
MASK = torch.arange(6) < torch.tensor([6, 3, 0, 1])[:, None]


def test_the_loss_is_that_of_each_word_a_mean_over_sentences() -> None:
    scores, tags = torch.randn(4, 6, 5), torch.randint(5, (4, 6))
    total = sum(-float(scores[b, w].log_softmax(0)[tags[b, w]]) for b in range(4) for w in range(6) if MASK[b, w])
    unseen = tags.masked_fill(~MASK, IGNORED)
    for given in (tags, unseen):
        assert float(IndependentTags(TAGS)(scores, given, MASK)) == pytest.approx(total / 3, abs=1e-5)


def test_the_likeliest_tag_of_each_word_is_repaired_where_it_continues_nothing() -> None:
    scores = torch.randn(40, 6, 5)
    mask = MASK.repeat(10, 1)
    decoded, plain = IndependentTags(TAGS).decode(scores, mask), IndependentTags(TAGS, bio=False).decode(scores, mask)
    repaired = 0
    for b in range(40):
        length = int(mask[b].sum())
        best = [TAGS[int(row.argmax())] for row in scores[b, :length]]
        assert [TAGS[tag] for tag in plain[b, :length]] == best
        assert [TAGS[tag] for tag in decoded[b, :length]] == repair_bio(best)
        assert decoded[b, length:].tolist() == [IGNORED] * (6 - length)
        repaired += repair_bio(best) != best
    assert repaired > 5


def test_marginals_are_each_words_own_probabilities() -> None:
    scores = torch.randn(4, 6, 5)
    marginals = IndependentTags(TAGS).marginals(scores, MASK)
    torch.testing.assert_close(marginals[0, 2], scores[0, 2].softmax(0))
    assert marginals[2].abs().max() == 0
