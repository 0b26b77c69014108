"""Word pieces: tokenisers that are pretrained or learned from a data set, in one plain and storable form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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

    ``size`` counts the rows of the encoder's vocabulary: further tokens of a task are numbered from there.
    """

    backend: tokenizers.Tokenizer
    size: int
    pad: int
    unknown: int
    start: int
    stop: int
    mask: int

    def pieces(self, words: Sequence[str]) -> list[list[int]]:
        """The ids of each word; a word that leaves no piece (a lone no-break space) is unknown."""
        encoding = self.backend.encode(list(words), is_pretokenized=True, add_special_tokens=False)
        out: list[list[int]] = [[] for _ in words]
        for piece, word in zip(encoding.ids, encoding.word_ids, strict=True):
            if word is not None:
                out[word].append(piece)
        return [ids or [self.unknown] for ids in out]

    def ids(self, text: str) -> list[int]:
        """The ids of running text."""
        return [piece for word in self.pieces(text.split()) for piece in word]

    def state(self) -> dict[str, Any]:
        """All of it as plain values, to be stored in a checkpoint."""
        numbers = {name: getattr(self, name) for name in ("size", "pad", "unknown", "start", "stop", "mask")}
        return {"backend": self.backend.to_str(), **numbers}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Tokenizer:
        """Undoes :meth:`state`."""
        return cls(**{**state, "backend": tokenizers.Tokenizer.from_str(state["backend"])})


def learned(texts: Iterable[str], vocab_size: int = 3000) -> Tokenizer:
    """Word pieces learned from the training texts by byte pair encoding; the same texts give the same vocabulary."""
    # Not WordPiece: the library numbers its ##-pieces in the order of a hash table, anew in each process.
    backend = tokenizers.Tokenizer(BPE(unk_token="[UNK]"))
    backend.normalizer = BertNormalizer()
    backend.pre_tokenizer = BertPreTokenizer()
    trainer = BpeTrainer(vocab_size=vocab_size, special_tokens=list(SPECIALS), show_progress=False)
    backend.train_from_iterator(texts, trainer)
    ids: dict[str, int] = backend.get_vocab()
    return Tokenizer(backend, vocab_size, *(ids[token] for token in SPECIALS))


def pretrained(texts: Iterable[str], name: str) -> Tokenizer:
    """The tokeniser that a pretrained text encoder came with; ``texts`` teach it nothing.

    Raises:
        ConfigError: Nothing can be loaded from that hub name or folder.
    """
    from transformers import AutoConfig, AutoTokenizer

    try:
        loaded = AutoTokenizer.from_pretrained(name, add_prefix_space=True)
        size = AutoConfig.from_pretrained(name).vocab_size
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"no tokeniser at '{name}': give a folder with tokenizer.json, or a hub name that can be reached "
            f"(size.text.name=…; weights/small and weights/mini come by `make weights`); {str(error).splitlines()[0]}"
        ) from error
    numbers = (
        loaded.pad_token_id,
        loaded.unk_token_id,
        loaded.cls_token_id,
        loaded.sep_token_id,
        loaded.mask_token_id,
    )
    return Tokenizer(loaded.backend_tokenizer, size, *numbers)
