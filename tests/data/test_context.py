"""A sentence is read with the part of a graph that it speaks of."""

import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mkgc.data.context import KnowledgeContext, Mention, read_context
from mkgc.data.examples import Span
from mkgc.data.formats.links import Link
from mkgc.data.knowledge import Subgraph, collate_knowledge, knowledge_batch, piece_span
from mkgc.data.knowledge_settings import KnowledgeSettings
from mkgc.data.names import choose_owners
from mkgc.data.words import split_words
from mkgc.errors import CheckpointError, ConfigError, DataError

ENTITIES, RELATIONS = ("fr", "de", "paris", "mali"), ("borders", "capital", "in")
FR, DE, PARIS, MALI = range(4)
BORDERS, CAPITAL, IN = range(4, 7)
"""Nodes of entities and of relations."""
TRIPLES = np.array([[FR, 0, DE], [DE, 0, FR], [FR, 1, PARIS], [PARIS, 2, FR], [FR, 1, PARIS], [MALI, 0, MALI]])
NAMES = choose_owners([("France", "法国"), ("Germany",), ("Paris", "巴黎"), ("Mali",)], [4, 2, 3, 2])


def context(**settings: Any) -> KnowledgeContext:
    return KnowledgeContext(ENTITIES, RELATIONS, TRIPLES, NAMES, KnowledgeSettings("", **settings))


def mentioned(*entities: int) -> list[tuple[int, Span]]:
    """Mentions of a token each, two apart."""
    return [(entity, Span(2 * i, 2 * i + 1)) for i, entity in enumerate(entities)]


def joined(graph: Subgraph) -> set[frozenset[int]]:
    return {frozenset(edge) for edge in graph.edges}


def pairs(*edges: tuple[int, int]) -> set[frozenset[int]]:
    return {frozenset(edge) for edge in edges}


def test_nodes_are_mentions_then_a_relation_for_each_triple_among_them() -> None:
    graph = context().subgraph(mentioned(PARIS, FR), 10)
    assert graph.nodes == (PARIS, FR, CAPITAL, IN)
    assert graph.spans == (Span(0, 1), Span(2, 3))
    assert joined(graph) == pairs((0, 2), (1, 2), (0, 3), (1, 3))


def test_the_visible_matrix_is_that_of_a_graph_drawn_by_hand() -> None:
    batch = knowledge_batch([context().subgraph(mentioned(DE, FR, PARIS), 10)])
    assert batch.nodes.tolist() == [[DE, FR, PARIS, BORDERS, CAPITAL, BORDERS, IN]]
    rows = ["x..x.x.", ".x.xxxx", "..x.x.x", "xx.x...", ".xx.x..", "xx...x.", ".xx...x"]
    assert batch.adjacency[0].tolist() == [[sign == "x" for sign in row] for row in rows]


def test_an_entity_that_is_mentioned_twice_has_two_nodes_with_the_same_neighbours() -> None:
    graph = context().subgraph(mentioned(DE, FR, DE), 10)
    assert graph.nodes == (DE, FR, DE, BORDERS, BORDERS)
    assert joined(graph) == pairs((0, 2), *((end, relation) for end in range(3) for relation in (3, 4)))


def test_a_loop_is_a_relation_of_one_entity() -> None:
    graph = context().subgraph(mentioned(MALI), 10)
    assert (graph.nodes, joined(graph)) == ((MALI, BORDERS), pairs((0, 1)))


def test_with_relations_hidden_head_and_tail_are_neighbours() -> None:
    graph = context(hide_relations=True).subgraph(mentioned(DE, FR, PARIS, MALI), 10)
    assert graph.nodes == (DE, FR, PARIS, MALI)
    assert joined(graph) == pairs((0, 1), (1, 2))
    assert graph == context().subgraph(mentioned(DE, FR, PARIS, MALI), 10, hide_relations=True)


