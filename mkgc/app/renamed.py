"""Keys of earlier versions, and what they are called now: an old one is an error that names the new one."""

from __future__ import annotations

from collections.abc import Iterable

from mkgc.errors import ConfigError

KEYS = {
    "backbone.inner": "backbone.hidden_dim",
    "backbone.independent": "backbone.stacked",
    "backbone.keep": "backbone.cache_gib",
    "backbone.rebuild": "backbone.reconstruction_weight",
    "backbone.side_trained": "backbone.side_trainable_layers",
    "backbone.spread": "backbone.init_std",
    "backbone.trained": "backbone.trainable_layers",
    "data.choose": "data.image_seed",
    "data.draw": "data.subset_seed",
    "data.most": "data.max_images",
    "data.pictures": "data.images",
    "data.shift": "data.translate",
    "draws": "subset_seeds",
    "novel_only": "exclude_known",
    "optim.algorithm": "optim.optimizer._target_",
    "size.released.inner": "size.released.hidden_dim",
    "size.side_trained": "size.side_trainable_layers",
    "size.trained": "size.trainable_layers",
    "tags": "released.tags",
    "task.model.readout": "task.model.pooling",
}
"""An entry stands for all keys below it, too."""

GONE = {"task.metric": "a task says itself what is monitored (Task.monitor)"}
"""Keys that nothing reads any more, and why."""

VALUES = {
    "backbone": {"small": "e5_dino", "mini": "minilm_dino"},
    "weights": {"small": "e5_dino", "mini": "minilm_dino"},
}
"""Choices of keys that are called as before."""

FLAGS = {"--novel-only": "--exclude-known"}


def check_renamed(words: Iterable[str]) -> None:
    """Checks what was typed behind a command for keys and choices of earlier versions.

    Raises:
        ConfigError: There is one.
    """
    for word in words:
        if word in FLAGS:
            raise ConfigError(f"{word} is called {FLAGS[word]} now")
        key, _, value = word.partition("=")
        key = key.lstrip("+~")
        if key in GONE:
            raise ConfigError(f"{key} is no key any more: {GONE[key]}")
        for old, new in KEYS.items():
            if f"{key}.".startswith(f"{old}."):
                raise ConfigError(f"{key} is called {new}{key.removeprefix(old)} now")
        for one in value.split(","):
            if one in VALUES.get(key, {}):
                raise ConfigError(f"{key}={one} is called {key}={VALUES[key][one]} now")
