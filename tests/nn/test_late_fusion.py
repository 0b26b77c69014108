"""Multimodal systems on top of both encoders: each mechanism against loops, and what holds for all of them."""

import math
from collections import deque
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from mkgc.batch import Images, Scene, Shared, Text
from mkgc.encoders.base import Stream
from mkgc.encoders.text import random_text
from mkgc.encoders.vision import random_vision
from mkgc.errors import ConfigError
from mkgc.fusion.adaptive_coattention import AdaptiveCoAttention
from mkgc.fusion.graph_alignment import GraphAlignment, structural_alignment, structure, text_graph
from mkgc.fusion.multimodal_graph import GraphFusionLayer, MultimodalGraph
from mkgc.fusion.scene_features import SceneFeatures
from mkgc.fusion.sight import Sight, box_weights, look
from mkgc.fusion.unified_transformer import UnifiedTransformer
from mkgc.heads.span_detection import SpanDetection
from mkgc.models.late_fusion import LateFusion
from tests.nn.test_baselines import BERT, attention_by_hand, network_by_hand, shaken
from tests.nn.test_fusion import GROUPS, LENGTHS, images, only, words

near: dict[str, Any] = {"rtol": 0, "atol": 1e-5}

SCENE = Scene(
    torch.tensor(
        [
            [[0.0, 0.0, 0.5, 1.0], [0.3, 0.3, 0.9, 0.7], [0.1, 0.6, 0.2, 0.9]],
            [[0.2, 0.1, 0.7, 0.4], [0.0] * 4, [0.0] * 4],
            [[0.0] * 4] * 3,
            [[0.1, 0.1, 1.0, 1.0], [0.0, 0.5, 0.5, 1.0], [0.0] * 4],
        ]
    ),
    torch.tensor(
        [[[7, 8], [9, -1], [7, -1]], [[11, -1], [-1, -1], [-1, -1]], [[-1, -1]] * 3, [[7, 9], [8, -1], [-1, -1]]]
    ),
    torch.tensor([[[0, 1], [2, 1]], [[-1, -1]] * 2, [[-1, -1]] * 2, [[1, 0], [-1, -1]]]),
    torch.tensor([[[12, 13], [14, -1]], [[-1, -1]] * 2, [[-1, -1]] * 2, [[12, -1], [-1, -1]]]),
)

FUSIONS: dict[str, Any] = {
    "AdapCoAtt": AdaptiveCoAttention,
    "UMT": UnifiedTransformer,
    "UMGF": MultimodalGraph,
    "BERT+SG": SceneFeatures,
    "MEGA": GraphAlignment,
}
READS_SCENES = ("UMGF", "BERT+SG", "MEGA")


def late(name: str, width: int = 32, heads: int = 4, **options: Any) -> Any:
    vision = random_vision("vit_tiny_patch16_224", img_size=32, embed_dim=width, depth=2, num_heads=heads)
    return shaken(LateFusion(random_text(BERT), vision, FUSIONS[name], **options))


every_system = pytest.mark.parametrize("name", FUSIONS)


def alone(given: Text, i: int, n: int) -> Text:
    return Text(given.ids[i : i + 1, :n], given.mask[i : i + 1, :n], given.segments[i : i + 1, :n])


@every_system
@pytest.mark.parametrize(
    "options", [{}, {"width": 48, "heads": 3}, {"side_trainable_layers": 0, "trainable_layers": 1}]
)
def test_padding_and_batch_mates_never_change_a_text_state(name: str, options: Any) -> None:
    model, given = late(name, **options), words(LENGTHS, extra=3)
    together = model(given, GROUPS, scene=SCENE).text
    assert together.shape[-1] == model.width
    gaps = [
        Images(g.group, g.pixels, F.pad(g.slots, pad, value=-1))
        for g, pad in zip(GROUPS, ((0, 2), (1, 2)), strict=True)
    ]
    torch.testing.assert_close(model(given, gaps, scene=SCENE).text, together, **near)
    for i, n in enumerate(LENGTHS):
        one = model(alone(given, i, n), only(i, GROUPS), scene=SCENE.rows(torch.tensor([i]))).text[0]
        torch.testing.assert_close(one, together[i, :n], **near)


