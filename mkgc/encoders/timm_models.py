"""timm's architectures, with what cannot be had of them as a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import timm
from torch import nn

from mkgc.errors import ConfigError

Model = TypeVar("Model", bound=nn.Module)


def create(name: str, kind: type[Model], named: str, choose: str, **options: Any) -> Model:
    """The network of a name without its classifier; a message calls such names ``named``, and says what to ``choose``.

    Raises:
        ConfigError: Nothing can be loaded under that name, or it is of another kind.
    """
    try:
        model = timm.create_model(name, num_classes=0, **options)
    except Exception as error:  # timm and the hub's client raise a dozen kinds
        raise ConfigError(
            f"no vision encoder '{name}': give {named} that can be reached, or weights on disk "
            f"(size.vision.name=…, size.vision.file=…); {str(error).splitlines()[0]}"
        ) from error
    if not isinstance(model, kind):
        raise ConfigError(f"'{name}' is a {type(model).__name__}: choose {choose}")
    return model


def pretrained(file: str | None) -> dict[str, Any]:
    """The options of a network with weights: the hub's, or those of a local file.

    Raises:
        ConfigError: The file is missing.
    """
    if file is None:
        return {"pretrained": True}
    if not Path(file).is_file():
        raise ConfigError(f"no file of vision weights at '{file}' (size.vision.file)")
    # timm before 1.0.31 reads any file of its oldest ViTs as the NumPy arrays that these were published as.
    return {
        "pretrained": True,
        "pretrained_cfg_overlay": {"file": file, "custom_load": Path(file).suffix == ".npz"},
    }
