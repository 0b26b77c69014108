from pathlib import Path

import pytest

from mkgc.data.tokens import Tokenizer, learned, pretrained
from mkgc.errors import ConfigError

TEXTS = ["the river flows through Vienna", "Wien lies on the river", "the map of Vienna"] * 3


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return learned(TEXTS, vocab_size=80)


def test_the_same_texts_give_the_same_vocabulary(tokenizer: Tokenizer) -> None:
    for _ in range(5):
        assert learned(list(TEXTS), vocab_size=80).backend.to_str() == tokenizer.backend.to_str()


def test_each_word_has_its_own_pieces(tokenizer: Tokenizer) -> None:
    words = ["Vienna", "riverflows", "the"]
    pieces = tokenizer.pieces(words)
    assert len(pieces) == 3
    spelled = ["".join(map(tokenizer.backend.id_to_token, ids)) for ids in pieces]
    assert spelled == ["vienna", "riverflows", "the"]
    assert len(pieces[1]) > 1


def test_a_word_that_leaves_no_piece_is_unknown(tokenizer: Tokenizer) -> None:
    # Twitter-2015 has such a token: a lone no-break space.
    assert tokenizer.pieces(["the", "\u00a0", "map"])[1] == [tokenizer.unknown]


def test_running_text_is_the_pieces_of_its_words(tokenizer: Tokenizer) -> None:
    assert tokenizer.ids("the map") == [*tokenizer.pieces(["the"])[0], *tokenizer.pieces(["map"])[0]]


def test_a_stored_tokeniser_splits_as_before(tokenizer: Tokenizer) -> None:
    restored = Tokenizer.from_state(tokenizer.state())
    assert restored.pieces(["Vienna", "maps"]) == tokenizer.pieces(["Vienna", "maps"])
    assert (restored.size, restored.mask) == (tokenizer.size, tokenizer.mask)


def test_a_learned_vocabulary_is_as_large_as_it_is(tokenizer: Tokenizer) -> None:
    # Neither as large as was asked for, where nothing is left to be joined, nor smaller than the alphabet.
    chinese = learned(["".join(map(chr, range(0x4E00, 0x4E00 + 400)))], vocab_size=300)
    assert (chinese.size, chinese.spells) == (405, True)
    assert max(chinese.ids("\u4e00\u4f8f")) < 405
    assert tokenizer.size == len(tokenizer.backend.get_vocab()) < 80
    assert not tokenizer.spells


@pytest.mark.parametrize("size", [0, -1])
def test_a_vocabulary_of_nothing_is_one_line(size: int) -> None:
    with pytest.raises(ConfigError, match=f"task.vocab_size={size} must be at least 1"):
        learned(TEXTS, size)


def test_a_pretrained_tokeniser_agrees_with_transformers(tmp_path: Path) -> None:
    from transformers import AutoTokenizer, BertConfig, BertTokenizer

    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "vi", "##enna", "the"]
    BertTokenizer(vocab={name: i for i, name in enumerate(names)}).save_pretrained(tmp_path)
    BertConfig(vocab_size=11).save_pretrained(tmp_path)
    ours, theirs = pretrained([], str(tmp_path)), AutoTokenizer.from_pretrained(tmp_path)
    assert ours.ids("the vienna wien") == theirs.encode("the vienna wien", add_special_tokens=False)
    assert ours.ids("the vienna wien") == [7, 5, 6, 1]
    assert (ours.start, ours.stop, ours.mask, ours.size) == (2, 3, 4, 11)


def test_a_missing_tokeniser_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no tokeniser at '.*nowhere'") as caught:
        pretrained([], str(tmp_path / "nowhere"))
    assert "\n" not in str(caught.value)
