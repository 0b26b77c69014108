"""Sentence trees: against recordings of the authors' code, and against trees drawn by hand."""

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import tokenizers
import torch
from tokenizers.models import WordLevel
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from benchmarks.sentence_tree import released_tree, released_words
from mkgc.data.sentence_tree import SentenceTree, TreeBuilder, collate_trees, tree_nodes
from mkgc.data.tokens import SPECIALS, Tokenizer
from mkgc.data.word_graph import WordGraph, adjacency
from mkgc.data.word_graph_settings import WordGraphSettings

RECORDED = json.loads((Path(__file__).parents[1] / "golden" / "pkgbert_sentence_tree.json").read_text("utf-8"))


def spelling(letters: str) -> Tokenizer:
    """A tokeniser that knows some characters."""
    vocabulary = {name: number for number, name in enumerate([*SPECIALS, *dict.fromkeys(letters)])}
    backend = tokenizers.Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    backend.normalizer, backend.pre_tokenizer = BertNormalizer(), BertPreTokenizer()
    return Tokenizer(backend, len(vocabulary), *(vocabulary[name] for name in SPECIALS))


def graph_of(
    words: list[str],
    edges: Sequence[tuple[int, int, float]],
    images: Sequence[tuple[int, int, float]] = (),
    **settings: int,
) -> WordGraph:
    files = [f"{row}.png" for row in range(1 + max((row for _, row, _ in images), default=-1))]
    tables = adjacency(edges, len(words)), adjacency(images, len(words))
    return WordGraph(words, np.ones(len(words), np.int64), *tables, files, WordGraphSettings("", **settings))


def recorded_graph() -> WordGraph:
    """The graph of the recording, as the released code reads it.

    An edge to a node that there is not leads nowhere. A word that no edge names is not looked up there, though it has
    an image; ours would show that, so it gets none here.
    """
    words = [*RECORDED["nodes"]]
    edges = [(one, other, 1.0) for one, other in RECORDED["edges"] if other < len(words)]
    named = {end for one, other, _ in edges for end in (one, other)}
    shown = [number for number, node in enumerate(RECORDED["nodes"].values()) if node["n_images"]]
    images = [(number, number, 1.0) for number in shown if number in named]
    return graph_of(words, edges, images, max_neighbours=RECORDED["max_entities"])


def shown(builder: TreeBuilder, tree: SentenceTree) -> str:
    names = builder.tokenizer.names
    return " ".join(names[piece] for piece in tree.ids)


def rows(tree: SentenceTree) -> list[str]:
    seen = collate_trees([tree], 0).visible
    assert seen is not None
    return ["".join(str(int(cell)) for cell in row) for row in seen[0].tolist()]


@pytest.mark.parametrize("name", RECORDED["cases"])
def test_trees_are_those_of_the_released_code(name: str) -> None:
    """All pieces up to its cut, which takes [SEP] away there: how ours cuts is tested below."""
    case: dict[str, Any] = RECORDED["cases"][name]
    text = case["sentence"].removeprefix("[CLS]").removesuffix("[SEP]")
    builder = TreeBuilder(recorded_graph(), spelling("".join(RECORDED["nodes"]) + text), 40)
    tree, length = builder.build(text), case["max_length"]
    read = min(len(tree), length)
    assert shown(builder, tree).split()[:read] == case["tokens"][:read]
    assert tree.positions.tolist()[:read] == case["positions"][:read]
    assert (tree.branch > 0).astype(int).tolist()[:read] == case["seg"][:read]
    assert [row[:read] for row in rows(tree)[:read]] == [row[:read] for row in case["visible_matrix"][:read]]
    shows = [any(value) for value in case["visual"]]
    assert (tree.node >= 0).tolist()[:read] == shows[:read]


