"""What a text may bring beside its tokens: soft positions, a visible matrix, features; against loops over tokens."""

from typing import Any

import pytest
import torch
from hydra.utils import instantiate

from mkgc.batch import Text
from mkgc.encoders.text import TextEncoder, random_text
from mkgc.errors import ConfigError

near: dict[str, Any] = {"rtol": 0, "atol": 1e-5}
SIZES: dict[str, Any] = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}
FAMILIES = {
    "bert": {"model_type": "bert", "pad_token_id": 0, "max_position_embeddings": 12, **SIZES},
    "roberta": {
        "model_type": "roberta",
        "pad_token_id": 1,
        "max_position_embeddings": 14,
        "type_vocab_size": 2,
        **SIZES,
    },
}
every_family = pytest.mark.parametrize("family", FAMILIES)


def encoder(family: str, feature_dim: int | None = None) -> TextEncoder:
    made = random_text(FAMILIES[family], feature_dim=feature_dim).eval()
    for parameter in made.parameters():
        parameter.data += torch.randn_like(parameter) * 0.1
    return made


def text(family: str) -> Text:
    lengths = torch.tensor([[7], [4]])
    mask = torch.arange(7) < lengths
    ids = torch.randint(5, 60, (2, 7)).where(mask, torch.tensor(FAMILIES[family]["pad_token_id"]))
    return Text(ids, mask, torch.randint(0, 2, (2, 7)) * mask)


def embedded(model: TextEncoder, ids: Any, segments: Any, positions: Any, features: Any) -> torch.Tensor:
    """Embeddings one token at a time, rows of the tables added up and normed."""
    parts, first = model.embeddings, 0 if model.config.model_type == "bert" else 2
    out = torch.zeros(*ids.shape, 32)
    for b, t in torch.cartesian_prod(*map(torch.arange, ids.shape)).tolist():
        out[b, t] = parts.word_embeddings.weight[ids[b, t]] + parts.token_type_embeddings.weight[segments[b, t]]
        out[b, t] += parts.position_embeddings.weight[first + positions[b, t]]
        if features is not None:
            out[b, t] += model.project_features.weight @ features[b, t]
    return parts.LayerNorm(out)


def run(model: TextEncoder, given: Text) -> torch.Tensor:
    return model(given).states


@every_family
def test_soft_positions_and_features_are_looked_up_token_by_token(family: str) -> None:
    model, given = encoder(family, feature_dim=3), text(family)
    soft, features = torch.tensor([[0, 1, 2, 2, 3, 2, 3], [0, 1, 1, 2, 0, 0, 0]]), torch.randn(2, 7, 3)
    both = model.embed(Text(given.ids, given.mask, given.segments, positions=soft, features=features)).states
    expected = embedded(model, given.ids, given.segments, soft, features)
    torch.testing.assert_close(both[given.mask], expected[given.mask], **near)
    counted = torch.arange(7).expand(2, -1)
    only = model.embed(Text(given.ids, given.mask, given.segments, features=features)).states
    expected = embedded(model, given.ids, given.segments, counted, features)
    torch.testing.assert_close(only[given.mask], expected[given.mask], **near)


@every_family
def test_a_text_that_says_what_goes_without_saying_is_the_plain_text(family: str) -> None:
    model, given = encoder(family, feature_dim=3), text(family)
    counted = torch.arange(7).expand(2, -1)
    said = Text(given.ids, given.mask, given.segments, positions=counted, visible=torch.ones(2, 7, 7).bool())
    torch.testing.assert_close(run(model, said)[given.mask], run(model, given)[given.mask], **near)
    plain = random_text(FAMILIES[family])
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("project_features")})
    assert torch.equal(run(plain.eval(), given), run(model, given))


@every_family
def test_a_token_under_a_visible_matrix_is_what_it_is_among_those_it_sees(family: str) -> None:
    """One layer over the tokens that a token sees, in which nothing but them is."""
    model, given = encoder(family), text(family)
    visible = (torch.rand(2, 7, 7) < 0.5) | torch.eye(7, dtype=torch.bool)
    masked = Text(given.ids, given.mask, given.segments, visible=visible)
    embedded_, layer = model.embed(masked).states, model.layers[0]
    together = layer.self_attention(embedded_, masked.attention_mask).state
    for b, t in given.mask.nonzero().tolist():
        seen = (visible[b, t] & given.mask[b]).nonzero()[:, 0]
        alone = layer.self_attention(embedded_[b : b + 1, seen], torch.ones(1, len(seen), dtype=torch.bool)).state
        torch.testing.assert_close(together[b, t], alone[0, seen.tolist().index(t)], **near)


@every_family
def test_what_stands_in_padding_matters_to_no_token(family: str) -> None:
    model, given = encoder(family, feature_dim=3), text(family)
    fields = {
        "positions": torch.randint(0, 7, (2, 7)),
        "visible": torch.rand(2, 7, 7) < 0.5,
        "features": torch.randn(2, 7, 3),
    }
    other = {
        "positions": fields["positions"].where(given.mask, 5),
        "visible": fields["visible"] | ~(given.mask[:, None] & given.mask[:, :, None]),
        "features": fields["features"].where(given.mask[..., None], 9.0),
    }
    out = [run(model, Text(given.ids, given.mask, given.segments, **values)) for values in (fields, other)]
    torch.testing.assert_close(out[0][given.mask], out[1][given.mask], **near)


def test_rows_and_devices_take_all_that_a_text_brings() -> None:
    given = text("bert")
    whole = Text(given.ids, given.mask, given.segments, given.ids % 7, torch.rand(2, 7, 7) < 0.5, torch.randn(2, 7, 3))
    some, moved = whole.rows(torch.tensor([1])), whole.to(torch.device("meta"))
    for name in ("ids", "mask", "segments", "positions", "visible", "features"):
        assert torch.equal(getattr(some, name), getattr(whole, name)[1:])
        assert getattr(moved, name).is_meta
    assert given.rows(torch.tensor([0])).visible is None


def test_features_that_no_projection_fits_are_one_line() -> None:
    given = text("bert")
    with pytest.raises(ConfigError, match="texts with 5 features a token, for feature_dim=3"):
        encoder("bert", feature_dim=3).embed(Text(given.ids, given.mask, given.segments, features=torch.randn(2, 7, 5)))
    with pytest.raises(ConfigError, match="for feature_dim=None"):
        encoder("bert").embed(Text(given.ids, given.mask, given.segments, features=torch.randn(2, 7, 5)))


def test_an_encoder_of_features_is_built_again_from_its_architecture() -> None:
    model = encoder("roberta", feature_dim=3)
    again = instantiate(model.architecture_config())
    assert {k: v.shape for k, v in again.state_dict().items()} == {k: v.shape for k, v in model.state_dict().items()}
