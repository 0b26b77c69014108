"""`python -m mkgc.convert task=NAME input=FILE output=OUT.ckpt …`: released weights as a checkpoint.

They are those of MKGformer, or, of a task that pretrains with a graph, of KLMo; of retrieval, Chinese-CLIP's.

All sizes are read off the names and shapes; only the number of heads cannot be, of MKGformer and KLMo.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from omegaconf import DictConfig, OmegaConf

from mkgc.app.command import exit_on_user_error, require, run
from mkgc.app.config import check
from mkgc.app.files import check_output, only_contents
from mkgc.app.keys import CONVERT
from mkgc.app.packages import CONF
from mkgc.errors import CheckpointError, ConfigError
from mkgc.terminal import say

if TYPE_CHECKING:
    from torch import Tensor

    from mkgc.data.processor import Processor
    from mkgc.released.chinese_clip import ReleasedTowers
    from mkgc.released.conversion import ReleasedTask
    from mkgc.released.klmo_conversion import ReleasedPretraining
    from mkgc.training.task import Task


def convert(config: DictConfig) -> str:
    """Writes the checkpoint.

    Returns:
        The name of the system whose weights they are.

    Raises:
        MkgcError: The weights do not fit the task, the data set or the tokeniser.
    """
    from hydra.utils import instantiate

    from mkgc.training.checkpoint import save

    check_output(config.output, Path(config.input))
    released = instantiate(config.released)
    save(_built(config, released), config.output)
    return str(released.system)


def _built(config: DictConfig, released: ReleasedTask | ReleasedPretraining | ReleasedTowers) -> Task:
    """The network of the configured task, with the released weights."""
    from mkgc.released.chinese_clip import ReleasedTowers
    from mkgc.released.conversion import ReleasedTask

    if isinstance(released, ReleasedTowers):
        return _chinese_clip(config, released)
    state = _read(config, released)
    if isinstance(released, ReleasedTask):
        return _mkgformer(config, released, state)
    return _klmo(config, released, state)


def _chinese_clip(config: DictConfig, released: ReleasedTowers) -> Task:
    """Both towers, which their configuration reads, and what they were trained to read."""
    from mkgc.data.dataset import read_dataset
    from mkgc.training.checkpoint import build_task

    place = {"weights": config.input}
    tokens = {
        "_target_": "mkgc.released.chinese_clip.tokens",
        "_partial_": True,
        **place,
        "vocabulary": config.tokenizer,
    }
    config.size = {"lr": config.size.lr, "tokenizer": tokens}
    config.backbone = released.backbone(config.input)
    OmegaConf.update(config, "data.images", {"image": released.image_size(config.input)}, merge=False)
    dataset = read_dataset(config)
    dataset.show()
    return build_task(config, dataset.processor)


def _mkgformer(config: DictConfig, released: ReleasedTask, state: Mapping[str, Tensor]) -> Task:
    """The network of a task of MKGformer, with these weights."""
    from mkgc.data.dataset import read_dataset
    from mkgc.released.conversion import sizes
    from mkgc.released.weights import load_strictly
    from mkgc.training.checkpoint import build_task

    found = sizes(state, released, config.heads)
    _configure(config, found)
    images = found["side"]["images"]
    # Of what has no image of its own only the names are wanted: no image, and no dictionary of crops.
    OmegaConf.update(config, "data.images", images if released.whole_images else {}, merge=False)
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
    state, orders = released.arranged(state, model, Path(config.data.root))
    load_strictly(model, released.renamed(state, new_tokens, orders), f"'{config.input}'")
    return model


def _klmo(config: DictConfig, released: ReleasedPretraining, state: Mapping[str, Tensor]) -> Task:
    """The network of KLMo's pretraining, with these weights."""
    from mkgc.data.dataset import read_dataset
    from mkgc.released.klmo_conversion import klmo_backbone
    from mkgc.released.klmo_weights import klmo_sizes
    from mkgc.released.weights import load_strictly
    from mkgc.training.checkpoint import build_task

    found = klmo_sizes(state, config.heads)
    _configure(config, found)
    dataset = read_dataset(config)
    dataset.show()
    _vocabulary(found["text"]["vocab_size"], dataset.processor.new_tokens(), dataset.processor, config.tokenizer)
    config.backbone = klmo_backbone(found, OmegaConf.select(config, "backbone.side.vectors"))
    model: Any = build_task(config, dataset.processor)
    load_strictly(model, released.renamed(state, found["fused"], model.state_dict()), f"'{config.input}'")
    return model


def _read(config: DictConfig, released: ReleasedTask | ReleasedPretraining) -> Mapping[str, Tensor]:
    """The weights of the configured task.

    Raises:
        CheckpointError: They are damaged, or lack what marks them.
    """
    from mkgc.released.weights import read_tensors, unwrapped

    state = read_tensors(Path(config.input))
    if any(name.startswith("model.unimo.") for name in state):
        state = unwrapped(state, "model.")  # Lightning's, where there is one
    if released.mark not in state:
        raise CheckpointError(
            f"the weights are not those of {released.system}'s task={config.task.name}: there is no {released.mark}"
        )
    return state


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
    from mkgc.released.conversion import FUSED

    text = {"_target_": "mkgc.encoders.text.random_text", "_convert_": "all", "config": found["text"]}
    return {
        "_target_": "mkgc.models.fusion_encoder.FusionEncoder",
        "inputs": ["text", "images"],
        "text": text,
        "side": {"_target_": "mkgc.released.vision.ReleasedVision", "_convert_": "all", **found["side"]},
        "fused": FUSED,
        "fusion": {"_target_": "mkgc.released.fusion.ReleasedFusion", "_partial_": True},
    }


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="convert")
@exit_on_user_error
def _main(config: DictConfig) -> None:
    require(config, "input", "output", "tokenizer")
    check(config, CONVERT)
    with only_contents(config.output):
        system = convert(config)
        say(f"converted: {config.task.name} of the released {system}, into {config.output}")


def main() -> None:
    """The command."""
    run(_main, "convert")


if __name__ == "__main__":
    main()
