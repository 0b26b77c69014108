"""Files of word vectors as text: GloVe's, or word2vec's, which begin with a line of two numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mkgc.errors import DataError


def read_vectors(path: Path, words: Sequence[str], dim: int) -> tuple[Int[Tensor, " K"], Float[Tensor, "K D"]]:
    """The vectors of some words: which of them have one, and these; of words that the file has twice, the first.

    Raises:
        DataError: The file cannot be read, has a vector of another width than ``dim``, or none of the words.
    """
    wanted = {word: row for row, word in enumerate(words)}
    found: dict[int, list[float]] = {}
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, start=1):
                word, _, said = line.rstrip("\n").partition(" ")
                row = wanted.get(word)
                if row is not None and row not in found and not (number == 1 and _is_header(word, said)):
                    found[row] = _numbers(said, dim, path, number)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", path) from error
    if not found:
        raise DataError("has a vector for none of the words of train: is it GloVe's or word2vec's, as text?", path)
    return torch.tensor([*found]), torch.tensor([*found.values()])


def _is_header(first: str, rest: str) -> bool:
    return first.isdigit() and rest.strip().isdigit()


def _numbers(said: str, dim: int, path: Path, number: int) -> list[float]:
    try:
        values = [float(part) for part in said.split()]
    except ValueError as error:
        raise DataError("a word and its numbers are expected", path, number) from error
    if len(values) != dim:
        raise DataError(f"a vector of {len(values)} numbers, for backbone.text.dim={dim}", path, number)
    return values
