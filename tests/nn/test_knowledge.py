"""A text and the graph around it: KLMo's aggregator and ERNIE's fusion against loops, and what each part reads."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from mkgc.batch import Knowledge, Text
from mkgc.data.examples import Span
from mkgc.data.knowledge import Subgraph, knowledge_batch
from mkgc.encoders.knowledge import TARGET, KnowledgeEncoder, check_vectors
from mkgc.encoders.text import random_text
from mkgc.errors import ConfigError
from mkgc.fusion.entities import InformationFusion
from mkgc.fusion.knowledge import KnowledgeAggregator
from mkgc.models.fusion_encoder import FusionEncoder
from mkgc.nn.span_pooling import SpanPooling, first_states, span_mask, spread
from mkgc.nn.streams import Streams
from mkgc.released.klmo import ReleasedAggregator, pooled_spans
from tests.nn.test_fusion import words

near: dict[str, Any] = {"rtol": 0, "atol": 1e-5}
ENTITIES, RELATIONS = [f"e{i}" for i in range(8)], ["r0", "r1"]
BORDERS, LANGUAGE = len(ENTITIES), len(ENTITIES) + 1
LENGTHS = [7, 4, 6]
GRAPHS = [
    # three mentions, of which two overlap; the first is related with the second, and that with the third
    Subgraph(
        7,
        (4, 1, 6, BORDERS, LANGUAGE),
        edges=((0, 3), (3, 1), (1, 4), (4, 2)),
        spans=(Span(0, 2), Span(1, 4), Span(5, 6)),
    ),
    Subgraph(4, ()),
    Subgraph(6, (3, 5), spans=(Span(2, 3), Span(4, 6))),  # a graph without edges
]
FUSIONS: dict[str, Any] = {
    "klmo": (KnowledgeAggregator, "neighbours"),
    "klmo_released": (ReleasedAggregator, "all"),
    "ernie": (InformationFusion, "mentioned"),
}
ALL = frozenset({"text", "side", "mentions"})
every = pytest.mark.parametrize("name", FUSIONS)


def network(name: str, fused: int = 2, outputs: Any = frozenset({"text"}), **side: Any) -> FusionEncoder:
    text = random_text(
        {
            "model_type": "bert",
            "vocab_size": 60,
            "hidden_size": 32,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "intermediate_size": 64,
        }
    )
    fusion, visible = FUSIONS[name]
    encoder = KnowledgeEncoder(12, fused, heads=4, hidden_dim=64, visible=visible, **side)
    model = FusionEncoder(text, encoder, fusion, fused, outputs=outputs)
    encoder.add_nodes(ENTITIES, RELATIONS)
    for parameter in model.parameters():
        parameter.data += torch.randn_like(parameter) * 0.2
    return model.eval()


def given() -> tuple[Text, Knowledge]:
    return words(LENGTHS), knowledge_batch(GRAPHS)


def shuffled(graph: Subgraph) -> Subgraph:
    """The same graph with its nodes that are not mentioned in another order."""
    count, size = len(graph.spans), len(graph.nodes)
    order = [*range(count), *reversed(range(count, size))]
    place = {node: i for i, node in enumerate(order)}
    edges = tuple((place[a], place[b]) for a, b in graph.edges)
    return Subgraph(graph.length, tuple(graph.nodes[i] for i in order), edges, graph.spans)


def reordered(graph: Subgraph) -> Subgraph:
    """The same graph with its mentions in another order, with their nodes."""
    count, size = len(graph.spans), len(graph.nodes)
    order = [*reversed(range(count)), *range(count, size)]
    place = {node: i for i, node in enumerate(order)}
    edges = tuple((place[a], place[b]) for a, b in graph.edges)
    spans = tuple(graph.spans[i] for i in order[:count])
    return Subgraph(graph.length, tuple(graph.nodes[i] for i in order), edges, spans)


def test_a_span_is_the_mean_of_its_tokens_by_a_softmax_of_their_scores() -> None:
    pooling, states = SpanPooling(4), torch.randn(2, 6, 4)
    spans = torch.tensor([[[0, 2], [1, 5]], [[3, 4], [0, 0]]])
    pooled = pooling(states, span_mask(spans, 6))
    for b, m in ((0, 0), (0, 1), (1, 0)):
        part = states[b, slice(*spans[b, m].tolist())]
        weights = (part @ pooling.score.weight[0]).softmax(0)
        torch.testing.assert_close(pooled[b, m], weights @ part, **near)
    assert pooled[1, 1].tolist() == [0] * 4


def test_tokens_have_the_mean_of_the_spans_that_they_lie_in() -> None:
    inside = span_mask(torch.tensor([[[0, 2], [1, 3]]]), 4)
    out = spread(torch.tensor([[[2.0], [4.0]]]), inside)
    assert out[0, :, 0].tolist() == [2, 3, 4, 0]


def test_released_spans_overwrite_their_tokens_with_plain_means_and_the_last_one_stays() -> None:
    states, spans = torch.randn(2, 6, 3), torch.tensor([[[0, 3], [2, 5], [0, 0]], [[4, 6], [4, 6], [1, 2]]])
    expected = states.clone()
    for b in range(2):
        for start, stop in spans[b].tolist():
            if start < stop:
                expected[b, start:stop] = states[b, start:stop].mean(0)
    torch.testing.assert_close(pooled_spans(states, spans), expected, **near)
    assert torch.equal(pooled_spans(states, spans[:, :0]), states)


def streams(model: FusionEncoder) -> tuple[Streams, Any, Any, Any]:
    """What the first fused layer is given, and its parts."""
    text, graph = given()
    below, seen = model.encode_text(text), model.encode_side(graph, len(text.ids))
    x = Streams(below.states, below.mask, seen.states, seen.mask, below.key_value, spans=graph.spans)
    return x, model.fusions[0], model.text.layers[-2], model.side.layers[0]


def heads_by_loop(query: Any, key: Any, value: Any, heads: int) -> torch.Tensor:
    """Scaled dot-product attention of one query over some keys, head by head."""
    width = len(query) // heads
    parts = [slice(h * width, (h + 1) * width) for h in range(heads)]
    return torch.cat([((key[:, p] @ query[p]) / width**0.5).softmax(0) @ value[:, p] for p in parts])


@torch.no_grad()
def test_the_aggregator_is_its_equations_mention_by_mention() -> None:
    x, fusion, text, side = streams(network("klmo"))
    out = fusion(x, text, side, last=False)
    tokens, block = text.self_attention(x.text, x.text_mask).state, text.block
    nodes = side.self_attention(x.side, x.side_mask).state
    for b, graph in enumerate(GRAPHS):
        own, mentions = nodes[b, : len(graph.nodes)], []
        for span in graph.spans:
            part = tokens[b, span.start : span.end]
            pooled = (part @ fusion.pooling.score.weight[0]).softmax(0) @ part
            cross = fusion.attention
            seen = heads_by_loop(cross.query(pooled), cross.key(own), cross.value(own), text.heads)
            mentions.append(fusion.norm(pooled + cross.out(seen)))
        for i, mention in enumerate(mentions):
            torch.testing.assert_close(out.mentions[b, i], mention, **near)
        for t in range(LENGTHS[b]):
            mine = [mention for mention, span in zip(mentions, graph.spans, strict=True) if span.start <= t < span.end]
            extra = sum(fusion.project(one) for one in mine) / len(mine) if mine else 0
            hidden = F.gelu(block.intermediate.dense(tokens[b, t]) + extra)
            expected = block.output.LayerNorm(tokens[b, t] + block.output.dense(hidden))
            torch.testing.assert_close(out.text[b, t], expected, **near)
        torch.testing.assert_close(out.side[b, : len(own)], side.feed_forward(own[None])[0], **near)


@torch.no_grad()
def test_nodes_attend_to_themselves_and_their_neighbours_as_a_loop_over_edges_does() -> None:
    model = network("klmo")
    x, _, _, side = streams(model)
    attended, part = side.self_attention(x.side, x.side_mask).state, side.block.attention
    for b, graph in enumerate(GRAPHS):
        for node in range(len(graph.nodes)):
            seen = sorted({node} | {a + c - node for a, c in graph.edges if node in (a, c)})
            states = torch.stack([model.side.node_vectors(torch.tensor(graph.nodes[i])) for i in seen])
            asking = model.side.node_vectors(torch.tensor(graph.nodes[node]))
            q, k, v = (getattr(part.self, one) for one in ("query", "key", "value"))
            context = heads_by_loop(q(asking), k(states), v(states), side.heads)
            expected = part.output.LayerNorm(asking + part.output.dense(context))
            torch.testing.assert_close(attended[b, node], expected, **near)


@torch.no_grad()
def test_ernies_tokens_and_entities_share_hidden_units_where_a_mention_begins() -> None:
    x, fusion, text, side = streams(network("ernie"))
    assert x.side.shape[1] == 3  # mentioned entities, and no relation
    out = fusion(x, text, side, last=False)
    tokens = text.self_attention(x.text, x.text_mask).state
    entities = side.self_attention(x.side, x.side_mask).state
    token, entity = text.block, side.block
    for b, graph in enumerate(GRAPHS):
        starts = {span.start: i for i, span in enumerate(graph.spans)}
        for t in range(LENGTHS[b]):
            hidden = token.intermediate.dense(tokens[b, t])
            if t in starts:
                hidden = hidden + entity.intermediate.dense(entities[b, starts[t]])
                e = entity.output.LayerNorm(entities[b, starts[t]] + entity.output.dense(F.gelu(hidden)))
                torch.testing.assert_close(out.side[b, starts[t]], e, **near)
            expected = token.output.LayerNorm(tokens[b, t] + token.output.dense(F.gelu(hidden)))
            torch.testing.assert_close(out.text[b, t], expected, **near)
    torch.testing.assert_close(out.mentions, first_states(out.text, x.spans), **near)


@every
@torch.no_grad()
def test_neither_padding_nor_batch_mates_nor_the_order_of_nodes_changes_a_text(name: str) -> None:
    model, (text, graph) = network(name, outputs=ALL), given()
    together = model(text, graph)
    wide = torch.cat([graph.nodes, torch.full_like(graph.nodes[:, :2], 7)], 1)  # two more that are padding
    padded = Knowledge(
        wide, F.pad(graph.mask, (0, 2)), F.pad(graph.adjacency, (0, 2, 0, 2)), F.pad(graph.spans, (0, 0, 0, 1))
    )
    again = model(text, padded)
    for i, own in enumerate(GRAPHS):
        one, count, size = torch.tensor([i]), len(own.spans), len(own.nodes)
        for other in (own, shuffled(own)):
            alone = model(
                Text(*(part[:, : LENGTHS[i]] for part in (text.ids[one], text.mask[one], text.segments[one]))),
                knowledge_batch([other]),
            )
            torch.testing.assert_close(alone.text[0], together.text[i, : LENGTHS[i]], **near)
            torch.testing.assert_close(alone.mentions[0, :count], together.mentions[i, :count], **near)
        torch.testing.assert_close(again.text[i, : LENGTHS[i]], together.text[i, : LENGTHS[i]], **near)
        kept = min(size, alone.side.shape[1], count if name == "ernie" else size)
        torch.testing.assert_close(again.side[i, :kept], together.side[i, :kept], **near)


@pytest.mark.parametrize("name", ["klmo", "ernie"])
@torch.no_grad()
def test_the_order_of_mentions_means_nothing(name: str) -> None:
    model, (text, graph) = network(name, outputs=ALL), given()
    out, other = model(text, graph), model(text, knowledge_batch([reordered(one) for one in GRAPHS]))
    torch.testing.assert_close(out.text[text.mask], other.text[text.mask], **near)
    torch.testing.assert_close(out.mentions[0, :3], other.mentions[0, :3].flip(0), **near)


def moved(name: str, change: Callable[[Subgraph], Subgraph]) -> list[bool]:
    """Which tokens of the first text change where its graph does."""
    model, (text, graph) = network(name), given()
    other = knowledge_batch([change(GRAPHS[0]), *GRAPHS[1:]])
    with torch.no_grad():
        difference = (model(text, graph).text - model(text, other).text).abs().amax(-1)
    assert float(difference[1:].max()) < 1e-5
    return [bool(one > 1e-4) for one in difference[0]]


def other_relation(graph: Subgraph) -> Subgraph:
    return replace(graph, nodes=(*graph.nodes[:3], LANGUAGE, LANGUAGE))


def other_edge(graph: Subgraph) -> Subgraph:
    return replace(graph, edges=((0, 3), (3, 2), (1, 4), (4, 2)))


def other_entity(graph: Subgraph) -> Subgraph:
    return replace(graph, nodes=(7, *graph.nodes[1:]))


@pytest.mark.parametrize("change", [other_relation, other_edge, other_entity])
def test_a_changed_triple_changes_all_states_of_klmo_and_none_of_the_released_one(change: Any) -> None:
    assert all(moved("klmo", change))
    assert not any(moved("klmo_released", change))


def test_ernie_reads_entities_and_no_relation() -> None:
    assert all(moved("ernie", other_entity))
    assert not any(moved("ernie", other_relation))
    assert not any(moved("ernie", other_edge))


@every
@torch.no_grad()
def test_a_text_without_a_graph_is_encoded_as_text_alone(name: str) -> None:
    model, (text, graph) = network(name), given()
    alone = FusionEncoder(model.text).eval()(text).text
    for out in (model(text, graph), model(text, knowledge_batch([Subgraph(n, ()) for n in LENGTHS])), model(text)):
        states, mask = out.text[1], text.mask[1]
        expected = pooled_alone(model, text)[1] if name == "klmo_released" else alone[1]
        torch.testing.assert_close(states[mask], expected[mask], **near)


def pooled_alone(model: FusionEncoder, text: Text) -> torch.Tensor:
    """The released layers of a text without a mention, whose tokens are added to themselves."""
    x = model.encode_text(text)
    states = x.states
    for layer in model.text.layers[-2:]:
        state = layer.self_attention(states, x.mask).state
        states = layer.feed_forward(state, layer.block.intermediate.dense(state))
    return states


@every
@pytest.mark.parametrize(
    "outputs", [{"text"}, {"text", "side"}, {"text", "mentions"}, ALL], ids=lambda o: "+".join(sorted(o))
)
@pytest.mark.parametrize("graphs", [GRAPHS, [Subgraph(n, ()) for n in LENGTHS], None], ids=["graphs", "empty", "none"])
def test_what_reaches_an_output_learns_and_nothing_else(name: str, outputs: Any, graphs: Any) -> None:
    """With graphs, with empty ones, and without any: processes that train together wait for each gradient."""
    frozen = name == "klmo_released" and not outputs & {"side", "mentions"}  # where no vector can reach an output
    model = network(name, outputs=frozenset(outputs), learn_vectors=not frozen)
    out = model(words(LENGTHS), () if graphs is None else knowledge_batch(graphs))
    total = out.text.pow(2).sum()
    total = total + sum(getattr(out, one).pow(2).sum() for one in outputs - {"text"})
    total.backward()
    for key, parameter in model.named_parameters():
        if key.startswith("side.") and ".weight" in key and "layers" not in key and graphs is None:
            continue  # vectors of nodes that no batch can have
        assert (parameter.grad is not None) == parameter.requires_grad, key
        if graphs is GRAPHS and parameter.grad is not None and "key.bias" not in key:
            assert parameter.grad.abs().sum() > 0, key


@every
@torch.no_grad()
def test_one_position_is_what_it_is_among_all(name: str) -> None:
    model, (text, graph), at = network(name), given(), torch.tensor([1, 0, 5])
    whole, one = model(text, graph), model(text, graph, at)
    torch.testing.assert_close(one.text[:, 0], whole.text[range(3), at], **near)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: KnowledgeEncoder(10, heads=4), "backbone.side.heads=4 does not divide backbone.side.width=10"),
        (lambda: network("klmo", fused=4), "the text encoder has 3 layers, the knowledge encoder 4"),
        (lambda: network("klmo", outputs={"text", "images"}), "backbone.outputs: there is no 'images'"),
    ],
)
def test_what_cannot_be_built_is_said_in_one_line(build: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build()


def test_hidden_units_are_shared_where_there_are_as_many() -> None:
    text = random_text({"model_type": "bert", "vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 1,
                        "num_attention_heads": 4, "intermediate_size": 64})  # fmt: skip
    with pytest.raises(ConfigError, match="backbone.side.hidden_dim=128: .* of which the text encoder has 64"):
        FusionEncoder(text, KnowledgeEncoder(12, 1, hidden_dim=128, visible="mentioned"), InformationFusion, 1)


@every
def test_nodes_begin_with_the_vectors_of_their_ids_and_no_checkpoint_names_the_file(name: str, tmp_path: Path) -> None:
    entities, relations = torch.randn(3, 12), torch.randn(2, 12)
    ids = {"entities": json.dumps(["e5", "other", "e2"]), "relations": json.dumps(["r1", "r0"])}
    save_file({"entities": entities, "relations": relations}, tmp_path / "v.safetensors", ids)
    side = KnowledgeEncoder(12, 1, visible=FUSIONS[name][1], vectors=str(tmp_path / "v.safetensors"))
    side.add_nodes(ENTITIES, RELATIONS)
    assert torch.equal(side.node_vectors(torch.tensor([5, 2])), entities[[0, 2]])
    if name != "ernie":  # which reads no relation
        assert torch.equal(side.node_vectors(torch.tensor([BORDERS, LANGUAGE])), relations.flip(0))
    again = KnowledgeEncoder(**{key: value for key, value in side.architecture_config().items() if key != "_target_"})
    again.add_nodes(ENTITIES, RELATIONS)
    again.load_state_dict(side.state_dict())
    assert "vectors" not in side.architecture_config()


def test_vectors_that_are_nowhere_are_told_before_anything_is_read(tmp_path: Path) -> None:
    node = {"_target_": TARGET, "vectors": str(tmp_path / "none")}
    with pytest.raises(ConfigError, match="backbone.side.vectors=.*none: there is no such run or file of vectors"):
        check_vectors({"side": node, "inputs": ["text", "knowledge"]})
    check_vectors({"side": node | {"vectors": str(tmp_path)}, "text": {"_target_": TARGET}})
