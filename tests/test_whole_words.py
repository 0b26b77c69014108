"""Words as tokens, and their characters."""

import pytest
import torch

from mkgc.data.tokens import Tokenizer
from mkgc.data.whole_words import LONGEST, spell, whole_words
from mkgc.errors import ConfigError

TEXTS = ["the map of Peru", "The map , the sea", "of 秘鲁 秘鲁 [MASK] [MASK]"]


def shown(tokenizer: Tokenizer, *words: str) -> list[list[str]]:
    return [[tokenizer.names[piece] for piece in ids] for ids in tokenizer.pieces(words)]


def test_each_word_that_train_has_often_enough_is_one_token_and_all_others_are_unknown() -> None:
    tokenizer = whole_words(TEXTS)
    assert tokenizer.names[5:] == ["the", "[mask]", "map", "of", "秘鲁"]
    assert shown(tokenizer, "THE", "Peru", "秘鲁", "a\u00a0map") == [["the"], ["[UNK]"], ["秘鲁"], ["[UNK]", "map"]]
    assert shown(whole_words(TEXTS, min_count=1, lowercase=False), "The", "THE") == [["The"], ["[UNK]"]]
    assert whole_words(TEXTS, vocab_size=2).size == 7


def test_no_text_becomes_a_control_token() -> None:
    for tokenizer in (whole_words(TEXTS), whole_words(TEXTS, lowercase=False)):
        for ids in tokenizer.pieces(["[MASK]", "[PAD]", "[CLS]"]):
            assert tokenizer.controls.isdisjoint(ids)


def test_a_checkpoint_carries_the_words() -> None:
    tokenizer = whole_words(TEXTS)
    again = Tokenizer.from_state(tokenizer.state())
    assert again.names == tokenizer.names
    assert again.pieces(["The", "sea"]) == tokenizer.pieces(["The", "sea"])


@pytest.mark.parametrize("wrong", [{"vocab_size": 0}, {"min_count": 0}])
def test_there_must_be_words(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="must be at least 1"):
        whole_words(TEXTS, **wrong)


def test_characters_are_bytes_at_the_places_of_their_words() -> None:
    out = spell([{1: "ab", 3: "é"}, {}, {0: "x" * 99}], 4)
    assert out.shape == (3, 4, LONGEST)
    assert out[0, :, :3].tolist() == [[0, 0, 0], [98, 99, 0], [0, 0, 0], [1 + 0xC3, 1 + 0xA9, 0]]
    assert out[1].sum() == 0
    assert out[2, 0].tolist() == [121] * LONGEST
    assert torch.equal(spell([{}], 2), torch.zeros(1, 2, 1, dtype=torch.long))