def test_beyond_max_nodes_mentions_go_first_then_triples_of_the_nearest() -> None:
    given = [(FR, Span(0, 1)), (DE, Span(9, 10)), (PARIS, Span(3, 4))]
    graph = context(max_nodes=5).subgraph(given, 10)
    assert graph.nodes == (FR, PARIS, DE, CAPITAL, IN)
    assert graph.left_out == 2
    few = context(max_nodes=2).subgraph(given, 10)
    assert (few.nodes, few.left_out) == ((FR, PARIS), 1 + 2)


def test_what_is_cut_off_is_dropped_and_counted() -> None:
    given = [(FR, Span(0, 0)), (DE, Span(8, 12)), (PARIS, Span(10, 11))]
    graph = context().subgraph(given, 10)
    assert (graph.nodes, graph.spans, graph.unread) == ((DE,), (Span(8, 10),), 2)


def test_overlapping_mentions_keep_their_nodes() -> None:
    graph = context().subgraph([(PARIS, Span(0, 3)), (FR, Span(2, 4)), (FR, Span(2, 4))], 10)
    assert graph.nodes[:3] == (PARIS, FR, FR)


def test_a_sentence_without_a_mention_has_an_empty_graph() -> None:
    assert context().subgraph([], 7) == Subgraph(7, ())
    assert collate_knowledge([None, None]) is None
    batch = collate_knowledge([None, context().subgraph(mentioned(MALI), 3)])
    assert batch is not None
    assert batch.mask.tolist() == [[False, False], [True, True]]


def test_the_order_of_mentions_and_triples_changes_nothing() -> None:
    given = mentioned(DE, FR, PARIS)
    other = KnowledgeContext(ENTITIES, RELATIONS, TRIPLES[::-1], NAMES, KnowledgeSettings(""))
    assert other.subgraph(given[::-1], 10) == context().subgraph(given, 10)


def test_the_triples_among_entities_are_those_that_a_search_finds() -> None:
    draw = random.Random(0)
    triples = np.array([[draw.randrange(30), draw.randrange(3), draw.randrange(30)] for _ in range(400)])
    known = KnowledgeContext([*map(str, range(30))], RELATIONS, triples, NAMES, KnowledgeSettings(""))
    for _ in range(50):
        some = draw.choices(range(30), k=6)
        found = {tuple(row) for row in triples.tolist() if row[0] in some and row[2] in some}
        listed = [tuple(row) for row in known.among(some).tolist()]
        assert (set(listed), len(listed)) == (found, len(found))
    assert known.among([]).shape == (0, 3)


def test_names_are_found_in_raw_text_and_in_words_alike() -> None:
    raw = split_words("Paris is in France's north: 巴黎在法国。")
    expected = (Mention(Span(0, 1), PARIS), Mention(Span(3, 4), FR))
    assert context().link(raw.words, raw)[:2] == expected
    assert [one.entity for one in context().link(raw.words, raw)] == [PARIS, FR, PARIS, FR]
    assert context().link(raw.words) == context().link(raw.words, raw)
    assert context().link(["巴黎", "在", "法国"]) == (Mention(Span(0, 1), PARIS), Mention(Span(2, 3), FR))
    assert context().link(["巴黎人"]) == ()
    assert context().link([]) == ()


def test_links_that_are_given_count_and_the_linker_is_asked_where_there_are_none() -> None:
    links = (Link(Span(1, 2), "mali"), Link(Span(0, 1), "Q0"))
    tokens = ["Paris", "Mali"]
    assert context().mentions(tokens, links=links) == (Mention(Span(1, 2), MALI),)
    assert context().mentions(tokens, links=()) == ()
    assert [one.entity for one in context().mentions(tokens)] == [PARIS, MALI]
    assert context(link=False).mentions(tokens) == ()


def test_answers_name_what_was_linked() -> None:
    raw = split_words("In 巴黎")
    said = context().describe(context().link(raw.words, raw), raw.words, raw)
    assert said == [{"start": 1, "end": 3, "text": "巴黎", "char": [3, 5], "id": "paris"}]


