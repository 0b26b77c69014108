"""A sweep of three seeds over frozen encoders, with what they make of the data set kept in files and without.

`python -m benchmarks.frozen_states [FOLDER]` trains entity recognition on a tenth of the Atlas for an epoch a seed. The
encoders have the size of `size=e5_dino`, 12 + 12 layers of width 384, of which 3 + 3 learn; their weights are random,
and the same for every seed, as downloaded ones are. Writes its table into `docs/benchmarks.md`.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import safetensors.torch
import timm
import torch
from omegaconf import DictConfig, OmegaConf
from transformers import BertConfig, BertModel

from benchmarks.runs import composed, fill
from mkgc.data.dataset import read_dataset
from mkgc.train import train

PAGE = Path("docs/benchmarks.md")
BEGIN, END = "<!-- table: python -m benchmarks.frozen_states -->", "<!-- end of frozen states table -->"
BERT = {"hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 12, "num_attention_heads": 12}
VIT = {"img_size": 56, "embed_dim": 384, "depth": 12, "num_heads": 6, "patch_size": 14}
SETTINGS = ("task=mner", "data.fraction=0.1", "data.images.image=56", "task.epochs=1", "size.fused=3")
SEEDS = (0, 1, 2)


def main() -> None:
    """The command."""
    with TemporaryDirectory() as scratch:
        folder = Path(sys.argv[1] if sys.argv[1:] else scratch)
        save_encoders(folder)
        rows = {gib: [seconds(folder, gib, seed) for seed in SEEDS] for gib in (0.0, 4.0)}
    fill(PAGE, BEGIN, END, table(rows))


def settings(folder: Path, gib: float, seed: int) -> DictConfig:
    """The configuration of a run."""
    learning = ("size.trainable_layers=3", "size.side_trainable_layers=3", "data.batch_size=64")
    config = composed(*SETTINGS, *learning, f"data.root={folder / 'mner'}", f"backbone.cache_gib={gib}", f"seed={seed}")
    text = {"_target_": "mkgc.encoders.text.pretrained_text", "name": str(folder / "text")}
    vision = {"_target_": "mkgc.encoders.vision.pretrained_vision", "name": "vit_small_patch16_224", **VIT}
    OmegaConf.update(config, "size.text", text, merge=False, force_add=True)
    OmegaConf.update(config, "size.vision", vision | {"file": str(folder / "vit.safetensors")}, merge=False)
    return config


def save_encoders(folder: Path) -> None:
    """Writes the encoders; the text's has a row for each piece of the tokeniser that the Atlas teaches."""
    pieces = read_dataset(composed(*SETTINGS, f"data.root={folder / 'mner'}")).processor.tokenizer.size
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=pieces, **BERT)).save_pretrained(folder / "text")  # type: ignore[arg-type]
    vit: Any = timm.create_model("vit_small_patch16_224", num_classes=0, **VIT)
    safetensors.torch.save_file(vit.state_dict(), folder / "vit.safetensors")


def seconds(folder: Path, gib: float, seed: int) -> tuple[float, float]:
    """Wall-clock and processor time of a run, from reading the data to its test."""
    began, used = time.perf_counter(), time.process_time()
    train(settings(folder, gib, seed), folder / f"{gib}-{seed}")
    return time.perf_counter() - began, time.process_time() - used


def table(rows: dict[float, list[tuple[float, float]]]) -> str:
    """Both sweeps as Markdown, seed by seed."""
    lines = ["| states | seed 0 | seed 1 | seed 2 | together |", "|" + " --- |" * 5]
    for gib, runs in rows.items():
        name = "kept in files" if gib else "computed in each step"
        cells = [*runs, tuple(map(sum, zip(*runs, strict=True)))]
        lines.append(f"| {name} | " + " | ".join(f"{wall:.0f} s ({used:.0f} s)" for wall, used in cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
