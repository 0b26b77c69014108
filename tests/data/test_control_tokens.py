"""Whatever a user writes, it is text: no tokeniser makes a control token of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers

from mkgc.data.tokens import Tokenizer, learned, pretrained
from mkgc.errors import ConfigError

BERT = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
ROBERTA = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
WRITTEN = [*BERT, *ROBERTA, "x[MASK]y", "a</s>", "<MASK>", "[mask]", "\uff1cs\uff1e", "<<s>>"]


def _saved(folder: Path, kind: str, backend: tokenizers.Tokenizer, roles: dict[str, str]) -> str:
    """A folder as the hub has it, of a backend whose control tokens are marked as such."""
    backend.add_special_tokens([*roles.values()])
    backend.save(str(folder / "tokenizer.json"))
    names: dict[str, Any] = {f"{role}_token": token for role, token in roles.items()}
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", **names}))
    (folder / "config.json").write_text(json.dumps({"model_type": kind, "vocab_size": backend.get_vocab_size()}))
    return str(folder)


def _roles(tokens: tuple[str, ...]) -> dict[str, str]:
    order = ("pad", "unk", "cls", "sep", "mask") if tokens is BERT else ("cls", "pad", "sep", "unk", "mask")
    return dict(zip(order, tokens, strict=True))


def bpe(_: Path) -> Tokenizer:
    return learned([" ".join(WRITTEN), "the river flows"], 60)


def wordpiece(folder: Path) -> Tokenizer:
    """BERT's, cased, where "[MASK]" could be a word."""
    letters = sorted({letter for word in WRITTEN for letter in word})
    words = {word: i for i, word in enumerate([*BERT, *letters, *(f"##{letter}" for letter in letters)])}
    backend = tokenizers.Tokenizer(models.WordPiece(words, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return pretrained([], _saved(folder, "bert", backend, _roles(BERT)))


def byte_level(folder: Path) -> Tokenizer:
    """RoBERTa's."""
    words = {word: i for i, word in enumerate([*ROBERTA, *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    backend = tokenizers.Tokenizer(models.BPE(words, []))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=True), decoders.ByteLevel()
    return pretrained([], _saved(folder, "roberta", backend, _roles(ROBERTA)))


def unigram(folder: Path) -> Tokenizer:
    """XLM-RoBERTa's, whose control tokens are pieces like any other, and the likeliest ones."""
    letters = sorted({letter for word in WRITTEN for letter in word} | {"\u2581"})
    scores = [(word, 0.0) for word in ROBERTA] + [(letter, -9.0) for letter in letters]
    backend = tokenizers.Tokenizer(models.Unigram(scores, unk_id=3, byte_fallback=False))
    backend.normalizer, backend.pre_tokenizer = normalizers.NFKC(), pre_tokenizers.Metaspace(prepend_scheme="always")
    return pretrained([], _saved(folder, "xlm-roberta", backend, _roles(ROBERTA)))


@pytest.mark.parametrize("made", [bpe, wordpiece, byte_level, unigram])
@pytest.mark.parametrize("again", [False, True], ids=["new", "from a checkpoint"])
def test_text_never_becomes_a_control_token(made: Callable[[Path], Tokenizer], again: bool, tmp_path: Path) -> None:
    tokenizer = made(tmp_path)
    if again:
        tokenizer = Tokenizer.from_state(tokenizer.state())
    controls = {tokenizer.pad, tokenizer.start, tokenizer.stop, tokenizer.mask}
    assert len(controls) == 4
    pieces = tokenizer.pieces(WRITTEN)
    assert controls.isdisjoint(piece for ids in pieces for piece in ids)
    assert controls.isdisjoint(tokenizer.ids(" ".join(WRITTEN)))
    shown = "".join(tokenizer.backend.id_to_token(piece) for piece in pieces[WRITTEN.index("<mask>")])
    assert shown.replace("\u2581", "").replace("\u0120", "").replace("##", "") == "<mask>"


def test_an_ordinary_word_beside_a_control_token_is_split_as_ever(tmp_path: Path) -> None:
    tokenizer = unigram(tmp_path)
    assert tokenizer.pieces(["<s>", "sk"])[1] == tokenizer.pieces(["sk"])[0]


def test_a_tokeniser_of_more_pieces_than_the_encoder_has_rows_is_an_error(tmp_path: Path) -> None:
    wordpiece(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "vocab_size": 9}))
    with pytest.raises(ConfigError, match="the encoder's vocabulary has 9 rows: give a tokeniser and an encoder that"):
        pretrained([], str(tmp_path))


def test_a_tokeniser_without_a_mask_is_named(tmp_path: Path) -> None:
    words = {word: i for i, word in enumerate(("[PAD]", "[UNK]", "a"))}
    backend = tokenizers.Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    with pytest.raises(ConfigError, match="is of no model of the BERT family"):
        pretrained([], _saved(tmp_path, "bert", backend, {"pad": "[PAD]", "unk": "[UNK]"}))