@every_system
def test_other_pixels_make_other_states_and_a_text_without_anything_to_see_is_as_in_a_batch_without(name: str) -> None:
    model, given = late(name), words(LENGTHS)
    other = [Images(g.group, g.pixels.flip(-1), g.slots) for g in GROUPS]
    out = model(given, GROUPS, scene=SCENE).text
    change = (out - model(given, other, scene=SCENE).text).abs().amax((1, 2))
    assert (change[[0, 1, 3]] > 1e-5).all()
    assert change[2] == 0
    for nothing in (
        [],
        [images("image", 32, [[-1]] * 4)],
        [Images("image", torch.zeros(0, 3, 32, 32), GROUPS[0].slots[:, :0])],
    ):
        torch.testing.assert_close(model(given, nothing).text[2], out[2], **near)


@pytest.mark.parametrize("name", READS_SCENES)
def test_a_scene_graph_matters_also_without_its_image(name: str) -> None:
    model, given = late(name), words(LENGTHS)
    change = (model(given, GROUPS, scene=SCENE).text - model(given, GROUPS).text).abs().amax((1, 2))
    assert (change[[0, 1, 3]] > 1e-5).all()
    assert change[2] == 0
    blind = (model(given, [], scene=SCENE).text - model(given, []).text).abs().amax((1, 2))
    assert (blind[[0, 1, 3]] > 1e-5).all()


@every_system
def test_all_that_learns_gets_a_finite_gradient(name: str) -> None:
    model = late(name)
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    model(words(LENGTHS), GROUPS, scene=SCENE).text.pow(2).sum().backward()
    for parameter_name, parameter in model.named_parameters():
        assert (parameter.grad is None) == (parameter_name in frozen), parameter_name
        assert parameter_name in frozen or parameter.grad.isfinite().all(), parameter_name


@every_system
def test_one_position_asked_for_alone_is_the_same(name: str) -> None:
    model, given, at = late(name), words(LENGTHS), torch.tensor([4, 0, 2, 1])
    one, whole = model(given, GROUPS, at, SCENE), model(given, GROUPS, scene=SCENE).text
    torch.testing.assert_close(one.text[:, 0], whole[torch.arange(4), at], **near)
    assert one.text_mask.shape[1] == 1


@every_system
def test_states_of_images_that_were_kept_say_the_same(name: str) -> None:
    """Kept states have no gap where an example shows fewer images than others."""
    model, given = late(name, side_trainable_layers=0), words(LENGTHS)
    out = model.side.run(model.side.embed(GROUPS), stop=len(model.side.layers))
    kept = torch.nn.utils.rnn.pad_sequence([s[m] for s, m in zip(out.states, out.mask, strict=True)], batch_first=True)
    lengths = out.mask.sum(1)
    order = torch.tensor([2, 0, 3, 1])
    shared = Shared(
        torch.zeros(0).long(), order.argsort(), kept[order], torch.arange(kept.shape[1]) < lengths[order, None]
    )
    empty = [
        Images(g.group, g.pixels[:0], g.slots, shared if i == 0 else replace(shared, states=None, mask=None))
        for i, g in enumerate(GROUPS)
    ]
    expected, found = (model(given, groups, scene=SCENE).text for groups in (GROUPS, empty))
    torch.testing.assert_close(found[given.mask], expected[given.mask], **near)


def seen(width: int = 32) -> Sight:
    """Something to see, without encoders: five patches, and three objects of which the last is not there."""
    mask = torch.tensor([[True] * 5, [True, True, False, False, False]])
    return Sight(
        Stream(torch.randn(2, 5, width), mask),
        torch.randn(2, 3, width),
        torch.rand(2, 3, 4),
        torch.randn(2, 3, 32),
        torch.tensor([[True, True, True], [True, True, False]]),
        torch.tensor([[[0, 1], [2, 1]], [[1, 0], [0, 0]]]),
        torch.randn(2, 2, 32),
        torch.tensor([[True, True], [True, False]]),
    )


def spoken() -> tuple[Text, Stream]:
    given = words([4, 3])
    return given, Stream(torch.randn(2, 4, 32), given.mask)


def of(name: str) -> Any:
    model = late(name)
    return model.fusion


def softmax(scores: list[float]) -> list[float]:
    raw = [math.exp(score) for score in scores]
    return [one / sum(raw) for one in raw]


