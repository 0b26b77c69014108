"""Sentence trees: a text with the neighbours of its words, as branches behind them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int
from torch import Tensor

from mkgc.batch import Text
from mkgc.data.processor import pad, text_batch
from mkgc.data.tokens import Tokenizer
from mkgc.data.word_graph import NO_WORD, Adjacency, WordGraph

Numbers = Int[np.ndarray, " T"]


@dataclass(frozen=True)
class SentenceTree:
    """The pieces of a text and of what its words' neighbours are called, in the order in which they are read.

    ``positions`` are soft: the sentence counts on, and a branch goes on from the last piece of its word. ``owner`` is
    the number of the word that a piece is of, or whose branch it is in; ``branch`` is 0 in the sentence, and in a
    branch its number among those of its word, from 1 on. ``node`` is the word of the graph whose images a piece
    shows, -1 where there is none. ``cut`` counts the characters of the text that are not read.
    """

    ids: Numbers
    positions: Numbers
    owner: Numbers
    branch: Numbers
    node: Numbers
    cut: int = 0

    def __len__(self) -> int:
        return len(self.ids)


class _Pieces(NamedTuple):
    """Pieces in columns: id, position, owner, branch, node."""

    ids: Numbers
    positions: Numbers
    owner: Numbers
    branch: Numbers
    node: Numbers


class TreeBuilder:
    """Builds sentence trees of texts: ``[CLS]``, the text's characters with branches, ``[SEP]``.

    Words of the graph are found in the text (:meth:`WordGraph.segment`), and their neighbours put behind them.
    Words and names are spelled: each character is tokenised by itself. Where ``max_length`` is too short, branches are
    left out, of all words the second before the first and the last before those in front of them; then the text is cut
    at its end, where a word ends. ``[SEP]`` stays.

    Source: K-BERT (Liu et al., 2020), section 3.2; PKG-Bert's released code, which takes the neighbours from an
    unordered set, and cuts the tree wherever it is too long, ``[SEP]`` first.
    """

    def __init__(self, graph: WordGraph, tokenizer: Tokenizer, max_length: int) -> None:
        self.graph, self.tokenizer, self.max_length = graph, tokenizer, max_length
        self._spelled: dict[str, list[int]] = {}
        illustrated = graph.images.counts > 0
        self._node = np.where(illustrated, np.arange(len(graph.words)), NO_WORD)
        self._branches, self._offsets = self._spell_branches(graph.edges)

    def build(self, text: str) -> SentenceTree:
        """The tree of a text; white space is passed over."""
        spelled = self._spell(text)
        sizes = np.array([len(pieces) for pieces in spelled], dtype=np.int64)
        owners, words = self._words(text)
        ids = np.array([self.tokenizer.start, *(piece for pieces in spelled for piece in pieces)])
        owner = np.concatenate([[0], np.repeat(owners, sizes)])
        room = self.max_length - 1
        kept = len(ids) if len(ids) <= room else _last_end(owner, room)
        ids, owner = np.append(ids[:kept], self.tokenizer.stop), np.append(owner[:kept], len(words))
        words = np.append(words, NO_WORD)
        words[owner[kept - 1] + 1 :] = NO_WORD  # what is cut off has no branches
        tree = self._grow(ids, owner, words)
        cut = int(((owners > owner[kept - 1]) & (sizes > 0)).sum())
        return SentenceTree(tree.ids, tree.positions, tree.owner, tree.branch, tree.node, cut)

    def _grow(self, ids: Numbers, owner: Numbers, words: Int[np.ndarray, " W"]) -> _Pieces:
        """The pieces of a sentence, of which ``owner`` has the word of each, with its words' branches behind them.

        ``words`` are the numbers in the graph of the sentence's words.
        """
        known = np.flatnonzero(words >= 0)
        starts, stops = self._offsets[words[known]], self._offsets[words[known] + 1]
        taken = np.repeat(starts - (np.cumsum(stops - starts) - (stops - starts)), stops - starts)
        taken += np.arange(len(taken))
        hanging = np.repeat(known, stops - starts)
        fits = _fitting(hanging, self._branches.branch[taken], self.max_length - len(ids))
        taken, hanging = taken[fits], hanging[fits]
        node = np.full(len(words), NO_WORD)
        node[known] = self._node[words[known]]
        sentence = _Pieces(ids, np.arange(len(ids)), owner, np.zeros_like(owner), node[owner])
        last = np.searchsorted(owner, hanging, "right") - 1
        branches = _Pieces(*(column[taken] for column in self._branches))
        branches = branches._replace(positions=last + branches.positions, owner=hanging)
        # Stable: of one owner the word comes first, then its branches as they are.
        order = np.argsort(np.concatenate([owner, hanging]), kind="stable")
        return _Pieces(*(np.concatenate(pair)[order] for pair in zip(sentence, branches, strict=True)))

    def _words(self, text: str) -> tuple[Int[np.ndarray, " C"], Int[np.ndarray, " W"]]:
        """The number of each character's word, from 1 on, and that of each word in the graph; word 0 is the mark."""
        found = self.graph.matches(text)
        begins = np.ones(len(text), dtype=np.int64)
        for start, end, _ in found:
            begins[start + 1 : end] = 0
        owners = begins.cumsum()
        words = np.full(1 + begins.sum(), NO_WORD)
        words[owners[[one.start for one in found]]] = [one.word for one in found]
        return owners, words

    def _spell(self, text: str) -> list[list[int]]:
        """The pieces of each character; white space has none."""
        if new := [letter for letter in dict.fromkeys(text) if letter not in self._spelled]:
            pieces = zip(new, self.tokenizer.pieces(new), strict=True)
            self._spelled.update((letter, [] if letter.isspace() else ids) for letter, ids in pieces)
        return [self._spelled[letter] for letter in text]

    def _spell_branches(self, edges: Adjacency) -> tuple[_Pieces, Int[np.ndarray, " n"]]:
        """The pieces of all words' branches, word by word, and where those of each word begin.

        Their positions are steps from the word's last piece, and their owner is not known.
        """
        names = [[piece for letter in self._spell(word) for piece in letter] for word in self.graph.words]
        rows, offsets = [], [0]
        for word in range(len(self.graph.words)):
            for number, end in enumerate(edges.of(word).tolist(), start=1):
                rows += [(piece, step, 0, number, self._node[end]) for step, piece in enumerate(names[end], start=1)]
            offsets.append(len(rows))
        table = np.array(rows, dtype=np.int64).reshape(-1, 5)
        return _Pieces(*table.T), np.array(offsets)