@pytest.mark.parametrize("name", RECORDED["cases"])
def test_the_reconstructed_loops_of_the_benchmark_are_those_of_the_released_code(name: str) -> None:
    case: dict[str, Any] = RECORDED["cases"][name]
    graph = recorded_graph()
    words = [(word, graph.neighbours(word)) for word in case["segmented"]]
    tree = released_tree(words, case["max_length"])
    assert (tree.letters, tree.positions, tree.branches) == (case["tokens"], case["positions"], case["seg"])
    assert ["".join(str(int(cell)) for cell in row) for row in tree.visible] == case["visible_matrix"]


def test_drawn_trees_are_those_of_the_loops() -> None:
    """Of 60 graphs and sentences over eight characters, where most words have neighbours."""
    random = Random(0)
    letters = "天地玄黄宇宙洪荒"
    for _ in range(60):
        words = [*dict.fromkeys("".join(random.choices(letters, k=random.randint(1, 3))) for _ in range(12))]
        size = len(words)
        edges = [(random.randrange(size), random.randrange(size), random.random()) for _ in range(20)]
        graph = graph_of(words, edges, max_neighbours=random.randint(0, 4))
        text = "".join(random.choices(letters, k=random.randint(1, 30)))
        builder = TreeBuilder(graph, spelling(letters), 500)
        tree = builder.build(text)
        loops = released_tree(released_words(graph, text), len(tree))
        assert shown(builder, tree).split() == loops.letters
        assert tree.positions.tolist() == loops.positions
        assert rows(tree) == ["".join(str(int(cell)) for cell in row) for row in loops.visible]


def test_a_tree_drawn_by_hand() -> None:
    """C 明 月 <圆> <夜> 照 S: both branches go on from 月, see it and 明, and not each other."""
    graph = graph_of(["明月", "夜", "圆"], [(0, 1, 1.0), (0, 2, 3.0)], [(0, 0, 1.0), (2, 1, 1.0)])
    tree = TreeBuilder(graph, spelling("明月夜圆照"), 16).build("明月照")
    assert tree.positions.tolist() == [0, 1, 2, 3, 3, 3, 4]
    assert tree.branch.tolist() == [0, 0, 0, 1, 2, 0, 0]
    assert tree.node.tolist() == [-1, 0, 0, 2, -1, -1, -1]
    assert rows(tree) == [
        "1110011",
        "1111111",
        "1111111",
        "0111000",
        "0110100",
        "1110011",
        "1110011",
    ]


def test_the_same_word_twice_has_branches_of_its_own() -> None:
    graph = graph_of(["月", "夜"], [(0, 1, 1.0)])
    tree = TreeBuilder(graph, spelling("月夜"), 16).build("月月")
    assert rows(tree) == ["110101", "111101", "011000", "110111", "000110", "110101"]


def test_neighbours_go_by_weight_then_by_number() -> None:
    graph = graph_of(["山", "石", "水", "云"], [(0, 3, 1.0), (0, 1, 1.0), (0, 2, 5.0), (0, 1, 0.5)])
    assert graph.neighbours("山") == ("水", "石")
    assert graph.neighbours("石") == graph.neighbours("天") == ()


def test_a_word_with_500_neighbours_gets_as_many_as_are_asked() -> None:
    words = ["山", *(chr(0x5000 + number) for number in range(500))]
    graph = graph_of(words, [(0, number, float(number)) for number in range(1, 501)], max_neighbours=3)
    tree = TreeBuilder(graph, spelling("".join(words)), 600).build("山")
    assert graph.neighbours("山") == (words[500], words[499], words[498])
    assert len(tree) == 6


def test_a_sentence_without_words_of_the_graph_is_a_plain_one() -> None:
    tree = TreeBuilder(graph_of(["山"], []), spelling("白日"), 16).build("白日")
    assert tree.positions.tolist() == [0, 1, 2, 3]
    assert rows(tree) == ["1111"] * 4


