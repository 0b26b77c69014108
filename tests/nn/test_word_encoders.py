"""Encoders of words against their equations written out: CNN-BiLSTM, HBiLSTM, PCNN."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mkgc.batch import Text
from mkgc.encoders.convolutional import ConvolutionalEncoder
from mkgc.encoders.recurrent import RecurrentEncoder
from mkgc.encoders.words import WordEncoder
from mkgc.errors import ConfigError, DataError
from mkgc.models.fusion_encoder import FusionEncoder
from mkgc.nn.character_cnn import CharacterCnn
from mkgc.nn.character_lstm import CharacterLstm
from mkgc.nn.lstm import BiLstm
from mkgc.nn.piecewise import piecewise_max
from mkgc.training.trust import Trust

near: dict[str, Any] = {"rtol": 0, "atol": 1e-5}
LENGTHS = [5, 1, 3]
MENTIONS = [(1, 3), (0, 0), (2, 1)]


def given(extra: int = 0) -> Text:
    """Sentences of 5, 1 and 3 words, with characters and distances, filled up by ``extra`` more than they need."""
    width = max(LENGTHS) + extra
    mask = torch.arange(width) < torch.tensor(LENGTHS)[:, None]
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(0, 20, (3, max(LENGTHS)), generator=generator)
    characters = torch.randint(1, 200, (3, max(LENGTHS), 4), generator=generator)
    characters[0, 1, 2:] = characters[2, 0] = 0
    ids, characters = F.pad(ids, (0, extra)), F.pad(characters, (0, extra, 0, extra))
    distances = torch.arange(width)[:, None] - torch.tensor(MENTIONS)[:, None]
    return Text(ids * mask, mask, ids * 0, characters=characters * mask[:, :, None], distances=distances)


def torchs(lstm: BiLstm) -> nn.LSTM:
    """PyTorch's bidirectional LSTM with the same weights."""
    _, width, gates = lstm.input_weight.shape
    both = nn.LSTM(width, gates // 4, batch_first=True, bidirectional=True)
    for direction, suffix in enumerate(("", "_reverse")):
        getattr(both, f"weight_ih_l0{suffix}").data = lstm.input_weight[direction].T
        getattr(both, f"weight_hh_l0{suffix}").data = lstm.hidden_weight[direction].T
        getattr(both, f"bias_ih_l0{suffix}").data = lstm.bias.view(2, -1)[direction]
        getattr(both, f"bias_hh_l0{suffix}").data.zero_()
    return both


@torch.no_grad()
def test_a_bidirectional_lstm_reads_each_sequence_as_torchs_does_alone() -> None:
    lstm, states = BiLstm(3, 4), torch.randn(3, 5, 3)
    mask = torch.arange(5) < torch.tensor(LENGTHS)[:, None]
    out, ends = lstm(states, mask), lstm.ends(states, mask)
    for b, length in enumerate(LENGTHS):
        expected, (last, _) = torchs(lstm)(states[b : b + 1, :length])
        torch.testing.assert_close(out[b, :length], expected[0], **near)
        torch.testing.assert_close(ends[b], last[:, 0].flatten(), **near)


@torch.no_grad()
def test_characters_are_convolved_and_each_filters_highest_value_is_kept() -> None:
    cnn, text = CharacterCnn(dim=3, filters=2).eval(), given()
    assert text.characters is not None
    out = cnn(text.characters)
    for b, word in ((0, 0), (0, 1), (0, 4), (2, 0), (2, 2)):
        spelled = [int(c) for c in text.characters[b, word] if c]
        padded = [torch.zeros(3), *(cnn.embeddings.weight[c] for c in spelled), torch.zeros(3)]
        for filter_, (weight, bias) in enumerate(zip(cnn.convolve.weight, cnn.convolve.bias, strict=True)):
            windows = [torch.stack(padded[i : i + 3]) for i in range(len(spelled))]
            values = [float((weight.T * window).sum() + bias) for window in windows]
            assert float(out[b, word, filter_]) == pytest.approx(max(values, default=0.0), abs=1e-5)


@torch.no_grad()
def test_characters_are_read_from_either_end_and_the_last_states_are_joined() -> None:
    reader, text = CharacterLstm(dim=3, hidden=2).eval(), given()
    assert text.characters is not None
    out = reader(text.characters)
    for b, word in ((0, 0), (0, 1), (0, 4), (2, 2)):
        spelled = text.characters[b, word][text.characters[b, word] > 0]
        _, (last, _) = torchs(reader.lstm)(reader.embeddings(spelled)[None])
        torch.testing.assert_close(out[b, word], last[:, 0].flatten(), **near)
    assert out[2, 0].abs().max() == 0  # which has no characters


def recurrent(characters: Any = None) -> Any:
    return RecurrentEncoder(20, dim=4, hidden=3, characters=characters)


def convolutional() -> Any:
    return ConvolutionalEncoder(20, dim=4, distance_dim=2, reach=2, filters=5)


ENCODERS = {
    "BiLSTM": recurrent,
    "CNN-BiLSTM": lambda: recurrent(CharacterCnn(3, 2)),
    "HBiLSTM": lambda: recurrent(CharacterLstm(3, 2)),
    "PCNN": convolutional,
}
every_encoder = pytest.mark.parametrize("make", ENCODERS.values(), ids=ENCODERS)


@torch.no_grad()
def test_an_lstm_reads_the_vectors_of_words_and_of_their_characters() -> None:
    encoder, text = ENCODERS["CNN-BiLSTM"]().eval(), given()
    words = torch.cat([encoder.words.weight[text.ids], encoder.characters(text.characters)], 2)
    expected, _ = torchs(encoder.layers[0])(words[:1])
    torch.testing.assert_close(encoder(text).states[:1], expected, **near)


@torch.no_grad()
def test_filters_see_windows_of_words_and_their_distances_from_both_mentions() -> None:
    encoder, text = convolutional().eval(), given()
    weight, bias = encoder.layers[0].weight, encoder.layers[0].bias
    for b, (length, mentions) in enumerate(zip(LENGTHS, MENTIONS, strict=True)):
        embedded = [torch.zeros(8)]
        for place in range(length):
            rows = [max(-2, min(2, place - mention)) + 2 for mention in mentions]
            tables = zip(encoder.distance_embeddings, rows, strict=True)
            embedded.append(
                torch.cat([encoder.words.weight[text.ids[b, place]], *(t.weight[row] for t, row in tables)])
            )
        embedded.append(torch.zeros(8))
        for place in range(length):
            window = torch.stack(embedded[place : place + 3])
            expected = torch.stack([(one.T * window).sum() for one in weight]) + bias
            torch.testing.assert_close(encoder(text).states[b, place], expected, **near)


def test_each_of_three_pieces_keeps_its_highest_values() -> None:
    states = torch.randn(4, 6, 3)
    mask = torch.arange(6) < torch.tensor([6, 6, 4, 1])[:, None]
    places = torch.tensor([[1, 3], [4, 0], [2, 2], [0, 0]])
    out = piecewise_max(states, mask, places)
    for b in range(4):
        first, second = sorted(places[b].tolist())
        length = int(mask[b].sum())
        pieces = [range(first + 1), range(first + 1, second + 1), range(second + 1, length)]
        for i, piece in enumerate(pieces):
            rows = [states[b, t] for t in piece]
            expected = torch.stack(rows).amax(0) if rows else torch.zeros(3)
            torch.testing.assert_close(out[b, i], expected, **near)


def test_pieces_without_a_word_teach_nothing() -> None:
    states = torch.randn(1, 3, 2, requires_grad=True)
    piecewise_max(states, torch.ones(1, 3).bool(), torch.tensor([[2, 2]])).sum().backward()
    assert states.grad is not None
    assert states.grad.isfinite().all()
    assert float(states.grad.sum()) == 2


@every_encoder
def test_padding_and_batch_mates_never_change_a_state(make: Any) -> None:
    model = FusionEncoder(make()).eval()
    text, wider = given(), given(extra=3)
    together, padded = model(text).text, model(wider).text
    for b, n in enumerate(LENGTHS):
        row = text.rows(torch.tensor([b]))
        cut = Text(row.ids[:, :n], row.mask[:, :n], row.segments[:, :n], characters=row.characters[:, :n],
                   distances=row.distances[:, :n])  # fmt: skip
        alone = model(cut).text[0]
        torch.testing.assert_close(together[b, :n], alone, **near)
        torch.testing.assert_close(padded[b, :n], alone, **near)


@every_encoder
def test_it_is_built_again_by_its_numbers_alone(make: Any) -> None:
    from hydra.utils import instantiate

    encoder = make()
    node = encoder.architecture_config()
    Trust()._check_target("backbone.text", node)
    if "characters" in node:
        Trust()._check_target("backbone.text.characters", node["characters"])
    again = instantiate(node, vocabulary=20)
    again.load_state_dict(encoder.state_dict())
    text = given()
    torch.testing.assert_close(again.eval()(text).states, encoder.eval()(text).states, rtol=0, atol=0)


def test_what_an_encoder_reads_and_is_not_given_is_named() -> None:
    plain = Text(*(torch.ones(1, 2).to(kind) for kind in (torch.long, torch.bool, torch.long)))
    for make, name in ((ENCODERS["HBiLSTM"], "characters"), (convolutional, "distances")):
        with pytest.raises(ConfigError, match=f"reads {name}, and is given none: backbone.inputs must name them"):
            make()(plain)


def test_words_cannot_be_fused_with_images() -> None:
    from mkgc.encoders.vision import random_vision
    from mkgc.fusion.prefix import PrefixFusion

    vision = random_vision("vit_tiny_patch16_224", img_size=32, embed_dim=32, depth=1, num_heads=2)
    with pytest.raises(ConfigError, match="RecurrentEncoder, whose layers cannot be fused"):
        FusionEncoder(recurrent(), vision, PrefixFusion, 1)


@pytest.mark.parametrize("header", ["", "3 2\n"], ids=["GloVe", "word2vec"])
def test_words_get_their_vectors_of_a_file(header: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text(f"{header}the 0.5 -1\nunseen 3 4\nin 2 1e-1\nthe 9 9\n")
    encoder = RecurrentEncoder(4, dim=2, vectors=str(path))
    before = encoder.words.weight.detach().clone()
    encoder.load_vectors(["[PAD]", "in", "map", "the"])
    assert encoder.words.weight[[1, 3]].tolist() == [[2.0, pytest.approx(0.1)], [0.5, -1.0]]
    assert torch.equal(encoder.words.weight[[0, 2]], before[[0, 2]])
    assert capsys.readouterr().out == f"{path}: vectors of 2 of 4 words; the others begin at random\n"
    assert "vectors" not in encoder.architecture_config()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("the 1 2 3\n", ":1: a vector of 3 numbers, for backbone.text.dim=2"),
        ("of 1 2\nthe 1 x\n", ":2: a word and its numbers are expected"),
        ("other 1 2\n", ": has a vector for none of the words of train"),
    ],
)
def test_a_file_of_other_vectors_is_one_line(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text(text)
    encoder: WordEncoder = RecurrentEncoder(1, dim=2, vectors=str(path))
    with pytest.raises(DataError) as error:
        encoder.load_vectors(["the"])
    assert str(error.value).startswith(f"{path}{said}")


def test_a_window_has_a_middle() -> None:
    for make in (lambda: ConvolutionalEncoder(5, window=2), lambda: CharacterCnn(window=4)):
        with pytest.raises(ConfigError, match="an odd number"):
            make()