def _fitting(owner: Numbers, branch: Numbers, room: int) -> Bool[np.ndarray, " T"]:
    """Which pieces of branches fit into so much room, whole ones: the first branches of all words, then the second."""
    order = np.argsort(branch, kind="stable")
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = (np.diff(branch[order]) != 0) | (np.diff(owner[order]) != 0)
    ends = np.append(np.flatnonzero(begins)[1:], len(order))
    fits = np.empty(len(order), dtype=bool)
    fits[order] = ends[begins.cumsum() - 1] <= room
    return fits


def _last_end(owner: Numbers, room: int) -> int:
    """How many of the first ``room`` pieces are of whole words; all, where none but the mark is."""
    ends = np.flatnonzero(np.diff(owner) != 0) + 1
    return int(max((end for end in ends.tolist() if 1 < end <= room), default=room))


def visible_pairs(
    owner: Int[Tensor, "B T"], branch: Int[Tensor, "B T"], mask: Bool[Tensor, "B T"]
) -> Bool[Tensor, "B T T"]:
    """The visible matrix: which pieces see each other.

    Those of the sentence see each other and the branches of their own word; those of a branch see their branch and
    their word. Padding is seen by none, and sees the sentence, so that its rows are no special case of attention.
    """
    sentence = branch == 0
    one_word = owner[:, :, None] == owner[:, None]
    one_branch = branch[:, :, None] == branch[:, None]
    both = sentence[:, :, None] & sentence[:, None]
    either = sentence[:, :, None] | sentence[:, None]
    return (both | one_word & (one_branch | either)) & mask[:, None]


def collate_trees(trees: Sequence[SentenceTree], pad_id: int, least: int = 0) -> Text:
    """Trees as one batch with soft positions and a visible matrix, padded to the longest, at least to ``least``."""
    text = text_batch([tree.ids.tolist() for tree in trees], pad_id, least)
    columns = ([getattr(tree, name).tolist() for tree in trees] for name in ("positions", "owner", "branch"))
    positions, owner, branch = (pad(rows, 0, text.ids.shape[1]) for rows in columns)
    visible = visible_pairs(owner, branch, text.mask)
    return Text(text.ids, text.mask, text.segments, positions=positions, visible=visible)


def tree_nodes(trees: Iterable[SentenceTree], width: int) -> Int[Tensor, "B T"]:
    """The word of the graph whose images each piece of a batch shows, -1 where there is none."""
    return pad([tree.node.tolist() for tree in trees], NO_WORD, width)