@torch.no_grad()
def test_adaptive_co_attention_is_its_equations_written_out() -> None:
    fusion, sight, (given, stream) = of("AdapCoAtt"), seen(), spoken()
    out = fusion(given, stream, sight).text

    def attended(part: Any, query: Any, keys: Any) -> Any:
        weights = softmax([float(part.score(torch.tanh(part.query(query) + part.key(key)))) for key in keys])
        return sum(weight * key for weight, key in zip(weights, keys, strict=True))

    for b in range(2):
        said = [stream.states[b, t] for t in range(4) if given.mask[b, t]]
        patches = [torch.tanh(fusion.to_text(sight.tokens.states[b, v])) for v in range(5) if sight.tokens.mask[b, v]]
        for t, h in enumerate(said):
            v = attended(fusion.visual, h, patches)
            c = attended(fusion.textual, v, said)
            one, other = torch.tanh(fusion.seen(v)), torch.tanh(fusion.said(c))
            g = torch.sigmoid(fusion.gate(torch.cat([one, other])))
            m = g * one + (1 - g) * other
            s = torch.sigmoid(fusion.filter(torch.cat([h, m])))
            torch.testing.assert_close(out[b, t], torch.cat([h, s * torch.tanh(fusion.out(m))]), **near)


@torch.no_grad()
def test_a_word_s_own_attention_depends_on_the_word() -> None:
    fusion, sight, (_, stream) = of("AdapCoAtt"), seen(), spoken()
    weights = fusion.visual.weights(stream.states, torch.tanh(fusion.to_text(sight.tokens.states)), sight.tokens.mask)
    assert (weights[0, 0] - weights[0, 1]).abs().max() > 1e-4
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 4), **near)


def layer_by_hand(branch: Any, x: Any, other: Any, mask: Any) -> Any:
    x = branch.attended(x + attention_by_hand(branch.attention, x, other, mask))
    return branch.fed(x + network_by_hand(branch.network, x))


@torch.no_grad()
def test_the_unified_transformer_looks_both_ways_behind_a_visual_gate() -> None:
    fusion, sight, (given, stream) = of("UMT"), seen(), spoken()
    out, patches = fusion(given, stream, sight).text, sight.tokens
    r = layer_by_hand(fusion.words, stream.states, stream.states, given.mask)
    looking = layer_by_hand(fusion.image_to_text, fusion.seen_by_images(patches.states), r, given.mask)
    p = layer_by_hand(fusion.text_to_seen, r, looking, patches.mask)
    q = layer_by_hand(fusion.text_to_image, r, fusion.seen_by_text(patches.states), patches.mask)
    gate = 1 / (1 + (-fusion.gate(torch.cat([p, q], -1))).exp())
    torch.testing.assert_close(out[given.mask], torch.cat([p, gate * q], -1)[given.mask], **near)


@torch.no_grad()
def test_spans_are_detected_in_the_text_alone() -> None:
    model, given = late("UMT"), words(LENGTHS)
    assert model(given, GROUPS).unimodal is None
    assert model.detect_spans() == 32
    model.eval()
    with_images, without = model(given, GROUPS).unimodal, model(given, []).unimodal
    assert torch.equal(with_images, without)
    states = model.encode_text(given).states
    expected = layer_by_hand(model.fusion.detecting, states, states, given.mask)
    torch.testing.assert_close(with_images[given.mask], expected[given.mask], **near)
    assert late("UMGF").detect_spans() is None


@torch.no_grad()
def test_the_conversion_matrix_gives_each_mark_s_score_to_the_tags_it_may_be() -> None:
    tags = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    head, states = SpanDetection(8, tags).eval(), torch.randn(1, 3, 8)
    marks, typed = head(states), torch.randn(1, 3, 5)
    out = head.converted(marks, typed)
    for w in range(3):
        for c, tag in enumerate(tags):
            share = 1.0 if tag == "O" else 0.5
            expected = 0.5 * typed[0, w, c] + 0.5 * share * marks[0, w, "OBI".index(tag[0])]
            torch.testing.assert_close(out[0, w, c], expected, **near)
    gold, mask = torch.tensor([[3, 4, 0]]), torch.ones(1, 3, dtype=torch.bool)
    torch.testing.assert_close(head.loss(marks, gold, mask), head.crf(marks, torch.tensor([[1, 2, 0]]), mask))