@pytest.mark.parametrize("words", [[], ["山"]])
def test_a_poem_of_one_unknown_character_is_unknown(words: list[str]) -> None:
    builder = TreeBuilder(graph_of(words, []), spelling("白"), 16)
    assert shown(builder, builder.build("鵷")) == "[CLS] [UNK] [SEP]"


def test_where_a_tree_is_too_long_branches_go_before_the_text_and_second_ones_first() -> None:
    graph = graph_of(["明月", "团圆", "夜", "山", "石"], [(0, 1, 2.0), (0, 2, 1.0), (3, 4, 1.0)])
    tokenizer = spelling("明月团圆夜山石照")
    written = {
        n: shown(TreeBuilder(graph, tokenizer, n), TreeBuilder(graph, tokenizer, n).build("明月照山"))
        for n in range(4, 11)
    }
    assert written[10] == "[CLS] 明 月 团 圆 夜 照 山 石 [SEP]"
    assert written[9] == "[CLS] 明 月 团 圆 照 山 石 [SEP]"
    assert written[8] == "[CLS] 明 月 团 圆 照 山 [SEP]"
    assert written[7] == written[6] == "[CLS] 明 月 照 山 [SEP]"
    assert written[5] == "[CLS] 明 月 照 [SEP]"
    assert written[4] == "[CLS] 明 月 [SEP]"


def test_a_poem_of_ten_thousand_characters_is_cut_where_a_word_ends_and_keeps_its_end_mark() -> None:
    graph = graph_of(["明月", "团圆"], [(0, 1, 1.0)])
    tokenizer = spelling("明月团圆照")
    trees = {length: TreeBuilder(graph, tokenizer, length).build("照明月照" * 2500) for length in range(3, 10)}
    builder = TreeBuilder(graph, tokenizer, 9)
    assert all(len(tree) <= length for length, tree in trees.items())
    assert shown(builder, trees[3]) == shown(builder, trees[4]) == "[CLS] 照 [SEP]"
    assert shown(builder, trees[5]) == "[CLS] 照 明 月 [SEP]"
    assert shown(builder, trees[7]) == "[CLS] 照 明 月 照 照 [SEP]"
    assert trees[7].cut == 9995
    assert trees[7].positions.tolist() == [*range(7)]
    assert TreeBuilder(graph, tokenizer, 40).build("照明月照" * 2).cut == 0


def test_batch_mates_and_padding_change_nothing_of_a_tree() -> None:
    graph = graph_of(["明月", "团圆"], [(0, 1, 1.0)], [(0, 0, 1.0)])
    builder = TreeBuilder(graph, spelling("明月团圆照"), 16)
    short, long = builder.build("明月"), builder.build("照明月照照")
    alone, both = collate_trees([short], 0), collate_trees([short, long], 0, least=12)
    assert both.ids.shape == (2, 12)
    assert alone.visible is not None
    assert both.visible is not None
    assert both.positions is not None
    size = len(short)
    assert torch.equal(both.visible[0, :size, :size], alone.visible[0])
    assert not both.visible[0, :size, size:].any()
    assert both.positions[0, :size].tolist() == short.positions.tolist()
    assert tree_nodes([short, long], 12)[0].tolist() == [*short.node.tolist(), *[-1] * (12 - size)]


def test_a_word_with_images_and_no_neighbours_shows_them() -> None:
    """The released code does not look such a word up."""
    graph = graph_of(["孤立"], [], [(0, 0, 1.0)])
    assert TreeBuilder(graph, spelling("孤立"), 8).build("孤立").node.tolist() == [-1, 0, 0, -1]


def test_a_graph_is_made_again_from_its_state() -> None:
    graph = graph_of(["明月", "夜", "圆"], [(0, 1, 1.0), (0, 2, 3.0)], [(0, 0, 1.0), (2, 1, 1.0)])
    again = WordGraph.from_state(graph.state())
    assert again.neighbours("明月") == ("圆", "夜")
    assert again.image_rows("圆") == (1,)
    assert [*again.segment("照明月")] == [*graph.segment("照明月")]
