"""Chinese-CLIP as it was released: both encoders, and the space in which they meet, out of a folder or a file.

A folder is transformers' ChineseCLIPModel (``config.json`` and weights), a file is ``cn_clip``'s (``clip_cn_*.pt``).

Source: Yang et al. (2022), "Chinese CLIP: Contrastive Vision-Language Pretraining in Chinese".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from mkgc.app.ranges import PartialShare
from mkgc.data.tokens import Tokenizer, pretrained
from mkgc.encoders.resnet import ResNetEncoder, random_resnet
from mkgc.encoders.text import TextEncoder, random_text
from mkgc.encoders.vision import VisionEncoder, random_vision
from mkgc.errors import CheckpointError, ConfigError
from mkgc.released.chinese_clip_names import named_as_here
from mkgc.released.weights import load_strictly, read_tensors, without_prefix

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""The files of a folder in transformers' layout; the first that is there is read."""

HEAD_WIDTH, OTHER_HEAD_WIDTHS = 64, {1280: 80}
"""Numbers of a head of attention, which no shape tells: in all towers of cn_clip, but for one by its width (ViT-H)."""

PRE_NORM = {"quick_gelu": "vit_base_patch16_clip_quickgelu_224", "gelu": "vit_base_patch16_clip_224"}
"""CLIP's VisionTransformer in timm, by its activation; its sizes are given."""


@dataclass(frozen=True)
class ChineseCLIP:
    """Weights under our names, with the configurations of the encoders that have them."""

    path: Path
    text: dict[str, Any]
    vision: dict[str, Any]
    state: Mapping[str, Tensor]

    @classmethod
    def of(cls, weights: str) -> ChineseCLIP:
        """What lies in a folder or file.

        Raises:
            CheckpointError: There is no such thing, it is damaged, or not Chinese-CLIP's.
        """
        path = Path(weights)
        state = named_as_here(_tensors(path))
        try:
            return cls(path, *_configs(path, state), state)
        except (KeyError, IndexError, TypeError) as error:
            raise CheckpointError(
                f"'{path}' lacks {error}, or it has another shape: it is no whole Chinese-CLIP"
            ) from error

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors of an encoder."""
        return without_prefix(self.state, f"{name}.")


class ReleasedTowers:
    """What `mkgc.convert` makes a checkpoint of: its backbone's configuration reads all of it."""

    system: ClassVar[str] = "Chinese-CLIP"

    def image_size(self, weights: str) -> int:
        """The pixels of a side that the vision encoder has positions for.

        Raises:
            CheckpointError: There are no such weights.
        """
        return int(ChineseCLIP.of(weights).vision["img_size"])

    def backbone(self, weights: str) -> dict[str, Any]:
        """The configuration of both towers, as `conf/backbone/chinese_clip.yaml` has it."""
        parts = {"text": "text_tower", "vision": "vision_tower", "space": "space"}
        return {
            "_target_": "mkgc.models.dual_encoder.DualEncoder",
            "inputs": ["text", "images"],
            "dim": None,
            "lock_projections": True,
            **{key: {"_target_": f"{__name__}.{name}", "weights": weights} for key, name in parts.items()},
        }


