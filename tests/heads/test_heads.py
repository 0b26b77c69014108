"""Heads, and the losses that read them, against loops and the libraries' own."""

import math
from itertools import pairwise, product
from typing import Any

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertForMaskedLM
from transformers.models.clip.modeling_clip import image_text_contrastive_loss

from mkgc.heads.linking import EntityLinking
from mkgc.heads.masked_lm import MaskedLM
from mkgc.heads.pair import PairClassifier
from mkgc.heads.projection import Projection
from mkgc.heads.span import SpanTagger
from mkgc.losses.contrastive import contrastive_loss
from mkgc.nn.embeddings import ExtendedEmbedding

near: dict[str, Any] = {"rtol": 0, "atol": 1e-5}


def test_the_masked_language_model_head_is_transformers_own() -> None:
    sizes: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    }
    theirs = BertForMaskedLM(BertConfig(vocab_size=20, **sizes)).eval()
    transform = theirs.cls.predictions.transform
    ours = MaskedLM(16, theirs.bert.embeddings.word_embeddings)
    ours.dense.load_state_dict(transform.dense.state_dict())
    ours.norm.load_state_dict(transform.LayerNorm.state_dict())
    nn.init.normal_(ours.bias)
    theirs.cls.predictions.bias.data = ours.bias.data
    states = torch.randn(3, 16)
    torch.testing.assert_close(ours(states), theirs.cls(states), **near)
    torch.testing.assert_close(ours.score(ours.transform(states), slice(4, 9)), ours(states)[:, 4:9], **near)


def test_rows_of_the_head_are_those_of_the_input_and_learn_from_both() -> None:
    table = ExtendedEmbedding(nn.Embedding(5, 8), {"entities": 3})
    head = MaskedLM(8, table, bias=-2.0)
    assert head(torch.zeros(2, 8)).shape == (2, 8)
    torch.testing.assert_close(
        head(torch.zeros(1, 8))[0] - head.transform(torch.zeros(1, 8))[0] @ table.weight.T, torch.full((8,), -2.0)
    )
    head(table(torch.tensor([6]))).sum().backward()
    assert (table.new_tokens["entities"].weight.grad != 0).any(1).all()


def test_a_pair_is_read_at_its_markers_or_at_the_first_token() -> None:
    states, markers = torch.randn(3, 5, 4), torch.tensor([[1, 3], [0, 2], [4, 1]])
    both, first = PairClassifier(4, 2), PairClassifier(4, 2, pooling="cls")
    mask = torch.ones(3, 5, dtype=torch.bool)
    for b, (head, tail) in enumerate(markers.tolist()):
        expected = both.classifier(torch.cat([states[b, head], states[b, tail]]))
        torch.testing.assert_close(both(states, markers, mask)[b], expected, **near)
        torch.testing.assert_close(first(states, markers, mask)[b], first.classifier(states[b, 0]), **near)


def test_a_projection_is_a_direction() -> None:
    head, pooled = Projection(6, 4), torch.randn(3, 6)
    mapped = pooled @ head.linear.weight.detach().T
    expected = torch.stack([row / math.sqrt(sum(float(x) ** 2 for x in row)) for row in mapped])
    torch.testing.assert_close(head(pooled), expected, **near)
    torch.testing.assert_close(head(3 * pooled), head(pooled), **near)


def test_directions_are_never_rounded_to_half_precision() -> None:
    head, pooled = Projection(6, 4), torch.randn(3, 6)
    with torch.autocast("cpu", torch.bfloat16):
        found = head(pooled.bfloat16())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, head(pooled.bfloat16().float()), **near)


def test_the_contrastive_loss_is_its_loop_and_transformers_clip_loss() -> None:
    text, image = (nn.functional.normalize(torch.randn(4, 6), dim=-1) for _ in range(2))
    scale, total = torch.tensor(7.0), 0.0
    for i in range(4):
        for one, others in ((text[i], image), (image[i], text)):
            raw = [math.exp(7.0 * float(one @ other)) for other in others]
            total -= math.log(raw[i] / sum(raw)) / 8
    loss = contrastive_loss(text, image, scale)
    assert float(loss) == pytest.approx(total, abs=1e-5)
    torch.testing.assert_close(loss, image_text_contrastive_loss(scale * text @ image.T), **near)
    torch.testing.assert_close(loss, contrastive_loss(image, text, scale), **near)