@torch.no_grad()
def test_a_graph_fusion_layer_is_its_equations_written_out() -> None:
    layer = shaken(GraphFusionLayer(32, 64, 4, 0.1))
    x, o = torch.randn(2, 4, 32), torch.randn(2, 3, 32)
    masks = torch.tensor([[True] * 4, [True, True, True, False]]), torch.tensor([[True] * 3, [True, False, True]])
    out = layer(x, o, *masks)
    new = [
        part.norm(states + attention_by_hand(part.attention, states, states, mask))
        for part, states, mask in zip((layer.among_words, layer.among_objects), (x, o), masks, strict=True)
    ]
    for part, nodes, others, mask, there, found in (
        (layer.to_words, new[0], new[1], masks[1], masks[0], out[0]),
        (layer.to_objects, new[1], new[0], masks[0], masks[1], out[1]),
    ):
        for b in range(2):
            for i in range(nodes.shape[1]):
                total = torch.zeros(32)
                for j in range(others.shape[1]):
                    gate = torch.sigmoid(part.aggregation.node(nodes[b, i]) + part.aggregation.other(others[b, j]))
                    total += gate * others[b, j] * mask[b, j]
                state = part.aggregated(nodes[b, i] + total)
                network = part.network[2](part.network[0](state).clamp(min=0))
                if there[b, i]:
                    torch.testing.assert_close(found[b, i], part.fed(state + network), **near)


@torch.no_grad()
def test_words_stand_beside_their_nodes_of_the_multimodal_graph() -> None:
    fusion, sight, (given, stream) = of("UMGF"), seen(), spoken()
    out = fusion(given, stream, sight).text
    assert torch.equal(out[..., :32], stream.states)
    x, o = fusion.from_text(stream.states), fusion.from_side(sight.visual)
    for layer in fusion.layers:
        x, o = layer(x, o, given.mask, sight.present)
    torch.testing.assert_close(out[..., 32:], x, **near)
    with pytest.raises(ConfigError, match="backbone.fusion.layers=0 must be at least 1"):
        MultimodalGraph(late("UMGF").text.layers[0], late("UMGF").side.layers[0], layers=0)


@torch.no_grad()
def test_scene_features_are_means_of_objects_and_of_triples() -> None:
    fusion, sight, (given, stream) = of("BERT+SG"), seen(), spoken()
    out = fusion(given, stream, sight).text
    for b in range(2):
        parts = fusion.objects
        objects = [
            parts.norm(parts.visual(sight.visual[b, k]) + parts.name(sight.names[b, k]) + parts.box(sight.boxes[b, k]))
            for k in range(3)
        ]
        there = [objects[k].clamp(min=0) for k in range(3) if sight.present[b, k]]
        triples = []
        for r in range(2):
            if sight.related[b, r]:
                subject, other = (objects[int(k)] for k in sight.relations[b, r])
                joined = torch.cat([subject, fusion.predicate(sight.predicates[b, r]), other])
                triples.append(fusion.triple(joined).clamp(min=0))
        scene = torch.cat([torch.stack(there).mean(0), torch.stack(triples).mean(0)])
        for t in range(4):
            torch.testing.assert_close(out[b, t], torch.cat([stream.states[b, t], scene]), **near)


def hops(edges: Any, start: int) -> dict[int, int]:
    """The distance of every node that can be reached, by breadth-first search."""
    found, queue = {start: 0}, deque([start])
    while queue:
        node = queue.popleft()
        for other in range(len(edges)):
            if edges[node][other] and other not in found:
                found[other] = found[node] + 1
                queue.append(other)
    return found


def test_structure_counts_the_degrees_of_the_nodes_up_to_two_hops_away() -> None:
    edges = torch.rand(1, 9, 9) < 0.2
    edges = (edges | edges.transpose(1, 2)) & ~torch.eye(9, dtype=torch.bool)
    edges[0, 8], edges[0, :, 8] = False, False  # a node on its own
    found = structure(edges)[0]
    for node in range(9):
        expected = [0.0] * 8
        for other, distance in hops(edges[0], node).items():
            degree = int(edges[0, other].sum())
            if distance <= 2 and degree:
                expected[int(math.log2(degree))] += 0.01**distance
        torch.testing.assert_close(found[node], torch.tensor(expected), **near)


def test_the_text_s_graph_is_its_parse_or_else_a_chain() -> None:
    given = words([4, 3])
    chain = text_graph(given, given.mask)
    for b, n in enumerate([4, 3]):
        pairs = {(i, j) for i, j in pairwise(range(n))}
        expected = pairs | {(j, i) for i, j in pairs}
        assert {(i, j) for i in range(4) for j in range(4) if chain[b, i, j]} == expected
    parsed = text_graph(replace(given, governors=torch.tensor([[-1, 3, 1, -1], [1, -1, 1, -1]])), given.mask)
    assert {(i, j) for i in range(4) for j in range(4) if parsed[0, i, j]} == {(1, 3), (3, 1), (1, 2), (2, 1)}
    assert {(i, j) for i in range(4) for j in range(4) if parsed[1, i, j]} == {(0, 1), (1, 0), (1, 2), (2, 1)}


