"""`python -m mkgc.convert task=mre input=FILE output=OUT.ckpt …`: the released MKGformer's weights as a checkpoint.

Which task the weights are of, and all sizes, are read off the names and shapes; only the number of heads cannot be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from mkgc.app.command import exit_on_user_error, require, run
from mkgc.app.config import check
from mkgc.app.files import check_output, only_contents
from mkgc.app.keys import CONVERT
from mkgc.errors import CheckpointError, ConfigError
from mkgc.released.weights import released_names, without_prefix
from mkgc.terminal import say

if TYPE_CHECKING:
    from mkgc.data.processor import Processor

PREFIX = {"mre": "model.", "mner": "model.", "link_prediction": "unimo."}
FUSED = 4
"""The released code fuses its last four layers, its paper says three."""
HEADS = {
    "mre": {"classifier.weight": "head.classifier.weight", "classifier.bias": "head.classifier.bias"},
    "mner": {
        "fc.weight": "emit.weight",
        "fc.bias": "emit.bias",
        "crf.start_transitions": "crf.chain.start_transitions",
        "crf.end_transitions": "crf.chain.end_transitions",
        "crf.transitions": "crf.chain.transitions",
    },
    "link_prediction": {
        "cls.predictions.transform.dense.weight": "head.dense.weight",
        "cls.predictions.transform.dense.bias": "head.dense.bias",
        "cls.predictions.transform.LayerNorm.weight": "head.norm.weight",
        "cls.predictions.transform.LayerNorm.bias": "head.norm.bias",
    },
}
"""The heads' names there and here."""


TIED = {
    "cls.predictions.decoder.weight": "unimo.text_embeddings.word_embeddings.weight",
    "cls.predictions.decoder.bias": "cls.predictions.bias",
}
"""Second names of one tensor in link prediction."""


def kind_of(state: Mapping[str, Tensor]) -> str:
    """The task that a released state dictionary is of.

    Raises:
        CheckpointError: It is of none.
    """
    if "classifier.weight" in state:
        return "mre"
    if "crf.transitions" in state:
        return "mner"
    if "cls.predictions.bias" in state:
        return "link_prediction"
    raise CheckpointError(
        "the weights are of none of MKGformer's tasks: there is no classifier, no CRF, no cls.predictions"
    )


def sizes(state: Mapping[str, Tensor], heads: int) -> dict[str, Any]:
    """The backbone's configuration, from the shapes.

    Raises:
        CheckpointError: Tensors that tell are missing, or of no such shape.
        ConfigError: So many heads do not divide the width.
    """
    task = kind_of(state)
    backbone = {k.removeprefix(PREFIX[task]): v for k, v in state.items() if k.startswith(PREFIX[task])}
    try:
        text, side = _text_sizes(backbone, heads), _side_sizes(backbone, heads)
    except (KeyError, IndexError) as error:
        raise CheckpointError(
            f"the weights lack {error}, or it has no such shape: they are no whole state dictionary of MKGformer"
        ) from None
    for width in (text["hidden_size"], side["width"]):
        if not isinstance(heads, int) or heads < 1 or width % heads:
            raise ConfigError(f"heads={heads} does not divide the weights' width of {width}")
    linking = task == "link_prediction"
    side |= {"class_token": not linking, "positions": not linking}
    side["images"] = {"image": 224, "crops": 128, "objects": 64} if linking else {"crops": 128, "objects": 64}
    return {"text": text, "side": side}


def _text_sizes(backbone: Mapping[str, Tensor], heads: int) -> dict[str, Any]:
    words = backbone["text_embeddings.word_embeddings.weight"]
    return {
        "model_type": "bert",
        "vocab_size": words.shape[0],
        "hidden_size": words.shape[1],
        "num_hidden_layers": _depth(backbone, "text_layer"),
        "num_attention_heads": heads,
        "intermediate_size": backbone["encoder.text_layer.0.intermediate.dense.weight"].shape[0],
        "max_position_embeddings": backbone["text_embeddings.position_embeddings.weight"].shape[0],
        "type_vocab_size": backbone["text_embeddings.token_type_embeddings.weight"].shape[0],
    }


