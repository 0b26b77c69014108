"""What no task uses yet is a tensor program, too: it compiles whole and never waits for an accelerator."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from mkgc.batch import Text
from mkgc.data.knowledge import knowledge_batch
from mkgc.encoders.text import random_text
from mkgc.heads.linking import EntityLinking
from mkgc.heads.masked_lm import MaskedLM
from mkgc.heads.span_pairs import SpanPairClassifier
from tests.models.test_dual_encoder import loss, pictures, two_towers
from tests.models.test_fusion_encoder import GRAPHS, SIZES, with_graph
from tests.nn.test_fusion import LENGTHS, words
from tests.nn.test_knowledge import ALL, FUSIONS, RELATIONS, given, network
from tests.test_purity import Pretended, rest_checks

pytestmark = pytest.mark.slow


class Case(nn.Module):
    """A network, what is computed with it, and its inputs."""

    def __init__(self, network: nn.Module, run: Callable[..., Any], *inputs: Any) -> None:
        super().__init__()
        self.network, self.run, self.inputs = network.eval(), run, inputs
        self.metrics: dict[str, Any] = {}

    def forward(self, *inputs: Any) -> list[Tensor]:
        return [leaf for leaf in tree_leaves(self.run(self.network, *inputs)) if isinstance(leaf, Tensor)]


def pretrained(name: str) -> Case:
    """A text and its graph, with the heads that read mentions."""
    backbone = network(name, outputs=ALL)
    heads = {"linking": EntityLinking(32, 12), "related": SpanPairClassifier(32, len(RELATIONS))}
    return Case(nn.ModuleDict({"backbone": backbone, **heads}), _links_and_relations, *given())


def _links_and_relations(network: Any, *inputs: Any) -> tuple[Tensor, ...]:
    out = network["backbone"](*inputs)
    candidates = network["backbone"].side.node_vectors(inputs[1].nodes[:, 0])
    linked, related = network["linking"](out.mentions, candidates), network["related"](out.mentions[:, :2])
    return out.text, out.side, linked, related


def sentence_trees() -> Case:
    given = words(LENGTHS, extra=2)
    visible, features = torch.rand(4, 8, 8) < 0.5, torch.randn(4, 8, 3)
    tree = Text(given.ids, given.mask, given.segments, positions=given.ids % 7, visible=visible, features=features)
    encoder = random_text({"model_type": "bert", "vocab_size": 60, **SIZES}, feature_dim=3)
    head = MaskedLM(32, encoder.words)
    network = nn.ModuleDict({"encoder": encoder, "head": head})
    return Case(network, lambda net, text: net["head"](net["encoder"](text).states.flatten(0, 1)), tree)


CASES = {
    "two towers": lambda: Case(two_towers(), loss, words([5, 2, 4]), pictures()),
    "text and knowledge": lambda: Case(with_graph(), _both_streams, words(LENGTHS), knowledge_batch(GRAPHS)),
    "sentence trees": sentence_trees,
    **{name: partial(pretrained, name) for name in FUSIONS},
}


def _both_streams(network: nn.Module, *inputs: Any) -> tuple[Tensor, Tensor]:
    out = network(*inputs)
    return out.text, out.side


@pytest.fixture(params=list(CASES.values()), ids=list(CASES))
def case(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Case:
    """A case without jaxtyping's checks, which no compiler reads."""
    made = request.param()
    rest_checks(monkeypatch)
    return made


def test_it_compiles_as_one_graph(case: Case) -> None:
    torch._dynamo.reset()
    compiled = torch.compile(case.forward, fullgraph=True, dynamic=True, backend="eager")
    torch.testing.assert_close(compiled(*case.inputs), case(*case.inputs), rtol=1e-6, atol=1e-6)


def test_an_accelerator_never_waits_for_the_host(case: Case) -> None:
    pretend = Pretended()
    pretend.module(case)
    inputs = [[*map(pretend.part, x)] if isinstance(x, list) else pretend.part(x) for x in case.inputs]
    with pretend.mode, torch.no_grad():
        assert {leaf.device.type for leaf in case(*inputs)} == {"cuda"}
