"""The released KLMo, reproduced: every recorded tensor, loss and gradient, and what its authors' graph cannot reach."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from mkgc.batch import Knowledge, Text
from mkgc.encoders.knowledge import KnowledgeEncoder
from mkgc.encoders.text import random_text
from mkgc.errors import CheckpointError
from mkgc.heads.linking import EntityLinking
from mkgc.heads.masked_lm import MaskedLM
from mkgc.models.fusion_encoder import FusionEncoder
from mkgc.released.klmo import ReleasedAggregator, pooled_spans
from mkgc.released.klmo_weights import klmo_names, klmo_sizes
from mkgc.released.weights import load_strictly, without_prefix

GOLDEN = Path(__file__).parents[1] / "golden" / "klmo_t2"
near: dict[str, Any] = {"rtol": 0, "atol": 1e-5}
scored: dict[str, Any] = {"rtol": 1e-6, "atol": 1e-5}  # scores of words reach 16: float32's own steps are then 2e-6
HEADS = 4


class Recorded(torch.nn.Module):
    """The released pretraining model of a state dictionary's sizes: our backbone with both of its heads."""

    def __init__(self, state: dict[str, torch.Tensor]) -> None:
        super().__init__()
        sizes: dict[str, Any] = klmo_sizes(state, HEADS)
        side = KnowledgeEncoder(**sizes["side"], visible="all", learn_vectors=False)
        outputs = frozenset({"text", "mentions"})
        self.backbone = FusionEncoder(
            random_text(sizes["text"]), side, ReleasedAggregator, sizes["fused"], outputs=outputs
        )
        self.backbone.text.add_tokens({})  # as a task does
        self.masked_lm = MaskedLM(self.backbone.width, self.backbone.text.words)
        self.linking = EntityLinking(self.backbone.width, side.width)
        renamed = klmo_names(state, sizes["fused"])
        renamed["masked_lm.table.words.weight"] = renamed["backbone.text.embeddings.word_embeddings.words.weight"]
        own = {
            name: value for name, value in self.state_dict().items() if "side.entities" in name or "side.rel" in name
        }
        load_strictly(self, renamed | own, "the state dictionary")
        self.eval()


@pytest.fixture(scope="module")
def recorded() -> dict[str, torch.Tensor]:
    return load_file(GOLDEN.with_suffix(".safetensors"))


@pytest.fixture(scope="module")
def said() -> dict[str, Any]:
    return dict(json.loads(GOLDEN.with_suffix(".json").read_text()))


def given(recorded: dict[str, torch.Tensor]) -> tuple[Text, Knowledge]:
    """The recorded inputs: nodes are rows of the recorded vectors, of which the first is padding's."""
    ids = recorded["in.input_ids"].long()
    text = Text(ids, recorded["in.attention_mask"].bool(), recorded["in.segment_ids"].long())
    mask, labelled = recorded["in.er_mask"].bool(), recorded["in.ent_ids"] >= 0
    left, right = (
        torch.where(labelled, recorded[f"in.ent_{side}"].long() + (side == "left"), 0) for side in ("left", "right")
    )
    spans = torch.stack([left, right], -1)  # the recorded places are those just outside a mention
    adjacency = mask[:, None] & mask[:, :, None]
    return text, Knowledge(recorded["in.er_ids"].long() + 1, mask, adjacency, spans)


@pytest.fixture
def model(recorded: Any) -> Recorded:
    made = Recorded(without_prefix(recorded, "w."))
    vectors = recorded["in.kg_embeddings"]
    made.backbone.side.add_nodes([str(i) for i in range(len(vectors))], [])
    made.backbone.side.entities.weight.data = vectors
    return made


def words_of(model: Recorded, states: torch.Tensor) -> torch.Tensor:
    """The scores of all words at each place."""
    return model.masked_lm(states.flatten(0, 1)).unflatten(0, states.shape[:2])


