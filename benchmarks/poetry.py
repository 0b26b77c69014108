"""`python -m benchmarks.poetry`: poems a second in pretraining, with tree, matrix and images, beside plain BERT.

A step is the batch's making, forward, loss and backward over 32 poems of 56 characters, a quarter of whose words are of
the graph. All ways have the same poems and the same random encoder, 4 layers of width 128 and 12 of width 768, on one
thread, and take turns; seconds are of processor time, and the median of the rounds counts. ``small`` measures one round
of tiny encoders, and writes nothing. Writes the table of ``docs/poetry.md``.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.runs import fill, machine
from mkgc.batch import Text
from mkgc.data.hidden import collate_hidden
from mkgc.data.masking import WordMasking
from mkgc.data.processor import text_batch
from mkgc.data.sentence_tree import SentenceTree, TreeBuilder, collate_trees, tree_nodes
from mkgc.data.tokens import Tokenizer, learned
from mkgc.data.word_graph import WordGraph, adjacency
from mkgc.data.word_graph_settings import WordGraphSettings
from mkgc.encoders.text import random_text
from mkgc.heads.masked_lm import MaskedLM
from mkgc.losses.cosine import cosine_distance
from mkgc.models.pkg_bert import PkgBert

PAGE = Path(__file__).parent.parent / "docs" / "poetry.md"
BEGIN, END = "<!-- table: python -m benchmarks.poetry -->", "<!-- end of table of poems a second -->"
BATCH, CHARACTERS, DIM, ROUNDS = 32, 56, 512, 5
SIZES = {"4 layers of width 128": (128, 4), "12 layers of width 768": (768, 12)}
SMALL = {"2 layers of width 32": (32, 2)}
"""Width and layers of encoders; heads are of width 32 and 64."""

WAYS = ("plain BERT", "tree and matrix", "tree, matrix and images")
LETTERS = [chr(0x4E00 + i) for i in range(3000)]


def graph(words: Sequence[str], draw: random.Random) -> WordGraph:
    """Two neighbours and an image for each word."""
    size = len(words)
    edges = adjacency(((i, draw.randrange(size), 1.0) for i in range(size) for _ in range(2)), size)
    images = adjacency(((i, i, 1.0) for i in range(size)), size)
    return WordGraph(words, np.ones(size, np.int64), edges, images, ["none.png"] * size, WordGraphSettings(""))


class Way:
    """One way of reading poems, with the same weights as the others."""

    def __init__(self, name: str, width: int, layers: int, poems: Sequence[str], words: WordGraph) -> None:
        self.tokenizer: Tokenizer = learned([" ".join(LETTERS)], 1)
        self.tree, self.visual, self.poems = name != WAYS[0], name == WAYS[2], poems
        self.trees = TreeBuilder(words if self.tree else WordGraph.empty(), self.tokenizer, 256)
        self.masking, self.rows = WordMasking(self.tokenizer, 0.15), F.normalize(torch.randn(len(words.words), DIM))
        torch.manual_seed(0)
        config = {
            "model_type": "bert",
            "hidden_size": width,
            "num_hidden_layers": layers,
            "num_attention_heads": max(width // 64, 2),
            "intermediate_size": 4 * width,
            "max_position_embeddings": 256,
        }
        self.backbone = PkgBert(random_text(config, self.tokenizer.size))
        self.backbone.enter_space(DIM, self.visual, vectors=True)
        self.head = MaskedLM(width, self.backbone.text.words)
        self.teacher = F.normalize(torch.randn(len(poems), DIM), dim=-1)

    def text(self, trees: Sequence[SentenceTree]) -> Text:
        """The batch of trees, as the task makes it."""
        if not self.tree:
            return text_batch([tree.ids.tolist() for tree in trees], self.tokenizer.pad)
        found = collate_trees(trees, self.tokenizer.pad)
        if not self.visual:
            return found
        features = torch.cat([self.rows, self.rows.new_zeros(1, DIM)])[tree_nodes(trees, found.ids.shape[1])]
        return Text(found.ids, found.mask, found.segments, found.positions, found.visible, features)

    def step(self) -> None:
        """One batch, forward and backward."""
        trees = [self.trees.build(poem) for poem in self.poems]
        text = self.text(trees)
        units = [np.where(tree.branch == 0, np.arange(len(tree)), -1).tolist() for tree in trees]
        drawn = np.random.default_rng(0)
        shown = [
            self.masking.hide(t.ids.tolist(), own, set(), set(), drawn) for t, own in zip(trees, units, strict=True)
        ]
        hidden = collate_hidden([one.targets for one in shown], text.ids.shape[1])
        states = self.backbone(text)
        words = F.cross_entropy(self.head(states.flatten(0, 1)[hidden.places]), hidden.targets)
        (words + cosine_distance(self.backbone.vectors(states), self.teacher).mean()).backward()


def poem(words: Sequence[str], draw: random.Random) -> str:
    """A poem, a quarter of whose words are of the graph."""
    others = ("".join(draw.sample(LETTERS, 2)) for _ in range(CHARACTERS // 2))
    return "".join(draw.choice(words) if draw.random() < 0.25 else other for other in others)


def measured(step: Callable[[], None]) -> float:
    """Poems a second of processor time."""
    began = time.process_time()
    step()
    return BATCH / (time.process_time() - began)


def row(width: int, layers: int, rounds: int) -> list[float]:
    """Poems a second of each way, which take turns."""
    draw = random.Random(0)
    words = graph(sorted({"".join(draw.sample(LETTERS, 2)) for _ in range(2000)}), draw)
    poems = [poem(words.words, draw) for _ in range(BATCH)]
    ways = [Way(name, width, layers, poems, words) for name in WAYS]
    for way in ways:
        way.step()
    found = [[measured(way.step) for way in ways] for _ in range(rounds)]
    return [statistics.median(each) for each in zip(*found, strict=True)]


def main() -> None:
    """Measures both sizes and writes the table."""
    torch.set_num_threads(1)
    small = sys.argv[1:] == ["small"]
    lines = [f"| poems a second of processor time | {' | '.join(WAYS)} |", f"| --- |{' --- |' * len(WAYS)}"]
    for name, (width, layers) in (SMALL if small else SIZES).items():
        figures = row(width, layers, 1 if small else ROUNDS)
        lines.append(f"| {name} | {' | '.join(f'{figure:.1f}' for figure in figures)} |")
        print(lines[-1], flush=True)
    if not small:
        fill(PAGE, BEGIN, END, "\n".join([*lines, "", machine()]))


if __name__ == "__main__":
    main()
