"""The released PKG-Bert, its encoder and both heads, against recordings of the authors' code."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

from mkgc.batch import Text
from mkgc.encoders.text import random_text
from mkgc.heads.masked_lm import MaskedLM
from mkgc.losses.cosine import cosine_distance
from mkgc.released.pkg_bert import ReleasedPkgBert, pkg_bert_names, use_unbiased_norms

GOLDEN = Path(__file__).parents[1] / "golden"
near: dict[str, Any] = {"rtol": 0, "atol": 1e-5}

SIZES: dict[str, Any] = {
    "model_type": "bert",
    "vocab_size": 133,
    "type_vocab_size": 3,
    "max_position_embeddings": 512,
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 128,
}


class Released(nn.Module):
    """The encoder with its vector, and the head for masked words, whose rows are its own."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = ReleasedPkgBert(random_text(SIZES))
        self.backbone.enter_space(6, visual=True, vectors=True)
        self.masked_lm = MaskedLM(64, nn.Embedding(133, 64))
        use_unbiased_norms(self.masked_lm)


@pytest.fixture(scope="module")
def recorded() -> dict[str, torch.Tensor]:
    return load_file(GOLDEN / "pkgbert_encoder.safetensors")


@pytest.fixture(scope="module")
def model(recorded: dict[str, torch.Tensor]) -> Released:
    """Every tensor of the released model finds its place, and every one of ours is found."""
    built = Released()
    weights = {name.removeprefix("w."): value for name, value in recorded.items() if name.startswith("w.")}
    built.load_state_dict(pkg_bert_names(weights))
    return built.eval()


@pytest.fixture(scope="module")
def text(recorded: dict[str, torch.Tensor]) -> Text:
    """Sentence trees with soft positions, a visible matrix and visual features; rows of padding see nothing there."""
    return Text(
        recorded["in.src"].long(),
        recorded["in.vm"].bool().any(1),
        recorded["in.seg"].long(),
        positions=recorded["in.pos"].long(),
        visible=recorded["in.vm"].bool(),
        features=recorded["in.visual"],
    )


def test_embeddings_and_every_layer_are_the_released_ones(
    model: Released, text: Text, recorded: dict[str, torch.Tensor]
) -> None:
    encoder = model.backbone.text
    x = encoder.embed(text)
    torch.testing.assert_close(x.states[text.mask], recorded["out.embedding"][text.mask], **near)
    for i in range(3):
        x = encoder.run(x, i, i + 1)
        torch.testing.assert_close(x.states[text.mask], recorded[f"out.layer.{i}"][text.mask], **near)


def test_without_a_visible_matrix_they_are_the_released_ones_too(
    model: Released, text: Text, recorded: dict[str, torch.Tensor]
) -> None:
    plain = Text(text.ids, text.mask, text.segments, positions=text.positions, features=text.features)
    expected = recorded["out.hidden_without_vm (seg mask)"]
    torch.testing.assert_close(model.backbone(plain)[text.mask], expected[text.mask], **near)


def test_a_poems_vector_and_its_distance_from_the_teachers_are_the_released_ones(
    model: Released, text: Text, recorded: dict[str, torch.Tensor]
) -> None:
    vectors = model.backbone.vectors(model.backbone(text))
    torch.testing.assert_close(vectors, recorded["out.poem_embedding"], **near)
    distance = cosine_distance(vectors, recorded["in.tgt_brivl"]).mean()
    torch.testing.assert_close(distance, recorded["out.loss_cos"], **near)


def test_masked_words_are_scored_as_the_released_head_scores_them(
    model: Released, text: Text, recorded: dict[str, torch.Tensor]
) -> None:
    asked = recorded["in.tgt_mlm"].flatten().long()
    places = asked.nonzero().squeeze(1)
    scores = model.masked_lm(model.backbone(text).flatten(0, 1)[places])
    torch.testing.assert_close(F.cross_entropy(scores, asked[places]), recorded["out.loss_mlm"], **near)
    assert (scores.argmax(-1) == asked[places]).sum() == recorded["out.mlm_correct"]