@torch.no_grad()
def test_every_recorded_state_is_reproduced(model: Recorded, recorded: Any) -> None:
    text, graph = given(recorded)
    words, nodes = model.backbone.text.embed(text), model.backbone.side.embed(graph)
    states, side = words.states, nodes.states
    found: dict[str, torch.Tensor] = {}
    for i, layer in enumerate(model.backbone.text.layers):
        fused = i - (len(model.backbone.text.layers) - len(model.backbone.fusions))
        attended = layer.self_attention(states, words.mask).state
        if fused < 0:
            states = layer.feed_forward(attended)
            found |= {f"out.layer.{i}.text": states, f"out.layer.{i}.span": states, f"out.layer.{i}.kg": side}
            continue
        fusion, below = model.backbone.fusions[fused], model.backbone.side.layers[fused]
        seen, pooled = below.self_attention(side, nodes.mask).state, pooled_spans(attended, graph.spans)
        states = layer.feed_forward(attended, layer.block.intermediate.dense(pooled))
        side = below.feed_forward(seen)
        found |= {f"mid.layer.{i}.kg_attention_out": seen, f"mid.layer.{i}.span_pooled_text": pooled}
        found |= {f"out.layer.{i}.text": states, f"out.layer.{i}.kg": side}
        found[f"out.layer.{i}.span"] = span = fusion.read(pooled, seen, graph.mask)
    out = model.backbone(text, graph)
    torch.testing.assert_close(out.text, states, **near)
    rows = torch.arange(len(span))[:, None]
    torch.testing.assert_close(out.mentions, span[rows, graph.spans[..., 0]], **near)
    found |= {"out.sequence": out.text, "out.span": span, "out.mlm_scores": words_of(model, out.text)}
    found["out.entity_scores"] = model.linking(out.mentions, recorded["in.candidates"]).flatten(0, 1)
    found["out.pooled"] = torch.tanh(
        F.linear(out.text[:, 0], recorded["w.bert.pooler.dense.weight"], recorded["w.bert.pooler.dense.bias"])
    )
    expected = {name for name in recorded if name.startswith(("mid.", "out.")) and "loss" not in name}
    assert expected == found.keys()
    for name in sorted(expected):
        bound = scored if name == "out.mlm_scores" else near
        torch.testing.assert_close(found[name], recorded[name], msg=lambda m, n=name: f"{n}: {m}", **bound)


def test_recorded_losses_and_gradients_are_reproduced(model: Recorded, recorded: Any, said: Any) -> None:
    text, graph = given(recorded)
    out = model.backbone(text, graph)
    words = F.cross_entropy(
        words_of(model, out.text).flatten(0, 1), recorded["in.masked_lm_labels"].long().flatten(), ignore_index=-1
    )
    scores = model.linking(out.mentions, recorded["in.candidates"]).flatten(0, 1)
    links = F.cross_entropy(scores, recorded["in.ent_labels"].long().flatten(), ignore_index=-1)
    for name, loss in {"loss_mlm": words, "loss_entity": links, "loss": words + links}.items():
        torch.testing.assert_close(loss, recorded[f"out.{name}"], **near)
    assert said["losses"]["total"] == pytest.approx(float((words + links).detach()), abs=1e-5)
    (words + links).backward()
    ours = {name: parameter.grad for name, parameter in model.named_parameters()}
    for name, norm in said["grad_norms"].items():
        renamed = klmo_names({name: torch.zeros(1)}, len(model.backbone.fusions), depth=len(model.backbone.text.layers))
        found = [ours[key] for key in renamed if key in ours]
        if norm is None:
            assert found in ([], [None]), name
        else:
            assert float(found[0].norm()) == pytest.approx(norm, rel=1e-4, abs=1e-6), name


@torch.no_grad()
def test_what_was_recorded_of_changed_graphs_is_so(model: Recorded, recorded: Any, said: Any) -> None:
    text, graph = given(recorded)
    before, probes = model.backbone(text, graph), said["probes"]["max_change_when_all_KG_embeddings_are_replaced"]
    first = recorded["in.er_ids"][0]
    turned = graph.nodes.clone()
    turned[0, :9] = first[[6, 7, 8, 0, 1, 2, 3, 4, 5]].long() + 1  # triples in another order
    reordered = model.backbone(text, replace(graph, nodes=turned))
    torch.testing.assert_close(reordered.mentions, before.mentions, **near)
    padded = torch.where(graph.mask, graph.nodes, 5)
    torch.testing.assert_close(model.backbone(text, replace(graph, nodes=padded)).mentions, before.mentions, **near)
    model.backbone.side.entities.weight.data = recorded["in.kg_embeddings"].flip(0)
    after = model.backbone(text, graph)
    assert torch.equal(after.text, before.text)
    assert probes["text hidden states"] == 0
    assert float((after.mentions - before.mentions).abs().max()) > 0.1


def test_a_state_dictionary_that_lacks_a_tensor_or_has_one_too_many_is_refused(recorded: Any) -> None:
    state = without_prefix(recorded, "w.")
    name = "bert.encoder.layer.3.span_attention.attention.dense_ent.weight"
    with pytest.raises(CheckpointError, match=r"missing backbone\.fusions\.1\.widen\.weight"):
        Recorded({key: value for key, value in state.items() if key != name})
    with pytest.raises(CheckpointError, match="left over cls.seq_relationship.weight"):
        Recorded(state | {"cls.seq_relationship.weight": torch.zeros(2, 64)})
    with pytest.raises(CheckpointError, match="no whole state dictionary of KLMo"):
        Recorded({key: value for key, value in state.items() if "word_embeddings" not in key})
    with pytest.raises(CheckpointError, match="heads=5 does not divide"):
        klmo_sizes(state, 5)