def _side_sizes(backbone: Mapping[str, Tensor], heads: int) -> dict[str, Any]:
    patches = backbone["vision_embeddings.patch_embedding.weight"]
    return {
        "width": patches.shape[0],
        "depth": _depth(backbone, "vision_layers"),
        "heads": heads,
        "hidden_dim": backbone["encoder.vision_layers.0.mlp.fc1.weight"].shape[0],
        "patch": patches.shape[3],
    }


def _depth(state: Mapping[str, Tensor], layers: str) -> int:
    found = (re.match(rf"encoder\.{layers}\.(\d+)\.", name) for name in state)
    return 1 + max((int(match[1]) for match in found if match), default=-1)


def released_state(
    state: Mapping[str, Tensor], new_tokens: Mapping[str, int], orders: Mapping[str, Sequence[int]] | None = None
) -> dict[str, Tensor]:
    """All tensors under the names of our task; the last rows of the word embeddings become the tables of new tokens.

    ``new_tokens`` are ``{"markers": 4}`` in relation extraction, nothing in entity recognition, and ``{"entities": N,
    "relations": R}`` in link prediction, in the order of their ids. ``orders`` say which released row each of our rows
    of a table is; None: the same. What is of no known name stays, for :func:`load_strictly` to list.

    Raises:
        CheckpointError: Tensors that are one in the released code are not.
    """
    task, orders = kind_of(state), orders or {}
    own = without_prefix(state, PREFIX[task])
    linking = task == "link_prediction"
    renamed = released_names(own, _depth(own, "text_layer"), FUSED, unpositioned=linking)
    out = {f"backbone.{name}": value for name, value in renamed.items()}
    place = "backbone.text.embeddings.word_embeddings"
    words = out.pop(f"{place}.weight")
    start = words.shape[0] - sum(new_tokens.values())
    out[f"{place}.words.weight" if new_tokens else f"{place}.weight"] = words[:start]
    parts = dict(zip(new_tokens, words[start:].split([*new_tokens.values()]), strict=True))
    for name, rows in parts.items():
        out[f"{place}.new_tokens.{name}.weight"] = rows[list(orders[name])] if name in orders else rows
    out |= {HEADS[task].get(name, name): value for name, value in state.items() if not name.startswith(PREFIX[task])}
    if linking:
        _check_tied(state)
        for name in ("cls.predictions.bias", *TIED):
            out.pop(name, None)
        bias = state["cls.predictions.bias"][start : start + new_tokens["entities"]]
        out["head.table.weight"] = out[f"{place}.new_tokens.entities.weight"]
        out["head.bias"] = bias[list(orders["entities"])] if "entities" in orders else bias
    return out


def _check_tied(state: Mapping[str, Tensor]) -> None:
    words = state[TIED["cls.predictions.decoder.weight"]]
    if (bias := state["cls.predictions.bias"]).shape != words.shape[:1]:
        raise CheckpointError(f"cls.predictions.bias has the shape {list(bias.shape)}, the words {list(words.shape)}")
    for name, other in TIED.items():
        if name in state and not torch.equal(state[name], state[other]):
            raise CheckpointError(f"'{name}' is not '{other}', which it is in the released code")


def reordered_states(state: Mapping[str, Tensor], tags: list[str], ours: tuple[str, ...]) -> dict[str, Tensor]:
    """A released tagging head with its states in our order.

    The type that Twitter-2015 calls OTHER is MISC there.

    Raises:
        CheckpointError: A tensor is missing or of another shape, or the tags there and here are not the same.
    """
    if lost := [name for name in HEADS["mner"] if name not in state]:
        raise CheckpointError(f"the weights lack {', '.join(lost)}: they are no whole tagger of MKGformer")
    if "B-OTHER" in ours and "B-MISC" not in ours:
        tags = [tag.replace("-MISC", "-OTHER") for tag in tags]
    theirs = ["PAD", *tags, "X", "[CLS]", "[SEP]"]
    shapes = {name: list(state[name].shape) for name in HEADS["mner"]}
    if any(shape[:1] != [len(theirs)] for shape in shapes.values()) or len({*shapes["crf.transitions"]}) > 1:
        raise CheckpointError(f"the weights have states of the shapes {shapes}, and tags={tags} makes {len(theirs)}")
    if sorted(theirs) != sorted(ours):
        strange = sorted(set(theirs) ^ set(ours))
        raise CheckpointError(
            f"the weights have the states {theirs}, the data set {list(ours)}: not both have {strange}"
        )
    order = [theirs.index(name) for name in ours]
    rows = {name: state[name][order] for name in HEADS["mner"] if name != "crf.transitions"}
    return {**state, **rows, "crf.transitions": state["crf.transitions"][order][:, order]}