def text_tower(weights: str, dropout: PartialShare | None = None, vocabulary: int | None = None) -> TextEncoder:
    """The text encoder; ``vocabulary`` is the number of the tokeniser's pieces.

    Raises:
        MkgcError: There are no such weights, or the tokeniser is of another encoder.
    """
    released = ChineseCLIP.of(weights)
    options = {} if dropout is None else {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    encoder = random_text(released.text | options, vocabulary)
    load_strictly(encoder, released.part("text"), f"the text encoder of '{weights}'")
    return encoder


def vision_tower(weights: str) -> VisionEncoder | ResNetEncoder:
    """The vision encoder: a VisionTransformer, or CLIP's ResNet.

    Raises:
        MkgcError: There are no such weights.
    """
    released = ChineseCLIP.of(weights)
    build: Any = random_resnet if "layers" in released.vision else random_vision
    encoder: VisionEncoder | ResNetEncoder = build(**released.vision)
    load_strictly(encoder, released.part("vision"), f"the vision encoder of '{weights}'")
    return encoder


def space(weights: str) -> dict[str, Tensor]:
    """Projections and temperature, by their names in a DualEncoder.

    Raises:
        MkgcError: There are no such weights, or they have more than they should.
    """
    found = ChineseCLIP.of(weights).state
    out = {name: value for name, value in found.items() if not name.startswith(("text.", "vision."))}
    bias = {"project_image.linear.bias"} if "vision.stem.conv1.conv.weight" in found else set()
    wanted = {"project_text.linear.weight", "project_image.linear.weight", "logit_scale"} | bias
    if problems := [f"missing {name}" for name in wanted - out.keys()] + [
        f"left over {n}" for n in out.keys() - wanted
    ]:
        raise CheckpointError(f"the space of '{weights}' does not fit: {'; '.join(sorted(problems))}")
    return out


def tokens(texts: Iterable[str], weights: str, vocabulary: str | None = None) -> Tokenizer:
    """The tokeniser beside the weights, or of a ``vocabulary``: word pieces (``vocab.txt``), a folder or a hub name.

    Raises:
        ConfigError: There is none.
    """
    if vocabulary is None and not Path(weights).is_dir():
        raise ConfigError(
            f"'{weights}' has no tokeniser beside it: give the word pieces, vocab.txt of the package cn-clip "
            "(size.tokenizer.vocabulary=…/cn_clip/clip/vocab.txt)"
        )
    if vocabulary is None or Path(vocabulary).suffix != ".txt":
        return pretrained(texts, vocabulary or weights)
    if not Path(vocabulary).is_file():
        raise ConfigError(f"no word pieces at '{vocabulary}'")
    from transformers import BertTokenizer

    loaded = BertTokenizer(vocab=vocabulary)
    numbers = [getattr(loaded, f"{role}_token_id") for role in ("pad", "unk", "cls", "sep", "mask")]
    return Tokenizer(loaded.backend_tokenizer, len(loaded), *numbers)


def _tensors(path: Path) -> dict[str, Tensor]:
    if not path.is_dir():
        return read_tensors(path)
    found = next((path / name for name in WEIGHTS if (path / name).is_file()), None)
    if found is None:
        raise CheckpointError(f"no weights in '{path}': there is no {' and no '.join(WEIGHTS)}")
    return read_tensors(found)


def _configs(path: Path, state: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of the text and of the vision encoder: read off the shapes, heads and activations where they are written."""
    said = _said(path)
    text, vision = _text(state), _resnet(state) if "vision.stem.conv1.conv.weight" in state else _vit(state)
    theirs, seen = said.get("text_config", {}), said.get("vision_config", {})
    text |= {key: theirs[key] for key in ("num_attention_heads", "hidden_act", "layer_norm_eps") if key in theirs}
    if "num_attention_heads" in seen:
        vision["num_heads"] = seen["num_attention_heads"]
    if seen.get("hidden_act", "quick_gelu") not in PRE_NORM:
        raise CheckpointError(f"'{path}' has the activation {seen['hidden_act']}: quick_gelu and gelu are known")
    return text, vision | ({"name": PRE_NORM[seen.get("hidden_act", "quick_gelu")]} if "depth" in vision else {})


def _said(path: Path) -> Any:
    """The configuration beside the weights of a folder."""
    if not path.is_dir():
        return {}
    try:
        return json.loads((path / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"'{path}' has no config.json that can be read: {error}") from error


def _text(state: Mapping[str, Tensor]) -> dict[str, Any]:
    words = state["text.embeddings.word_embeddings.weight"]
    return {
        "model_type": "bert",
        "vocab_size": words.shape[0],
        "hidden_size": words.shape[1],
        "num_hidden_layers": _depth(state, "text"),
        "num_attention_heads": _heads(words.shape[1]),
        "intermediate_size": state["text.layers.0.block.intermediate.dense.weight"].shape[0],
        "max_position_embeddings": state["text.embeddings.position_embeddings.weight"].shape[0],
        "type_vocab_size": state["text.embeddings.token_type_embeddings.weight"].shape[0],
    }


def _vit(state: Mapping[str, Tensor]) -> dict[str, Any]:
    width, _, patch, _ = state["vision.stem.patch_embed.proj.weight"].shape
    side = round((state["vision.stem.pos_embed"].shape[1] - 1) ** 0.5)
    return {
        "patch_size": patch,
        "img_size": side * patch,
        "embed_dim": width,
        "depth": _depth(state, "vision"),
        "num_heads": _heads(width),
        "mlp_ratio": state["vision.layers.0.block.mlp.fc1.weight"].shape[0] / width,
    }


def _resnet(state: Mapping[str, Tensor]) -> dict[str, Any]:
    stages = [_depth(state, f"vision.layers.{stage}", "") for stage in range(_depth(state, "vision"))]
    side = round((len(state["vision.attention_pool.pos_embed"]) - 1) ** 0.5)
    return {"layers": stages, "width": len(state["vision.stem.conv3.conv.weight"]), "img_size": 32 * side}


def _heads(width: int) -> int:
    return int(width) // OTHER_HEAD_WIDTHS.get(width, HEAD_WIDTH)


def _depth(state: Mapping[str, Tensor], start: str, layers: str = "layers.") -> int:
    """How many layers are numbered below a name."""
    pattern = re.compile(rf"{re.escape(start)}\.{layers}(\d+)\.")
    return 1 + max((int(match[1]) for name in state if (match := pattern.match(name))), default=-1)
