"""The released MKGformer, reproduced: against recordings of it, and against a plain reference."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from mkgc.batch import Images, Text
from mkgc.encoders.text import random_text
from mkgc.errors import CheckpointError, MkgcError
from mkgc.models.fusion_encoder import FusionEncoder
from mkgc.released.conversion import FUSED, ReleasedTask, sizes
from mkgc.released.fusion import ReleasedFusion
from mkgc.released.vision import ReleasedVision
from mkgc.released.weights import load_strictly, read_tensors, released_names, without_prefix
from tasks.link_prediction.released import ReleasedLinkPrediction
from tasks.mner.released import ReleasedTagging, reordered_states
from tasks.mre.released import ReleasedRelations
from tests.released import reference

GOLDEN = Path(__file__).parents[1] / "golden"
HEADS = 4
FORMS: dict[str, ReleasedTask] = {
    "mre": ReleasedRelations(),
    "mner": ReleasedTagging(["O"]),
    "link_prediction": ReleasedLinkPrediction(),
}
PREFIX = {task: form.prefix for task, form in FORMS.items()}
near: dict[str, Any] = {"rtol": 0, "atol": 1e-5}


def form_of(state: dict[str, torch.Tensor]) -> ReleasedTask:
    """The task whose mark is among the tensors."""
    (found,) = (form for form in FORMS.values() if form.mark in state)
    return found


def backbone(state: dict[str, torch.Tensor]) -> FusionEncoder:
    """A backbone of the sizes and with the weights of a released state dictionary."""
    form = form_of(state)
    found: dict[str, Any] = sizes(state, form, HEADS)
    text = random_text(found["text"])
    model = FusionEncoder(text, ReleasedVision(**found["side"]), ReleasedFusion, FUSED)
    own = without_prefix(state, form.prefix)
    load_strictly(model, released_names(own, 12, FUSED, unpositioned=form.whole_images), "the state dictionary")
    model.text.add_tokens({})  # as a task does: padding is then a token like any other
    return model.eval()


def images(crops: torch.Tensor, objects: torch.Tensor, image: torch.Tensor | None = None) -> list[Images]:
    """Dense groups [B, I, 3, S, S] as packed ones."""
    groups = {"crops": crops, "objects": objects} | ({} if image is None else {"image": image})
    return [
        Images(name, x.flatten(0, 1), torch.arange(x.shape[0] * x.shape[1]).view(x.shape[:2]))
        for name, x in groups.items()
    ]


def traced(model: FusionEncoder, text: Text, images: list[Images]) -> dict[str, torch.Tensor]:
    """Our intermediate tensors by the names of the recordings."""
    out: dict[str, torch.Tensor] = {}
    hooks = [model.text.embeddings.register_forward_hook(lambda m, i, o: out.update({"out.text_embeddings": o}))]
    with pytest.MonkeyPatch.context() as patch:
        for side, layers in (("text", model.text.layers), ("vision", model.side.layers)):
            for i, layer in enumerate(layers):
                _record(patch, out, side, i, layer)
        for i, fusion in enumerate(model.fusions, start=12 - FUSED):
            name = f"mid.text_layer.{i:02d}.fusion"
            hooks.append(fusion.correlation.register_forward_hook(lambda m, x, y, name=name: out.update({name: y})))
        out["mid.vision_embeddings"] = model.side.tokens(images)
        out["out.vision_pre_ln"] = model.side.embed(images).states
        out["out.last_hidden_state"] = model(text, images).text
    for hook in hooks:
        hook.remove()
    return out


def _record(patch: pytest.MonkeyPatch, out: Any, side: Any, i: Any, layer: Any) -> None:
    self_attention, feed_forward = layer.self_attention, layer.feed_forward

    def attended(*args: Any, **options: Any) -> Any:
        done = self_attention(*args, **options)
        if side == "text":
            out[f"mid.text_layer.{i:02d}.key"], out[f"mid.text_layer.{i:02d}.value"] = (
                done.key_value.key,
                done.key_value.value,
            )
            out[f"mid.text_layer.{i:02d}.context"] = done.context
        return done

    def fed(*args: Any) -> Any:
        out[f"out.{side}_layer.{i:02d}"] = feed_forward(*args)
        return out[f"out.{side}_layer.{i:02d}"]

    patch.setattr(layer, "self_attention", attended)
    patch.setattr(layer, "feed_forward", fed)


@pytest.fixture(scope="module")
def recorded() -> dict[str, torch.Tensor]:
    return load_file(GOLDEN / "mkgformer_mre.safetensors")


def given(recorded: Any) -> Any:
    """The recorded inputs: text, images, and the foreign weights."""
    ids, mask = recorded["in.input_ids"].long(), recorded["in.attention_mask"].bool()
    text = Text(ids, mask, recorded["in.token_type_ids"].long())
    crops, objects = (recorded[f"in.{name}_imgs_i8"].float() / 64 for name in ("aux", "rcnn"))
    return text, crops, objects, without_prefix(recorded, "w.")


def test_the_reference_is_the_recorded_system(recorded: Any) -> None:
    text, crops, objects, state = given(recorded)
    own = without_prefix(state, "model.")
    ours = reference.run(own, HEADS, text.ids, text.mask, text.segments, None, crops, objects)
    for name, value in ours.items():
        if name in recorded:
            torch.testing.assert_close(value, recorded[name], **near)


def test_every_recorded_tensor_is_reproduced(recorded: Any) -> None:
    text, crops, objects, state = given(recorded)
    model = backbone(state)
    ours = traced(model, text, images(crops, objects))
    expected = {k for k in recorded if k.startswith(("mid.", "out.text", "out.vision", "out.last"))}
    assert expected <= ours.keys()
    for name in sorted(expected):
        torch.testing.assert_close(ours[name], recorded[name], msg=lambda m, n=name: f"{n}: {m}", **near)


def test_recorded_logits_loss_and_gradients_are_reproduced(recorded: Any) -> None:
    text, crops, objects, state = given(recorded)
    meta = json.loads((GOLDEN / "mkgformer_mre.json").read_text())
    model = backbone(state)
    classifier = torch.nn.Linear(*reversed(state["classifier.weight"].shape))
    load_strictly(classifier, without_prefix(state, "classifier."), "the classifier")
    last = model(text, images(crops, objects)).text
    rows = torch.arange(len(last))
    at = [(text.ids == meta["marker_ids"][m]).int().argmax(1) for m in ("<s>", "<o>")]
    logits = classifier(torch.cat([last[rows, at[0]], last[rows, at[1]]], 1))
    torch.testing.assert_close(logits, recorded["out.logits"], **near)
    loss = F.cross_entropy(logits, recorded["in.labels"].long())
    torch.testing.assert_close(loss, recorded["out.loss"], **near)
    pooled = torch.tanh(reference.linear(without_prefix(state, "model."), "text_pooler.dense", last[:, 0]))
    torch.testing.assert_close(pooled, recorded["out.pooler_output"], **near)
    loss.backward()
    _compare_gradients(model, classifier, recorded, meta["grad_norms"])


def _compare_gradients(model: Any, classifier: Any, recorded: Any, norms: Any) -> None:
    """Our gradients under the foreign names: each norm as recorded, and none where there was none."""
    found = {f"classifier.{name}": p.grad for name, p in classifier.named_parameters()}
    ours = {name.replace("word_embeddings.words", "word_embeddings"): p.grad for name, p in model.named_parameters()}
    for name in norms:
        for renamed in released_names({name.removeprefix("model."): torch.zeros(1)}, 12, FUSED):
            if renamed in ours:
                found[name] = ours[renamed]
    for i, layer in enumerate(model.side.layers):
        for kind in ("weight", "bias"):
            parts = getattr(layer.block.attn.qkv, kind).grad.chunk(3)
            for letter, part in zip("qkv", parts, strict=True):
                found[f"model.encoder.vision_layers.{i}.self_attn.{letter}_proj.{kind}"] = part
    for name, norm in norms.items():
        if norm is None:
            assert found.get(name) is None, name
        else:
            assert float(found[name].norm()) == pytest.approx(norm, rel=1e-4, abs=1e-6), name
    for name, value in recorded.items():
        if name.startswith("grad."):
            torch.testing.assert_close(found[name.removeprefix("grad.")], value, **near)


def random_state(
    task: str, width: int = 32, hidden_dim: int = 64, words: int = 50, labels: int = 5
) -> dict[str, torch.Tensor]:
    """A state dictionary with the names of the released code and random values."""
    draw = torch.Generator().manual_seed(7)

    def tensor(*shape: Any, std: float = 0.1) -> Any:
        return torch.randn(*shape, generator=draw) * std

    s: dict[str, torch.Tensor] = {}

    def layer(name: Any, out: Any, inputs: Any) -> None:
        s[f"{name}.weight"], s[f"{name}.bias"] = tensor(out, inputs), tensor(out)

    def norm(name: Any) -> None:
        s[f"{name}.weight"], s[f"{name}.bias"] = 1 + tensor(width), tensor(width)

    v = "vision_embeddings."
    s[f"{v}class_embedding"], s[f"{v}patch_embedding.weight"] = tensor(width), tensor(width, 3, 32, 32, std=0.02)
    for name, rows in (("position", 50), ("aux_position", 48), ("rcnn_position", 12)):
        s[f"{v}{name}_embedding.weight"] = tensor(rows, width)
    norm("vision_pre_layrnorm"), norm("vision_post_layernorm"), norm("text_embeddings.LayerNorm")
    for name, rows in (("word", words), ("position", 24), ("token_type", 2)):
        s[f"text_embeddings.{name}_embeddings.weight"] = tensor(rows, width)
    layer("text_pooler.dense", width, width)
    for i in range(12):
        p = f"encoder.vision_layers.{i}."
        for name in ("q", "k", "v", "out"):
            layer(f"{p}self_attn.{name}_proj", width, width)
        layer(f"{p}mlp.fc1", hidden_dim, width), layer(f"{p}mlp.fc2", width, hidden_dim)
        norm(f"{p}layer_norm1"), norm(f"{p}layer_norm2")
        p = f"encoder.text_layer.{i}."
        for name in ("self.query", "self.key", "self.value", "output.dense"):
            layer(f"{p}attention.{name}", width, width)
        layer(f"{p}intermediate.dense", hidden_dim, width), layer(f"{p}intermediate.fusion_dense", hidden_dim, width)
        layer(f"{p}output.dense", width, hidden_dim)
        norm(f"{p}attention.output.LayerNorm"), norm(f"{p}output.LayerNorm")
    s = {f"{PREFIX[task]}{name}": value for name, value in s.items()}
    if task == "mre":
        layer("classifier", labels, 2 * width)
    elif task == "mner":
        layer("fc", 13, width)
        s |= {"crf.start_transitions": tensor(13), "crf.end_transitions": tensor(13), "crf.transitions": tensor(13, 13)}
    else:
        layer("cls.predictions.transform.dense", width, width), norm("cls.predictions.transform.LayerNorm")
        s["cls.predictions.bias"] = s["cls.predictions.decoder.bias"] = tensor(words)
        s["cls.predictions.decoder.weight"] = s["unimo.text_embeddings.word_embeddings.weight"]
    return s


@pytest.mark.parametrize("file", ["klmo_t2", "mkgformer_mre", "pkgbert_encoder"])
def test_recordings_are_the_bytes_that_were_recorded(file: Any) -> None:
    said = json.loads((GOLDEN / f"{file}.json").read_text())["sha256"]
    assert hashlib.sha256((GOLDEN / f"{file}.safetensors").read_bytes()).hexdigest() == said


@pytest.mark.parametrize(("task", "key"), [("mner", "mkgformer_mner"), ("link_prediction", "mkgformer_mkg")])
def test_names_are_those_of_the_released_code(task: Any, key: Any) -> None:
    names = json.loads((GOLDEN / "state_dict_names.json").read_text())[key]
    ours = random_state(task)
    assert {n for n in names if "position_ids" not in n} <= ours.keys() | {"cls.predictions.decoder.bias"}
    assert {n for n in ours if not n.startswith("cls.predictions.decoder")} <= names.keys()


@pytest.mark.parametrize("task", ["mre", "mner", "link_prediction"])
def test_any_weights_give_the_reference_s_states(task: Any) -> None:
    state = random_state(task)
    model, own = backbone(state), without_prefix(state, PREFIX[task])
    ids = torch.randint(0, 50, (3, 11))
    mask = torch.arange(11) < torch.tensor([[11], [7], [4]])
    image, crops, objects = torch.randn(3, 1, 3, 224, 224), torch.randn(3, 3, 3, 128, 128), torch.randn(3, 3, 3, 64, 64)
    linking = task == "link_prediction"
    theirs = reference.run(own, HEADS, ids, mask, torch.zeros_like(ids), image, crops, objects, linking)
    ours = traced(model, Text(ids, mask, torch.zeros_like(ids)), images(crops, objects, image))
    assert len(ours) > 60
    assert theirs["mid.vision_embeddings"].shape[1] == (109 if linking else 61)
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], msg=lambda m, n=name: f"{n}: {m}", **near)


def test_absent_images_are_zeros_and_are_attended() -> None:
    state = random_state("mre")
    model = backbone(state)
    text = Text(torch.randint(0, 50, (2, 6)), torch.ones(2, 6, dtype=torch.bool), torch.zeros(2, 6, dtype=torch.long))
    crops, objects = torch.randn(2, 3, 3, 128, 128), torch.randn(2, 3, 3, 64, 64)
    crops[:, 1:], objects[1] = 0, 0
    dense = model(text, images(crops, objects)).text
    packed = [
        Images("crops", crops[:, 0], torch.tensor([[0], [1]])),
        Images("objects", objects[0], torch.tensor([[0, 1, 2], [-1, -1, -1]])),
    ]
    torch.testing.assert_close(model(text, packed).text, dense, **near)


def test_whatever_does_not_fit_is_listed() -> None:
    state = random_state("mre")
    own = released_names(without_prefix(state, "model."), 12, FUSED)
    model = backbone(state)
    own["side.norm.weight"] = own["side.norm.weight"][:5]
    own["text.surplus"] = own.pop("side.class_embedding")
    with pytest.raises(CheckpointError) as caught:
        load_strictly(model, own, "'weights.pth'")
    for part in ("missing side.class_embedding", "left over text.surplus", "side.norm.weight is [5] instead of [32]"):
        assert part in str(caught.value)
    with pytest.raises(CheckpointError, match="no whole state dictionary of MKGformer"):
        sizes({"weight": torch.zeros(1)}, ReleasedRelations(), HEADS)


def refused(state: dict[str, torch.Tensor], new_tokens: dict[str, int]) -> str:
    """What is said of a state dictionary with the sizes of its own model."""
    form = form_of(state)
    own = random_state(next(task for task in FORMS if FORMS[task] is form))
    with pytest.raises(CheckpointError) as caught:
        load_strictly(Holder(form.renamed(own, new_tokens)), form.renamed(state, new_tokens), "'weights.pth'")
    assert "\n" not in str(caught.value)
    return str(caught.value)


class Holder(torch.nn.Module):
    """Something with tensors of given names."""

    def __init__(self, tensors: dict[str, torch.Tensor]) -> None:
        super().__init__()
        self.tensors = tensors

    def state_dict(self, **_: Any) -> Any:
        return self.tensors


TABLES = {"mre": {"markers": 4}, "mner": {}, "link_prediction": {"entities": 6, "relations": 3}}


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("mre", "surplus.weight"),
        ("mre", "crf_of.transitions"),
        ("mre", "model.surplus"),
        ("mre", "model.surplus.position_ids"),
        ("mre", "model.text_pooler.dense.surplus"),
        ("mre", "model.text_embeddings.surplus_position_ids"),
        ("mre", "model.vision_post_layernorm.surplus.weight"),
        ("mre", "model.vision_embeddings.class_embedding_surplus"),
        ("mre", "model.encoder.surplus"),
        ("mre", "model.encoder.text_layer.3.surplus.weight"),
        ("mre", "model.encoder.text_layer.3.intermediate.fusion_dense.surplus"),
        ("mre", "model.encoder.text_layer.9.intermediate.fusion_dense.surplus"),
        ("mre", "model.encoder.vision_layers.11.self_attn.surplus"),
        ("mner", "fc.surplus"),
        ("mner", "crf.surplus"),
        ("link_prediction", "cls.predictions.surplus"),
        ("link_prediction", "cls.seq_relationship.weight"),
        ("link_prediction", "unimo.vision_embeddings.class_embedding.surplus"),
    ],
)
def test_a_surplus_tensor_is_named_at_whatever_level_it_is(task: str, name: str) -> None:
    said = refused({**random_state(task), name: torch.zeros(1)}, TABLES[task])
    assert "left over" in said
    assert "surplus" in said or name in said


@pytest.mark.parametrize("task", ["mre", "mner", "link_prediction"])
def test_buffers_and_second_names_are_no_surplus(task: str) -> None:
    state = random_state(task)
    plain = FORMS[task].renamed(state, TABLES[task])
    for name in ("text_embeddings.", "vision_embeddings.", "vision_embeddings.aux_", "vision_embeddings.rcnn_"):
        state[f"{PREFIX[task]}{name}position_ids"] = torch.arange(5)[None]
    assert FORMS[task].renamed(state, TABLES[task]).keys() == plain.keys()


def test_an_output_layer_that_is_not_the_words_is_refused() -> None:
    state = random_state("link_prediction")
    state["cls.predictions.decoder.weight"] = state["cls.predictions.decoder.weight"] + 1
    with pytest.raises(CheckpointError, match="decoder.weight' is not 'unimo.text_embeddings"):
        FORMS["link_prediction"].renamed(state, TABLES["link_prediction"])
    state = random_state("link_prediction")
    state["cls.predictions.bias"] = state["cls.predictions.bias"][:-1]
    with pytest.raises(CheckpointError, match=r"cls.predictions.bias has the shape \[49\]"):
        FORMS["link_prediction"].renamed(state, TABLES["link_prediction"])


@pytest.mark.parametrize(
    ("changes", "heads", "message"),
    [
        ({}, 5, "heads=5 does not divide the weights' width of 32"),
        ({}, 0, "heads=0 does not divide"),
        ({"model.text_embeddings.word_embeddings.weight": torch.zeros(3)}, 4, "no whole state dictionary"),
        ({"model.vision_embeddings.patch_embedding.weight": torch.zeros(32, 3)}, 4, "no whole state dictionary"),
        ({"model.encoder.vision_layers.x.mlp.fc1.weight": torch.zeros(1)}, 4, None),
    ],
)
def test_sizes_that_cannot_be_are_a_line(changes: Any, heads: Any, message: Any) -> None:
    state = {**random_state("mre"), **changes}
    if message is None:
        assert sizes(state, ReleasedRelations(), heads)["side"]["depth"] == 12
        return
    with pytest.raises(MkgcError, match=message):
        sizes(state, ReleasedRelations(), heads)


def test_a_projection_that_lacks_a_part_or_has_one_of_another_shape_is_listed() -> None:
    state = random_state("mre")
    place = "encoder.vision_layers.5.self_attn."
    state[f"model.{place}k_proj.weight"] = torch.zeros(32, 7)
    del state[f"model.{place}q_proj.bias"]
    said = refused(state, TABLES["mre"])
    for part in (f"left over backbone.{place}k_proj.weight", f"left over backbone.{place}v_proj.bias"):
        assert part in said


@pytest.mark.parametrize("lost", ["fc.bias", "fc.weight", "crf.start_transitions"])
def test_a_tagger_that_lacks_a_part_says_so(lost: str) -> None:
    state = random_state("mner")
    del state[lost]
    with pytest.raises(CheckpointError, match=f"the weights lack {lost}"):
        reordered_states(state, ["O"], ("PAD", "O", "X", "[CLS]", "[SEP]"))


def test_the_type_that_twitter_2015_calls_other_is_misc_in_the_weights() -> None:
    state = random_state("mner")
    theirs = ["O", *(f"{m}-{t}" for t in ("MISC", "PER", "ORG", "LOC") for m in "BI")]
    ours = ("PAD", "O", *(f"{m}-{t}" for t in ("LOC", "ORG", "OTHER", "PER") for m in "BI"), "X", "[CLS]", "[SEP]")
    moved = reordered_states(state, theirs, ours)
    place = ["PAD", *theirs].index("I-MISC")
    assert torch.equal(moved["fc.weight"][ours.index("I-OTHER")], state["fc.weight"][place])


def test_recorded_logits_need_the_padding_and_not_the_batch(recorded: Any) -> None:
    text, crops, objects, state = given(recorded)
    meta = json.loads((GOLDEN / "mkgformer_mre.json").read_text())
    model = backbone(state)

    def logits(row: int, length: int) -> torch.Tensor:
        one = Text(*(part[row : row + 1, :length] for part in (text.ids, text.mask, text.segments)))
        last = model(one, images(crops[row : row + 1], objects[row : row + 1])).text[0]
        at = [int((one.ids[0] == meta["marker_ids"][m]).int().argmax()) for m in ("<s>", "<o>")]
        return reference.linear(state, "classifier", torch.cat([last[at[0]], last[at[1]]]))

    lengths = text.mask.sum(1).tolist()
    for row, length in enumerate(lengths):
        torch.testing.assert_close(logits(row, text.ids.shape[1]), recorded["out.logits"][row], **near)
        moved = float((logits(row, length) - recorded["out.logits"][row]).detach().abs().max())
        assert (moved > 1e-3) == (length < text.ids.shape[1])
    assert min(lengths) < text.ids.shape[1]


def test_tagging_states_are_reordered_by_name() -> None:
    state = random_state("mner")
    tags = [f"{m}-{t}" for t in ("MISC", "PER", "ORG", "LOC") for m in "BI"]
    ours = ("PAD", "O", *(f"{m}-{t}" for t in ("LOC", "MISC", "ORG", "PER") for m in "BI"), "X", "[CLS]", "[SEP]")
    moved = reordered_states(state, ["O", *tags], ours)
    theirs = ["PAD", "O", *tags, "X", "[CLS]", "[SEP]"]
    a, b = ours.index("B-PER"), ours.index("X")
    there = theirs.index("B-PER"), theirs.index("X")
    assert moved["crf.transitions"][a, b] == state["crf.transitions"][there]
    assert torch.equal(moved["fc.weight"][a], state["fc.weight"][there[0]])
    with pytest.raises(CheckpointError, match="states"):
        reordered_states(state, ["O"], ours)


def test_entities_and_relations_become_tables() -> None:
    state = random_state("link_prediction")
    out = FORMS["link_prediction"].renamed(state, {"entities": 6, "relations": 3})
    words = state["unimo.text_embeddings.word_embeddings.weight"]
    place = "backbone.text.embeddings.word_embeddings"
    assert torch.equal(out[f"{place}.words.weight"], words[:41])
    assert torch.equal(out[f"{place}.new_tokens.entities.weight"], words[41:47])
    assert torch.equal(out[f"{place}.new_tokens.relations.weight"], words[47:])
    assert torch.equal(out["head.bias"], state["cls.predictions.bias"][41:47])


def test_weights_are_read_without_running_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (print, ("run",))

    torch.save({"state_dict": {"module.a": torch.ones(2)}}, tmp_path / "good.ckpt")
    torch.save({"a": Evil()}, tmp_path / "evil.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "good.ckpt").read_bytes()[:200])
    assert read_tensors(tmp_path / "good.ckpt").keys() == {"a"}
    for name in ("evil.pth", "cut.pth"):
        with pytest.raises(CheckpointError, match="damaged, or holds more"):
            read_tensors(tmp_path / name)
    with pytest.raises(CheckpointError, match="no file of weights"):
        read_tensors(tmp_path / "none.pth")
