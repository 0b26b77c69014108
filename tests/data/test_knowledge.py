"""Small graphs around texts become padded batches, in which nothing is left of what is not there."""

from typing import Any

import pytest
import torch

from mkgc.batch import Knowledge
from mkgc.data.examples import Span
from mkgc.data.knowledge import Subgraph, knowledge_batch
from mkgc.nn.attention import Attention
from mkgc.nn.streams import KeyValue

GRAPHS = [
    Subgraph(6, (4, 9, 2, 7), edges=((0, 3), (3, 1)), spans=(Span(0, 2), Span(4, 6))),
    Subgraph(3, ()),
    Subgraph(5, (5, 8), edges=((1, 0),), spans=(Span(1, 2),)),
]


def test_nodes_see_themselves_and_their_neighbours_and_padding_sees_nothing() -> None:
    batch = knowledge_batch(GRAPHS)
    assert batch.nodes.tolist() == [[4, 9, 2, 7], [0] * 4, [5, 8, 0, 0]]
    assert batch.mask.tolist() == [[True] * 4, [False] * 4, [True, True, False, False]]
    for row, graph in enumerate(GRAPHS):
        for one in range(4):
            for other in range(4):
                joined = {(one, other), (other, one)} & {*graph.edges} or (one == other and one < len(graph.nodes))
                assert bool(batch.adjacency[row, one, other]) == bool(joined)


def test_mentions_are_padded_with_empty_spans() -> None:
    batch = knowledge_batch(GRAPHS)
    assert batch.spans.tolist() == [[[0, 2], [4, 6]], [[0, 0], [0, 0]], [[1, 2], [0, 0]]]
    assert batch.mentioned.tolist() == [[True, True], [False, False], [True, False]]


def test_a_graph_in_a_batch_is_what_it_is_alone() -> None:
    together = knowledge_batch(GRAPHS)
    for row, graph in enumerate(GRAPHS):
        alone, nodes, spans = knowledge_batch([graph]), len(graph.nodes), len(graph.spans)
        assert torch.equal(together.nodes[row, :nodes], alone.nodes[0])
        assert torch.equal(together.adjacency[row, :nodes, :nodes], alone.adjacency[0])
        assert torch.equal(together.spans[row, :spans], alone.spans[0])


def test_a_batch_without_any_graph_is_attended_to_without_trouble() -> None:
    batch = knowledge_batch([Subgraph(3, ()), Subgraph(2, ())])
    assert batch.nodes.shape == (2, 0)
    assert batch.spans.shape == (2, 0, 2)
    batch = knowledge_batch(GRAPHS)
    query = torch.randn(3, 1, 4, 2)
    assert Attention()(query, KeyValue(query, query, batch.adjacency)).isfinite().all()


def test_knowledge_moves_as_one() -> None:
    moved = knowledge_batch(GRAPHS).to(torch.device("meta"))
    assert isinstance(moved, Knowledge)
    assert all(part.is_meta for part in (moved.nodes, moved.mask, moved.adjacency, moved.spans))


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"edges": ((0, 2),)}, r"edge \(0, 2\) of a graph with 2 nodes"),
        ({"edges": ((-1, 0),)}, r"edge \(-1, 0\)"),
        ({"spans": (Span(2, 2),)}, r"mention \(2, 2\) in a text of 4 tokens"),
        ({"spans": (Span(3, 5),)}, r"mention \(3, 5\)"),
        ({"spans": (Span(0, 1), Span(1, 2), Span(2, 3))}, "3 mentions of 2 nodes"),
    ],
)
def test_what_is_not_there_cannot_be_named(parts: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Subgraph(4, (1, 2), **parts)
