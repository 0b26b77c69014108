"""`python -m mkgc.convert task=mre input=FILE output=OUT.ckpt …`: the released MKGformer's weights as a checkpoint.

Which task the weights are of, and all sizes, are read off the names and shapes; only the number of heads cannot be.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from mkgc.command import reported, require, run
from mkgc.errors import CheckpointError, ConfigError

PREFIX = {"mre": "model.", "mner": "model.", "link_prediction": "unimo."}
FUSED = 4
"""The released code fuses its last four layers, its paper says three."""
HEADS = {
    "mre": {"classifier.weight": "classifier.weight", "classifier.bias": "classifier.bias"},
    "mner": {
        "fc.weight": "emit.weight",
        "fc.bias": "emit.bias",
        "crf.start_transitions": "crf.chain.start_transitions",
        "crf.end_transitions": "crf.chain.end_transitions",
        "crf.transitions": "crf.chain.transitions",
    },
    "link_prediction": {
        "cls.predictions.transform.dense.weight": "transform.0.weight",
        "cls.predictions.transform.dense.bias": "transform.0.bias",
        "cls.predictions.transform.LayerNorm.weight": "transform.2.weight",
        "cls.predictions.transform.LayerNorm.bias": "transform.2.bias",
    },
}
"""The heads' names there and here."""


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
        CheckpointError: Tensors that tell are missing.
    """
    task = kind_of(state)
    backbone = {k.removeprefix(PREFIX[task]): v for k, v in state.items() if k.startswith(PREFIX[task])}
    try:
        words = backbone["text_embeddings.word_embeddings.weight"]
        text = {
            "model_type": "bert",
            "vocab_size": words.shape[0],
            "hidden_size": words.shape[1],
            "num_hidden_layers": _depth(backbone, "text_layer"),
            "num_attention_heads": heads,
            "intermediate_size": backbone["encoder.text_layer.0.intermediate.dense.weight"].shape[0],
            "max_position_embeddings": backbone["text_embeddings.position_embeddings.weight"].shape[0],
            "type_vocab_size": backbone["text_embeddings.token_type_embeddings.weight"].shape[0],
        }
        patches = backbone["vision_embeddings.patch_embedding.weight"]
        inner = backbone["encoder.vision_layers.0.mlp.fc1.weight"].shape[0]
    except KeyError as error:
        raise CheckpointError(f"the weights lack {error}: they are no whole state dictionary of MKGformer") from None
    linking = task == "link_prediction"
    side: dict[str, Any] = {
        "width": patches.shape[0],
        "depth": _depth(backbone, "vision_layers"),
        "heads": heads,
        "inner": inner,
    }
    side |= {"patch": patches.shape[-1], "class_token": not linking, "positions": not linking}
    side["pictures"] = {"image": 224, "crops": 128, "objects": 64} if linking else {"crops": 128, "objects": 64}
    return {"text": text, "side": side}


def _depth(state: Mapping[str, Tensor], layers: str) -> int:
    return 1 + max(int(name.split(".")[2]) for name in state if name.startswith(f"encoder.{layers}."))


def released_state(state: Mapping[str, Tensor], tables: Mapping[str, int]) -> dict[str, Tensor]:
    """All tensors under the names of our task; the last rows of the word embeddings become the tables of new tokens.

    ``tables`` are ``{"markers": 4}`` in relation extraction, nothing in entity recognition, and ``{"entities": N,
    "relations": R}`` in link prediction, in the order of their ids.
    """
    from mkgc.encoders.weights import released_names, without_prefix

    task = kind_of(state)
    own = without_prefix(state, PREFIX[task])
    linking = task == "link_prediction"
    renamed = released_names(own, _depth(own, "text_layer"), FUSED, unpositioned=linking)
    out = {f"backbone.{name}": value for name, value in renamed.items()}
    words = out.pop("backbone.text.embeddings.word_embeddings.weight")
    place = "backbone.text.embeddings.word_embeddings"
    if tables:
        start = words.shape[0] - sum(tables.values())
        out[f"{place}.words.weight"] = words[:start]
        for (name, count), end in zip(tables.items(), _ends(start, tables), strict=True):
            out[f"{place}.tables.{name}.weight"] = words[end - count : end]
    else:
        out[f"{place}.weight"] = words
    out |= {ours: state[theirs] for theirs, ours in HEADS[task].items() if theirs in state}
    if linking:
        start = words.shape[0] - sum(tables.values())
        out["table.weight"] = out[f"{place}.tables.entities.weight"]
        out["bias"] = state["cls.predictions.bias"][start : start + tables["entities"]]
    return out


def _ends(start: int, tables: Mapping[str, int]) -> list[int]:
    ends = []
    for count in tables.values():
        start += count
        ends.append(start)
    return ends


def reordered_states(state: Mapping[str, Tensor], tags: list[str], ours: tuple[str, ...]) -> dict[str, Tensor]:
    """A released tagging head with its states in our order.

    Raises:
        CheckpointError: The tags there and here are not the same.
    """
    theirs = ["PAD", *tags, "X", "[CLS]", "[SEP]"]
    if sorted(theirs) != sorted(ours) or len(theirs) != state["fc.bias"].shape[0]:
        raise CheckpointError(
            f"the weights have {state['fc.bias'].shape[0]} states, tags={theirs}, the data set {ours}"
        )
    order = [theirs.index(name) for name in ours]
    rows = {name: state[name][order] for name in HEADS["mner"] if name != "crf.transitions"}
    return {**state, **rows, "crf.transitions": state["crf.transitions"][order][:, order]}


def convert(config: DictConfig) -> str:
    """Writes the checkpoint; returns the task that the weights are of.

    Raises:
        MkgcError: The weights do not fit the task, the data set or the tokeniser.
    """
    from mkgc.checkpoint import build_task, describe, save
    from mkgc.data.corpus import read_corpus
    from mkgc.encoders.weights import load_strictly, read_tensors

    state = read_tensors(Path(config.input))
    task = kind_of(state)
    if config.task.name != task:
        raise ConfigError(f"the weights are of task={task}, not task={config.task.name}")
    found = sizes(state, config.heads)
    OmegaConf.update(config, "data.pictures", found["side"]["pictures"], merge=False)
    if task == "mner":
        config.task.model.readout = "pieces"
    tokens = {"_target_": "mkgc.data.tokens.pretrained", "_partial_": True, "name": config.tokenizer}
    config.size = {"lr": config.size.lr, "tokenizer": tokens}
    corpus = read_corpus(config)
    tables = corpus.codec.tables()
    vocabulary = found["text"]["vocab_size"] - sum(tables.values())
    if corpus.codec.tokenizer.size != vocabulary:
        raise CheckpointError(
            f"the weights have a vocabulary of {vocabulary} word pieces beside {tables or 'no new tokens'}, "
            f"the tokeniser '{config.tokenizer}' has {corpus.codec.tokenizer.size}"
        )
    config.backbone = {
        "_target_": "mkgc.backbone.Backbone",
        "text": {"_target_": "mkgc.encoders.text.random_text", "_convert_": "all"}
        | {"config": found["text"] | {"vocab_size": vocabulary}},
        "side": {"_target_": "mkgc.encoders.released.ReleasedVision", "_convert_": "all", **found["side"]},
        "fused": FUSED,
        "fusion": {"_target_": "mkgc.fusion.released.ReleasedFusion", "_partial_": True},
    }
    model: Any = build_task(config, corpus.codec)
    model.saved = describe(config, corpus.codec)
    if task == "mner":
        state = reordered_states(state, list(config.tags), model.states)
    load_strictly(model, released_state(state, tables), f"'{config.input}'")
    save(model, config.output)
    return task


@hydra.main(version_base="1.3", config_path="../conf", config_name="convert")
@reported
def _main(config: DictConfig) -> None:
    require(config, "input", "output", "tokenizer")
    print(f"converted: {convert(config)} of the released MKGformer, into {config.output}")


def main() -> None:
    """The command."""
    run(_main)


if __name__ == "__main__":
    main()
