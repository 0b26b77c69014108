"""Word pieces: tokenisers that are pretrained or learned from a data set, in one plain and storable form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import tokenizers
from tokenizers.models import BPE
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.trainers import BpeTrainer

from mkgc.errors import ConfigError

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class Tokenizer:
    """A backend of the ``tokenizers`` library and the ids that a model of the BERT family gives a meaning.

    ``size`` counts the rows of the encoder's vocabulary: further tokens of a task are numbered from there. Text never
    becomes a control token, whatever is written in it: "[MASK]" is a bracket, a word and a bracket.

    Raises:
        ConfigError: The backend has pieces that the encoder's vocabulary has no row for.
    """

    backend: tokenizers.Tokenizer
    size: int
    pad: int
    unknown: int
    start: int
    stop: int
    mask: int

    def __post_init__(self) -> None:
        self.backend.encode_special_tokens = True  # which is: as text; the library does not store it
        last = max(self.backend.get_vocab().values())
        if last >= self.size:
            raise ConfigError(
                f"the tokeniser numbers its pieces up to {last}, and the encoder's vocabulary has {self.size} rows: "
                "give a tokeniser and an encoder that belong together"
            )

    @cached_property
    def controls(self) -> frozenset[int]:
        """The ids that no text may have; a word may be unknown, though."""
        added = self.backend.get_added_tokens_decoder().items()
        special = {number for number, token in added if token.special}
        return frozenset({*special, self.pad, self.start, self.stop, self.mask} - {self.unknown})

    def pieces(self, words: Sequence[str]) -> list[list[int]]:
        """The ids of each word; a word that leaves no piece (a lone no-break space) is unknown."""
        encoding = self.backend.encode(list(words), is_pretokenized=True, add_special_tokens=False)
        out: list[list[int]] = [[] for _ in words]
        for piece, word in zip(encoding.ids, encoding.word_ids, strict=True):
            if word is not None:
                out[word].append(piece)
        spelled = (
            self._spelled(word) if not self.controls.isdisjoint(ids) else ids
            for word, ids in zip(words, out, strict=True)
        )
        return [ids or [self.unknown] for ids in spelled]

    def _spelled(self, word: str) -> list[int]:
        """The pieces of a word's characters: a Unigram model knows "<s>" as a piece like any other."""
        letters = self.backend.encode(list(word), is_pretokenized=True, add_special_tokens=False).ids
        return [piece for piece in letters if piece not in self.controls]

    def ids(self, text: str) -> list[int]:
        """The ids of running text."""
        return [piece for word in self.pieces(text.split()) for piece in word]

    @property
    def spells(self) -> bool:
        """Whether no piece is longer than a character."""
        words = self.backend.get_vocab(with_added_tokens=False).items()
        return all(len(word) == 1 for word, number in words if number not in self.controls | {self.unknown})

    @cached_property
    def names(self) -> list[str]:
        """Each id's piece; its number where the encoder has a row for no piece."""
        return [self.backend.id_to_token(number) or str(number) for number in range(self.size)]

    def state(self) -> dict[str, Any]:
        """All of it as plain values, to be stored in a checkpoint."""
        numbers = {name: getattr(self, name) for name in ("size", "pad", "unknown", "start", "stop", "mask")}
        return {"backend": self.backend.to_str(), **numbers}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Tokenizer:
        """Undoes :meth:`state`."""
        return cls(**{**state, "backend": tokenizers.Tokenizer.from_str(state["backend"])})


def learned(texts: Iterable[str], vocab_size: int = 3000) -> Tokenizer:
    """Word pieces learned from the training texts by byte pair encoding; the same texts give the same vocabulary.

    Every character of the texts is a piece. So the vocabulary is larger than ``vocab_size`` where there are more of
    them, as in Chinese, and smaller where there is nothing more to be joined.

    Raises:
        ConfigError: There cannot be a vocabulary of that size.
    """
    if vocab_size < 1:
        raise ConfigError(f"task.vocab_size={vocab_size} must be at least 1")
    # Not WordPiece: the library numbers its ##-pieces in the order of a hash table, anew in each process.
    backend = tokenizers.Tokenizer(BPE(unk_token="[UNK]"))
    backend.normalizer = BertNormalizer()
    backend.pre_tokenizer = BertPreTokenizer()
    trainer = BpeTrainer(vocab_size=vocab_size, special_tokens=list(SPECIALS), show_progress=False)
    backend.train_from_iterator(texts, trainer)
    ids: dict[str, int] = backend.get_vocab()
    return Tokenizer(backend, len(ids), *(ids[token] for token in SPECIALS))


def pretrained(texts: Iterable[str], name: str) -> Tokenizer:
    """The tokeniser that a pretrained text encoder came with; ``texts`` teach it nothing.

    Raises:
        ConfigError: Nothing can be loaded from that hub name or folder, or no tokeniser of a masked language model.
    """
    from transformers import AutoConfig, AutoTokenizer

    try:
        loaded = AutoTokenizer.from_pretrained(name, add_prefix_space=True)
        size = AutoConfig.from_pretrained(name).get_text_config().vocab_size
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"no tokeniser at '{name}': give a folder with tokenizer.json, or a hub name that can be reached "
            "(size.text.name=…; weights/e5_dino and weights/minilm_dino come by `make weights`); "
            f"{str(error).splitlines()[0]}"
        ) from error
    numbers = [getattr(loaded, f"{role}_token_id") for role in ("pad", "unk", "cls", "sep", "mask")]
    if None in numbers:
        raise ConfigError(f"the tokeniser at '{name}' is of no model of the BERT family: it has no mask, or no [CLS]")
    return Tokenizer(loaded.backend_tokenizer, size, *numbers)