@torch.no_grad()
def test_graph_alignment_joins_both_alignments_of_each_object() -> None:
    fusion, sight, (given, stream) = of("MEGA"), seen(), spoken()
    out = fusion(given, stream, sight).text
    features = structure(text_graph(given, given.mask))
    edges = torch.zeros(2, 3, 3, dtype=torch.bool)
    for b, i, j in ((0, 0, 1), (0, 2, 1), (1, 1, 0)):
        edges[b, i, j] = edges[b, j, i] = True
    objects, shape = fusion.objects(sight), structure(edges)
    for b in range(2):
        inside, total = [t for t in range(4) if given.mask[b, t]], torch.zeros(32)
        hidden = [fusion.hidden(stream.states[b, t]) for t in inside]
        for k in range(3):
            if not sight.present[b, k]:
                continue
            query = fusion.query(objects[b, k])
            beta = softmax([float(query @ fusion.key(h)) / math.sqrt(32) for h in hidden])
            semantic = torch.sigmoid(sum(w * fusion.value(h) for w, h in zip(beta, hidden, strict=True)))
            alike = [math.exp(-float((shape[b, k] - features[b, t]).norm())) for t in inside]
            structural = sum(a / sum(alike) * h for a, h in zip(alike, hidden, strict=True))
            total += fusion.join(torch.cat([semantic, structural]))
        for t in range(4):
            torch.testing.assert_close(out[b, t], torch.cat([stream.states[b, t], total]), rtol=0, atol=1e-4)


def test_nodes_of_the_same_place_in_their_graphs_are_most_alike() -> None:
    star = torch.zeros(1, 4, 4, dtype=torch.bool)
    star[0, 0, 1:], star[0, 1:, 0] = True, True
    shares = structural_alignment(structure(star), structure(star), torch.ones(1, 4, dtype=torch.bool))
    assert shares[0, 0].argmax() == 0
    assert (shares[0, 1, 1:] > shares[0, 1, 0]).all()


def test_the_weights_of_a_box_are_the_areas_that_it_shares_with_each_patch() -> None:
    boxes = torch.tensor([[[0.1, 0.2, 0.6, 0.9], [0.5, 0.5, 0.51, 0.51], [0.0, 0.0, 0.0, 0.0]]])
    found, fine = box_weights(boxes, 2, 4)[0], 100
    for box, weights in zip(boxes[0, :2].tolist(), found, strict=False):
        counts = torch.zeros(2, 4)
        for y in range(round(box[1] * fine), round(box[3] * fine)):
            for x in range(round(box[0] * fine), round(box[2] * fine)):
                counts[y * 2 // fine, x * 4 // fine] += 1
        torch.testing.assert_close(weights, (counts / counts.sum()).flatten(), rtol=0, atol=1e-3)
    assert not found[2].any()


@torch.no_grad()
def test_objects_are_boxes_then_images_with_the_means_of_their_patches() -> None:
    model = late("UMGF")
    stream = Stream(torch.randn(4, 1 + 4 + 3 * 16, 32), model.side.embed(GROUPS).mask)
    sight = look(stream, GROUPS, SCENE, model.side, model.text.words)
    assert sight.visual.shape == (4, 3 + 1 + 3, 32)
    for b in range(4):
        patches = [stream.states[b, 1:5], *stream.states[b, 5:].unflatten(0, (3, 16))]
        slots = [*GROUPS[0].slots[b].tolist(), *GROUPS[1].slots[b].tolist()]
        for i, (slot, states) in enumerate(zip(slots, patches, strict=True)):
            assert sight.present[b, 3 + i] == (slot >= 0)
            if slot >= 0:
                torch.testing.assert_close(sight.visual[b, 3 + i], states.mean(0), **near)
        if slots[0] >= 0:
            expected = box_weights(SCENE.boxes, 2, 2)[b] @ patches[0]
            torch.testing.assert_close(sight.visual[b, :3], expected, **near)
    table = model.text.words
    torch.testing.assert_close(sight.names[0, 0], (table.weight[7] + table.weight[8]) / 2, **near)
    torch.testing.assert_close(sight.names[0, 1], table.weight[9], **near)
    torch.testing.assert_close(sight.predicates[0, 0], (table.weight[12] + table.weight[13]) / 2, **near)
    assert not sight.names[:, 3:].any()


@pytest.mark.parametrize("name", FUSIONS)
def test_a_batch_without_images_or_scene_graphs_trains(name: str) -> None:
    model = late(name).train()
    model(words(LENGTHS), []).text.pow(2).sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