def test_pairs_that_share_a_text_or_an_image_are_right_in_equal_shares() -> None:
    text, image = (nn.functional.normalize(torch.randn(4, 6), dim=-1) for _ in range(2))
    texts, images, total = [0, 0, 1, 2], [5, 6, 6, 7], 0.0
    for i in range(4):
        right = [j for j in range(4) if texts[i] == texts[j] or images[i] == images[j]]
        for one, others in ((text[i], image), (image[i], text)):
            raw = [math.exp(7.0 * float(one @ other)) for other in others]
            total -= sum(math.log(raw[j] / sum(raw)) / len(right) for j in right) / 8
    loss = contrastive_loss(text, image, torch.tensor(7.0), torch.tensor(texts), torch.tensor(images))
    assert float(loss) == pytest.approx(total, abs=1e-5)


def test_pairs_of_which_none_shares_anything_are_compared_as_by_clip() -> None:
    text, image = (nn.functional.normalize(torch.randn(4, 6), dim=-1) for _ in range(2))
    plain = contrastive_loss(text, image, torch.tensor(7.0))
    torch.testing.assert_close(
        contrastive_loss(text, image, torch.tensor(7.0), torch.arange(4), torch.arange(4)), plain
    )


def test_tags_of_a_sentence_are_scored_as_whole_paths() -> None:
    """All paths that BIO allows, one by one."""
    tags = ("O", "B-X", "I-X")
    head, states = SpanTagger(4, tags).eval(), torch.randn(1, 3, 4)
    scores, chain = head(states), head.tagging.chain
    torch.testing.assert_close(scores[0], states[0] @ head.emit.weight.T + head.emit.bias, **near)
    paths = [p for p in product(range(3), repeat=3) if p[0] != 2 and (0, 2) not in pairwise(p)]
    total = {
        path: chain.start_transitions[path[0]]
        + sum(scores[0, word, tag] for word, tag in enumerate(path))
        + sum(chain.transitions[step] for step in pairwise(path))
        + chain.end_transitions[path[-1]]
        for path in paths
    }
    likely = torch.stack([*total.values()]).log_softmax(0)
    mask = torch.ones(1, 3, dtype=torch.bool)
    for path, expected in zip(paths, likely, strict=True):
        torch.testing.assert_close(-head.tagging(scores, torch.tensor([path]), mask), expected, **near)


def test_the_maximum_of_a_text_is_that_of_its_tokens_and_of_no_padding() -> None:
    head, states = PairClassifier(4, 2, pooling="max"), torch.randn(2, 5, 4)
    mask = torch.tensor([[True, True, True, False, False], [True] * 5])
    pooled = head.pool(states, torch.zeros(2, 2, dtype=torch.long), mask)
    for b, length in enumerate((3, 5)):
        torch.testing.assert_close(pooled[b], states[b, :length].max(0).values.tanh(), **near)


def test_a_pair_of_spans_is_pooled_from_their_own_tokens() -> None:
    states, mask = torch.randn(2, 6, 4), torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    spans = torch.tensor([[[0, 2], [3, 6]], [[1, 2], [3, 4]]])
    head = PairClassifier(4, 3, pooling="spans")
    assert head.span_pooling is not None
    for b in range(2):
        parts = [states[b, start:stop] for start, stop in spans[b].tolist()]
        pooled = [(part @ head.span_pooling.score.weight[0]).softmax(0) @ part for part in parts]
        torch.testing.assert_close(head(states, spans, mask)[b], head.classifier(torch.cat(pooled)), **near)


def test_mentions_are_linked_by_the_product_with_each_candidate() -> None:
    head, states, candidates = EntityLinking(6, 4), torch.randn(2, 3, 6), torch.randn(5, 4)
    scores = head(states, candidates)
    for b, m, c in product(range(2), range(3), range(5)):
        expected = head.norm(nn.functional.gelu(head.dense(states[b, m]))) @ candidates[c]
        torch.testing.assert_close(scores[b, m, c], expected, **near)


def test_scores_of_links_are_not_rounded_under_autocast() -> None:
    head, states, candidates = EntityLinking(6, 4), torch.randn(2, 3, 6), torch.randn(5, 4)
    with torch.autocast("cpu", torch.bfloat16):
        assert head(states, candidates).dtype == torch.float32
