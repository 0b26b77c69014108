"""Sentence trees a second: `python -m benchmarks.sentence_tree [DIR PICTURES.jsonl]`, against the released way.

PKG-Bert's released code builds a tree and its visible matrix by Python loops over pieces, a poem at a time, as K-BERT
(Liu et al., 2020) does; :func:`released_tree` is that way, reconstructed. Both are given the same words, as ours finds
them, and make batches of 32 of the same tensors. ``DIR`` has poems in chinese-poetry's layouts, ``PICTURES`` those of
emoji_zh; without them the embedded poems are taken. Writes its table into ``docs/benchmarks.md``.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.runs import fill, machine
from mkgc.data.formats.word_graphs import read_word_graph
from mkgc.data.sentence_tree import TreeBuilder, collate_trees
from mkgc.data.settings import DataSettings
from mkgc.data.tokens import learned
from mkgc.data.word_graph import Segment, WordGraph
from mkgc.data.word_graph_settings import WordGraphSettings
from mkgc.word_graphs.building import build_word_graph
from mkgc.word_graphs.recipe import WordGraphRecipe
from tasks.poetry_pretraining import atlas
from tasks.poetry_pretraining.source import PoemSource

PAGE = Path("docs/benchmarks.md")
BEGIN, END = "<!-- table: python -m benchmarks.sentence_tree -->", "<!-- end of sentence_tree table -->"
LENGTH, BATCH, ROUNDS, LEAST = 128, 32, 5, 512


class ReleasedTree(NamedTuple):
    """What the released code makes of a sentence: characters, soft positions, marks of branches, visible matrix."""

    letters: list[str]
    positions: list[int]
    branches: list[int]
    visible: np.ndarray


def released_tree(words: Sequence[tuple[str, Sequence[str]]], length: int) -> ReleasedTree:
    """The tree of words with their neighbours, padded and cut to ``length``."""
    letters: list[str] = []
    positions: list[int] = []
    branches: list[int] = []
    tree: list[tuple[list[int], list[list[int]]]] = []
    sentence: list[int] = []
    at, position = -1, -1
    for word, neighbours in words:
        pieces = [word] if word.startswith("[") else list(word)
        own = []
        for piece in pieces:
            at, position = at + 1, position + 1
            letters.append(piece)
            positions.append(position)
            branches.append(0)
            own.append(at)
        sentence += own
        hanging = []
        for neighbour in neighbours:
            branch = []
            for step, piece in enumerate(neighbour, start=1):
                at += 1
                letters.append(piece)
                positions.append(position + step)
                branches.append(1)
                branch.append(at)
            hanging.append(branch)
        tree.append((own, hanging))
    visible = np.zeros((len(letters), len(letters)))
    for own, hanging in tree:
        for place in own:
            visible[place, sentence + [other for branch in hanging for other in branch]] = 1
        for branch in hanging:
            for place in branch:
                visible[place, branch + own] = 1
    return _padded(letters, positions, branches, visible, length)


def _padded(
    letters: list[str], positions: list[int], branches: list[int], visible: np.ndarray, length: int
) -> ReleasedTree:
    missing = length - len(letters)
    if missing < 0:
        return ReleasedTree(letters[:length], positions[:length], branches[:length], visible[:length, :length])
    matrix = np.pad(visible, ((0, missing), (0, missing)))
    filled = positions + [length - 1] * missing
    return ReleasedTree(letters + ["[PAD]"] * missing, filled, branches + [0] * missing, matrix)


def main() -> None:
    """The command."""
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        texts, graph = prepared(Path(folder), sys.argv[1:])
    tokenizer = learned([" ".join(text) for text in (*texts, *graph.words)])
    builder = TreeBuilder(graph, tokenizer, LENGTH)
    vocabulary = {name: number for number, name in enumerate(tokenizer.names)}
    words = [released_words(graph, text) for text in texts]
    ways: dict[str, Callable[[], Any]] = {
        "released: Python loops": lambda: [_released_batch(part, vocabulary) for part in _batches(words)],
        "with words to find": lambda: [_released_batch([released_words(graph, text) for text in part], vocabulary)
                                       for part in _batches(texts)],
        "ours, with words to find": lambda: [
            collate_trees([builder.build(text) for text in part], tokenizer.pad) for part in _batches(texts)
        ],
    }  # fmt: skip
    rates = {name: statistics.median(_rate(way, len(texts)) for _ in range(ROUNDS)) for name, way in ways.items()}
    lines = [
        "| way | poems a second |",
        "| --- | --- |",
        *(f"| {name} | {rate:,.0f} |" for name, rate in rates.items()),
    ]
    pieces = sum(len(builder.build(text)) for text in texts) / len(texts)
    said = f"{len(texts):,} poems of {pieces:.0f} pieces with their branches; one thread; {machine()}."
    fill(PAGE, BEGIN, END, "\n".join([*lines, "", said]))


def prepared(folder: Path, given: Sequence[str]) -> tuple[list[str], WordGraph]:
    """The texts and the graph of words: of files that are given, or of the embedded poems."""
    split = {"dev": 0.1, "test": 0.1, "seed": 0}
    if given:
        settings = DataSettings(given[0], format="chinese_poetry", split=split, language="zh-Hans")
    else:
        atlas.write(folder / "poems", Random("0/poems"))
        settings = DataSettings(str(folder / "poems"), format="poems", split=split, language="zh-Hans")
    texts = [poem.text for poem in PoemSource(settings).splits["train"]]
    graph = folder / "poems" / "graph"
    if given:
        recipe = WordGraphRecipe(str(graph), given[1], ["zh", "zh_keywords"])
        build_word_graph(recipe, texts, "zh-Hans")
    several = texts * -(-LEAST // len(texts))
    return several, read_word_graph(WordGraphSettings(str(graph)))


def released_words(graph: WordGraph, text: str) -> list[tuple[str, Sequence[str]]]:
    """The words of a text with their neighbours, between the marks."""

    def named(one: Segment) -> tuple[str, Sequence[str]]:
        word = text[one.start : one.end]
        return word, graph.neighbours(word)

    return [("[CLS]", ()), *(named(one) for one in graph.segment(text)), ("[SEP]", ())]


def _released_batch(words: Sequence[Sequence[tuple[str, Sequence[str]]]], vocabulary: dict[str, int]) -> Any:
    trees = [released_tree(one, LENGTH) for one in words]
    ids = torch.tensor([[vocabulary.get(letter, 1) for letter in tree.letters] for tree in trees])
    positions = torch.tensor([tree.positions for tree in trees])
    visible = torch.tensor(np.stack([tree.visible for tree in trees]))
    return ids, positions, visible


def _batches(rows: Sequence[Any]) -> list[Sequence[Any]]:
    return [rows[first : first + BATCH] for first in range(0, len(rows), BATCH)]


def _rate(way: Callable[[], Any], count: int) -> float:
    began = time.process_time()
    way()
    return count / (time.process_time() - began)


if __name__ == "__main__":
    main()
