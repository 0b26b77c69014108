"""The cost of frozen layers in a sweep of three seeds, whose states of the data set are kept in files.

`python -m benchmarks.frozen_states [FOLDER]` prepares entity recognition on the Atlas, a tenth of its train and all of
dev and test, up to the first step, once a seed. The encoders have the size of `size=e5_dino`, 12 + 12 layers of width
384, of which 3 + 3 learn; their weights are random, and the same for every seed, as downloaded ones are. Writes its
table into `docs/benchmarks.md`.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytorch_lightning as pl
import safetensors.torch
import timm
import torch
from omegaconf import DictConfig, OmegaConf
from transformers import BertConfig, BertModel

from benchmarks.runs import composed, fill
from mkgc.data.dataset import read_dataset
from mkgc.training.checkpoint import build_task
from mkgc.training.frozen import keep_states

PAGE = Path("docs/benchmarks.md")
BEGIN, END = "<!-- table: python -m benchmarks.frozen_states -->", "<!-- end of frozen states table -->"
BERT = {"hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 12, "num_attention_heads": 12}
VIT: dict[str, Any] = {"img_size": 56, "embed_dim": 384, "depth": 12, "num_heads": 6, "patch_size": 14}
SETTINGS = ("task=mner", "data.fraction=0.1", "data.images.image=56", "task.epochs=1", "size.fused=3")
SEEDS = (0, 1, 2)


def main() -> None:
    """The command."""
    with TemporaryDirectory() as scratch:
        folder = Path(sys.argv[1] if sys.argv[1:] else scratch)
        save_encoders(folder)
        rows = [seconds(settings(folder, seed)) for seed in SEEDS]
    fill(PAGE, BEGIN, END, table(rows))


def settings(folder: Path, seed: int) -> DictConfig:
    """The configuration of a run."""
    learning = ("size.trainable_layers=3", "size.side_trainable_layers=3", "data.batch_size=64")
    config = composed(*SETTINGS, *learning, f"data.root={folder / 'mner'}", f"seed={seed}")
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


def seconds(config: DictConfig) -> tuple[float, float]:
    """Wall-clock and processor time until the frozen layers' states are there."""
    torch.manual_seed(config.seed)
    dataset = read_dataset(config)
    task = build_task(config, dataset.processor)
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    began, used = time.perf_counter(), time.process_time()
    keep_states(task, dataset, trainer)
    return time.perf_counter() - began, time.process_time() - used


def table(rows: list[tuple[float, float]]) -> str:
    """The sweep as Markdown, seed by seed."""
    lines = ["| seed | seconds | of processor time |", "|" + " --- |" * 3]
    return "\n".join([*lines, *(f"| {seed} | {wall:.1f} | {used:.1f} |" for seed, (wall, used) in enumerate(rows))])


if __name__ == "__main__":
    main()
