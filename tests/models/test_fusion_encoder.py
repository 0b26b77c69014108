"""The streams that heads read of a fusion encoder, with images and with a small graph beside the text."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertLayer

from mkgc.batch import Knowledge, Text
from mkgc.data.examples import Span
from mkgc.data.knowledge import Subgraph, knowledge_batch
from mkgc.encoders.base import Encoder, Stream
from mkgc.encoders.text import random_text
from mkgc.encoders.vision import random_vision
from mkgc.fusion.coattention import CoAttention
from mkgc.fusion.prefix import PrefixFusion
from mkgc.models.fusion_encoder import FusionEncoder
from mkgc.nn.layers import TextLayer
from mkgc.nn.streams import Streams
from tests.nn.test_baselines import one_stream
from tests.nn.test_fusion import GROUPS, LENGTHS, words

near: dict[str, Any] = {"rtol": 0, "atol": 1e-5}
SIZES: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
BOTH = frozenset({"text", "side"})
GRAPHS = [
    Subgraph(6, (4, 9, 2, 7), edges=((0, 3), (3, 1)), spans=(Span(0, 2), Span(4, 6))),
    Subgraph(3, (1, 2)),
    Subgraph(5, ()),
    Subgraph(4, (5, 8, 3), edges=((1, 0),), spans=(Span(1, 2),)),
]


class GraphEncoder(Encoder):
    """Vectors of nodes, then layers of a text encoder's kind under the graph's visible matrix."""

    def __init__(self) -> None:
        super().__init__()
        config = BertConfig(**SIZES, attn_implementation="sdpa")
        self.width, self.nodes = 32, nn.Embedding(10, 32)
        self.layers = nn.ModuleList(TextLayer(BertLayer(config)) for _ in range(2))

    def embed(self, x: Knowledge) -> Stream:
        return Stream(self.nodes(x.nodes), x.adjacency)

    def embedding_modules(self) -> list[nn.Module]:
        return [self.nodes]

    def architecture_config(self) -> dict[str, Any]:
        return {}


def text_encoder() -> Any:
    return random_text({"model_type": "bert", "vocab_size": 60, **SIZES})


def with_images(fusion: Any, outputs: Any = BOTH) -> FusionEncoder:
    vision = random_vision("vit_tiny_patch16_224", img_size=32, embed_dim=32, depth=3, num_heads=4)
    return shaken(FusionEncoder(text_encoder(), vision, fusion, fused=2, outputs=outputs))


def with_graph(outputs: Any = BOTH) -> FusionEncoder:
    return shaken(FusionEncoder(text_encoder(), GraphEncoder(), CoAttention, fused=1, outputs=outputs))


def shaken(model: FusionEncoder) -> FusionEncoder:
    for parameter in model.parameters():
        parameter.data += torch.randn_like(parameter) * 0.1
    return model.eval()


@pytest.mark.parametrize("fusion", [PrefixFusion, CoAttention])
def test_a_side_that_is_read_is_finished_and_leaves_the_text_as_it_was(fusion: Any) -> None:
    both, given = with_images(fusion), words(LENGTHS)
    text_only = with_images(fusion, outputs={"text"})
    text_only.load_state_dict(both.state_dict())
    out, alone = both(given, GROUPS), text_only(given, GROUPS)
    assert torch.equal(out.text, alone.text)
    below, seen = both.text.run(both.text.embed(given), stop=1), both.encode_side(GROUPS, len(LENGTHS))
    x = Streams(below.states, below.mask, seen.states, seen.mask, below.key_value)
    for layer, *pair in zip(both.fusions, both.text.layers[-2:], both.side.layers[-2:], strict=True):
        x = layer(x, *pair, last=False)
    torch.testing.assert_close(out.side, both.side.final_norm(x.side), **near)
    assert not torch.allclose(out.side, alone.side, **near)


MODELS = {
    "prefix": lambda outputs: with_images(PrefixFusion, outputs),
    "co-attention": lambda outputs: with_images(CoAttention, outputs),
    "graph": lambda outputs: with_graph(outputs),
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("outputs", [BOTH, frozenset({"text"})], ids=["both", "text"])
def test_what_reaches_an_output_learns_and_nothing_else(make: Callable[..., Any], outputs: Any) -> None:
    model = make(outputs)
    inputs = knowledge_batch(GRAPHS) if isinstance(model.side, GraphEncoder) else GROUPS
    out = model(words(LENGTHS), inputs)
    total = out.text.pow(2).sum() + (out.side.pow(2).sum() if "side" in outputs else 0)
    total.backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
    assert all(p.requires_grad for p in model.side.layers[-1].parameters()) == ("side" in outputs)


def test_a_text_reads_its_own_graph_and_no_padding() -> None:
    model, given = with_graph(), words(LENGTHS)
    together = model(given, knowledge_batch(GRAPHS))
    for i, graph in enumerate(GRAPHS):
        one = torch.tensor([i])
        alone = model(given.rows(one), knowledge_batch([graph]))
        count = len(graph.nodes)
        torch.testing.assert_close(alone.text[given.mask[one]], together.text[one][given.mask[one]], **near)
        torch.testing.assert_close(alone.side[0, :count], together.side[i, :count], **near)


def test_a_node_depends_on_its_neighbours_and_not_on_others() -> None:
    model, given = with_graph(), words(LENGTHS)
    batch = knowledge_batch(GRAPHS)
    changed = batch.nodes.clone()
    changed[0, 1] = 5  # a neighbour of the fourth node, which is one of the first: two layers
    other = Knowledge(changed, batch.mask, batch.adjacency, batch.spans)
    moved = (model(given, batch).side - model(given, other).side)[0].abs().amax(1) > 1e-4
    assert moved.tolist() == [True, True, False, True]


def test_a_text_without_a_graph_is_encoded_as_text_alone() -> None:
    model, given = with_graph(), words(LENGTHS)
    out, alone = model(given, knowledge_batch(GRAPHS)).text[2], FusionEncoder(model.text).eval()(given).text[2]
    torch.testing.assert_close(out[given.mask[2]], alone[given.mask[2]], **near)


READERS = {
    "prefix": lambda: with_images(PrefixFusion),
    "co-attention": lambda: with_images(CoAttention),
    "one stream": one_stream,
    "text alone": lambda: shaken(FusionEncoder(text_encoder())),
}


@pytest.mark.parametrize("make", READERS.values(), ids=READERS)
def test_a_visible_matrix_hides_what_it_says_and_nothing_else(make: Callable[..., Any]) -> None:
    """Two texts in one, which do not see each other, are two texts."""
    model, first, second = make(), words([4]), words([3])
    both = [torch.cat([getattr(one, name) for one in (first, second)], 1) for name in ("ids", "mask", "segments")]
    visible = torch.block_diag(torch.ones(4, 4), torch.ones(3, 3)).bool()[None]
    positions = torch.tensor([[0, 1, 2, 3, 0, 1, 2]])
    joined = model(Text(*both, positions=positions, visible=visible)).text
    torch.testing.assert_close(joined[:, :4], model(first).text, **near)
    torch.testing.assert_close(joined[:, 4:], model(second).text, **near)


@pytest.mark.parametrize("make", READERS.values(), ids=READERS)
def test_one_position_under_a_visible_matrix_is_what_it_is_among_all(make: Callable[..., Any]) -> None:
    model, given, at = make(), words(LENGTHS, extra=2), torch.tensor([5, 0, 2, 3])
    visible = (torch.rand(4, 8, 8) < 0.5) | torch.eye(8, dtype=torch.bool)
    tree = Text(given.ids, given.mask, given.segments, visible=visible)
    whole, one = model(tree, GROUPS), model(tree, GROUPS, at)
    torch.testing.assert_close(one.text[:, 0], whole.text[range(4), at], **near)
    assert one.text_mask.tolist() == [[True]] * 4