def convert(config: DictConfig) -> str:
    """Writes the checkpoint; returns the task that the weights are of.

    Raises:
        MkgcError: The weights do not fit the task, the data set or the tokeniser.
    """
    from mkgc.data.dataset import read_dataset
    from mkgc.released.numbering import row_orders
    from mkgc.released.weights import load_strictly, read_tensors, unwrapped
    from mkgc.training.checkpoint import build_task, describe, save

    check_output(config.output, Path(config.input))
    state = read_tensors(Path(config.input))
    if any(name.startswith("model.unimo.") for name in state):
        state = unwrapped(state, "model.")  # Lightning's, in link prediction
    task = kind_of(state)
    if config.task.name != task:
        raise ConfigError(f"the weights are of task={task}, not task={config.task.name}")
    found = sizes(state, config.heads)
    _configure(config, found)
    images = found["side"]["images"]
    # Of sentences only the labels are wanted: no image, and no dictionary of crops.
    OmegaConf.update(config, "data.images", images if task == "link_prediction" else {}, merge=False)
    dataset = read_dataset(config)
    dataset.show()
    dataset.processor.settings = replace(dataset.processor.settings, images=images)
    OmegaConf.update(config, "data.images", images, merge=False)
    new_tokens = dataset.processor.new_tokens()
    found["text"]["vocab_size"] = _vocabulary(
        found["text"]["vocab_size"], new_tokens, dataset.processor, config.tokenizer
    )
    config.backbone = _backbone(found)
    model: Any = build_task(config, dataset.processor)
    model.metadata = describe(config, dataset.processor)
    orders = {}
    if task == "mner":
        state = reordered_states(state, list(config.tags), model.states)
    elif task == "link_prediction":
        names = {"entities": model.processor.entities, "relations": model.processor.relations}
        orders = row_orders(Path(config.data.root), names)
    load_strictly(model, released_state(state, new_tokens, orders), f"'{config.input}'")
    save(model, config.output)
    return task


def _configure(config: DictConfig, found: Mapping[str, Any]) -> None:
    """Puts what the weights and the command say into the configuration that reads the data.

    Raises:
        ConfigError: Texts may be longer than the weights have positions.
    """
    positions = found["text"]["max_position_embeddings"]
    if config.data.max_length > positions:
        raise ConfigError(f"data.max_length={config.data.max_length}: the weights have {positions} positions only")
    tokens = {"_target_": "mkgc.data.tokens.pretrained", "_partial_": True, "name": config.tokenizer}
    config.size = {"lr": config.size.lr, "tokenizer": tokens}


def _vocabulary(rows: int, new_tokens: Mapping[str, int], processor: Processor, name: str) -> int:
    """How many of the rows of the released embedding are word pieces.

    Raises:
        CheckpointError: The tokeniser has more or fewer.
    """
    vocabulary = rows - sum(new_tokens.values())
    if processor.tokenizer.size != vocabulary:
        raise CheckpointError(
            f"the weights have a vocabulary of {vocabulary} word pieces beside {new_tokens or 'no new tokens'}, "
            f"the tokeniser '{name}' has {processor.tokenizer.size}"
        )
    return vocabulary


def _backbone(found: Mapping[str, Any]) -> dict[str, Any]:
    text = {"_target_": "mkgc.encoders.text.random_text", "_convert_": "all", "config": found["text"]}
    return {
        "_target_": "mkgc.models.fusion_encoder.FusionEncoder",
        "inputs": ["text", "images"],
        "text": text,
        "side": {"_target_": "mkgc.released.vision.ReleasedVision", "_convert_": "all", **found["side"]},
        "fused": FUSED,
        "fusion": {"_target_": "mkgc.released.fusion.ReleasedFusion", "_partial_": True},
    }


@hydra.main(version_base="1.3", config_path="../conf", config_name="convert")
@exit_on_user_error
def _main(config: DictConfig) -> None:
    require(config, "input", "output", "tokenizer")
    check(config, CONVERT)
    with only_contents(config.output):
        say(f"converted: {convert(config)} of the released MKGformer, into {config.output}")


def main() -> None:
    """The command."""
    run(_main)


if __name__ == "__main__":
    main()