def test_a_checkpoint_carries_all_that_links_and_surrounds_a_sentence(tmp_path: Path) -> None:
    torch.save(context(max_nodes=5).state(), tmp_path / "state.pt")
    again = KnowledgeContext.from_state(torch.load(tmp_path / "state.pt", weights_only=True))
    assert again.digest() == context().digest()
    assert again.settings == KnowledgeSettings("", max_nodes=5)
    assert again.link(["Paris"]) == context().link(["Paris"])
    assert again.subgraph(mentioned(DE, FR), 9) == context().subgraph(mentioned(DE, FR), 9)


def test_other_processes_link_alike() -> None:
    known = context()
    expected = known.link(["Paris"])
    assert pickle.loads(pickle.dumps(known)).link(["Paris"]) == expected


@pytest.mark.parametrize(
    "damage",
    [
        {"triples": torch.tensor([[0, 0, 4]])},
        {"triples": torch.tensor([[0, 3, 1]])},
        {"triples": torch.tensor([[0, -1, 1]])},
        {"triples": torch.zeros(2, 2)},
        {"owners": torch.full((len(NAMES.names),), 4)},
        {"owners": torch.tensor([0])},
        {"settings": {"root": "/etc"}},
    ],
)
def test_a_damaged_state_is_refused(damage: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError):
        KnowledgeContext.from_state(context().state() | damage)


def test_another_triple_or_id_is_another_graph() -> None:
    digests = {
        KnowledgeContext(entities, RELATIONS, triples, NAMES, KnowledgeSettings("")).digest()
        for entities, triples in ((ENTITIES, TRIPLES), (ENTITIES, TRIPLES[1:4]), (("x", *ENTITIES[1:]), TRIPLES))
    }
    assert len(digests) == 3


def test_pieces_of_words_are_those_that_are_read() -> None:
    words = [-1, 0, 0, 1, -1, 2, -1]
    assert piece_span(Span(0, 1), words) == (1, 3)
    assert piece_span(Span(1, 3), words) == (3, 6)
    assert piece_span(Span(3, 4), words) == (0, 0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "entities.tsv").write_text(
        "id\tname\tname:zh\taliases\nfr\tFrance\t法国\tFR|A\nde\tGermany\t\t\n", "utf-8"
    )
    (tmp_path / "triples.tsv").write_text("fr\tborders\tde\nde\tborders\tfr\n")
    return tmp_path


def test_a_graph_is_read_with_all_its_names(root: Path) -> None:
    known = read_context(KnowledgeSettings(str(root)))
    assert known.names.names == ("France", "法国", "FR", "Germany")
    assert known.link(["In", "法", "国"]) == (Mention(Span(1, 3), 0),)
    assert len(known.triples) == 2


def test_of_a_graph_with_splits_train_is_read(root: Path) -> None:
    (root / "triples.tsv").rename(root / "train.tsv")
    for split in ("dev", "test"):
        (root / f"{split}.tsv").write_text("de\tborders\tde\n")
    assert len(read_context(KnowledgeSettings(str(root), format="tsv")).triples) == 2


def test_a_graph_may_have_names_alone(root: Path) -> None:
    (root / "triples.tsv").unlink()
    known = read_context(KnowledgeSettings(str(root), format="names"))
    graph = known.subgraph([(mention.entity, mention.span) for mention in known.link(["France", "Germany"])], 2)
    assert (graph.nodes, graph.edges, known.relations) == ((0, 1), (), ())
    with pytest.raises(DataError, match="triples.tsv: no such file"):
        read_context(KnowledgeSettings(str(root)))
    (root / "entities.tsv").unlink()
    with pytest.raises(DataError, match="entities.tsv: no such file"):
        read_context(KnowledgeSettings(str(root), format="names"))


def test_a_folder_that_is_not_there_is_told_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"data.knowledge.root=.*/graph: there is no such folder; with data.knowledge="
    ):
        read_context(KnowledgeSettings(str(tmp_path / "graph")))


@pytest.mark.parametrize("wrong", [{"max_nodes": 0}, {"min_characters": 0}])
def test_limits_are_positive(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"data.knowledge.{min(wrong)}=0 must be at least 1"):
        KnowledgeSettings("", **wrong)
