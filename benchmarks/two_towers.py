"""`python -m benchmarks.two_towers [ROW …]`: time and memory of a step of two towers against its batch, and of others'.

A step is forward, loss and backward over pairs of a text of 52 tokens and an image of 224 pixels; towers are 12 layers
of width 384 (ViT-S/32 and a BERT of that width), random, on two threads. Ours are measured as they are, with cached
gradients (chunks of 16 pairs) and with checkpointed layers, beside cn_clip's towers of equal shape and open_clip's
(whose text tower is a pre-norm transformer with a causal mask), without and with checkpointing. Each row is a process
of its own, whose peak of memory less that before the first step is the step's; the quickest of three steps counts.
Rows that are named (``ours/plain/64``) are measured again, the others' figures stay; without names, all are. ``small``
measures tiny towers, and writes nothing. Writes ``benchmarks/two_towers.json`` and the table of ``docs/towers.md``.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.runs import chosen, fill, machine, printed
from mkgc.batch import Images, Text
from mkgc.encoders.text import random_text
from mkgc.encoders.vision import random_vision
from mkgc.losses.contrastive import contrastive_loss
from mkgc.models.dual_encoder import DualEncoder

RESULTS = Path("benchmarks/two_towers.json")
PAGE = Path("docs/towers.md")
BEGIN, END = "<!-- table: python -m benchmarks.two_towers -->", "<!-- end of towers table -->"
STEPS, TOKENS, VOCABULARY, PIXELS, PATCH, DIM = 3, 52, 21128, 224, 32, 512
BATCHES = (16, 64, 128)
CHUNK = 16
WAYS = ("ours/plain", "ours/chunk", "ours/checkpointing", "cn_clip/plain", "open_clip/plain", "open_clip/checkpointing")
WIDTH, LAYERS = 384, 12
SMALL = (64, 2)
"""Width and layers of towers to try the program with."""

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Of ids, mask and pixels of a batch."""


def main() -> None:
    """Measures row by row, writes the figures and the table."""
    words = sys.argv[1:]
    if words[:1] == ["row"]:
        way, batch = words[1].rsplit("/", 1)
        print(json.dumps(measured(way, int(batch), int(words[2]), int(words[3]))))
        return
    if words == ["small"]:
        for way in WAYS:
            print(way, row(f"{way}/{BATCHES[0]}", *SMALL))
        return
    rows = {f"{way}/{batch}": () for way in WAYS for batch in BATCHES}
    figures: dict[str, Any] = json.loads(RESULTS.read_text())["rows"] if words else {}
    for name in chosen(words, rows):
        figures[name] = row(name, WIDTH, LAYERS)
        print(name, figures[name], flush=True)
    RESULTS.write_text(json.dumps({"machine": machine(), "rows": figures}, indent=1) + "\n")
    fill(PAGE, BEGIN, END, table(figures))


def row(name: str, width: int, layers: int) -> dict[str, float]:
    """A row, measured in a process of its own."""
    words = ["-m", "benchmarks.two_towers", "row", name, str(width), str(layers)]
    here = Path(__file__).parent.parent
    return json.loads(printed(words, here, here, OMP_NUM_THREADS="2").splitlines()[-1])


def measured(way: str, batch: int, width: int, layers: int) -> dict[str, float]:
    """Seconds of the quickest step, and GiB that steps need beside the towers and their gradients."""
    torch.set_num_threads(2)
    torch.manual_seed(0)
    model, loss = TOWERS[way](width, layers)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    ids, pixels = torch.randint(5, VOCABULARY, (batch, TOKENS)), torch.randn(batch, 3, PIXELS, PIXELS)
    before, taken = peak(), []
    for _ in range(STEPS):
        began = time.perf_counter()
        loss(ids, torch.ones_like(ids, dtype=torch.bool), pixels).backward()
        taken.append(time.perf_counter() - began)
        model.zero_grad(set_to_none=False)
    return {"seconds": min(taken), "gib": (peak() - before) / 2**20}


def peak() -> int:
    """The most memory that this process has had, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def text_config(width: int, layers: int) -> dict[str, Any]:
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": width // 64,
        "intermediate_size": 4 * width,
        "max_position_embeddings": TOKENS,
    }


def ours(chunk: int | None, checkpointing: bool, width: int, layers: int) -> tuple[DualEncoder, Loss]:
    vision = random_vision(
        "vit_base_patch16_clip_quickgelu_224",
        embed_dim=width,
        depth=layers,
        num_heads=width // 64,
        patch_size=PATCH,
        img_size=PIXELS,
    )
    text = random_text({"model_type": "bert", **text_config(width, layers)})
    model = DualEncoder(text, vision, DIM, checkpointing=checkpointing)

    def loss(ids: Tensor, mask: Tensor, pixels: Tensor) -> Tensor:
        given = Text(ids, mask, torch.zeros_like(ids))
        images = [Images("image", pixels, torch.arange(len(pixels))[:, None])]
        return contrastive_loss(model.encode_text(given, chunk), model.encode_image(images, chunk), model.scale)

    return model, loss


def cn_clip(width: int, layers: int) -> tuple[Any, Loss]:
    from cn_clip.clip.model import CLIP

    config = {f"text_{key}": value for key, value in text_config(width, layers).items() if key != "vocab_size"}
    dropouts = {"text_attention_probs_dropout_prob": 0.1, "text_hidden_dropout_prob": 0.1}
    model = CLIP(
        embed_dim=DIM,
        image_resolution=PIXELS,
        vision_layers=layers,
        vision_width=width,
        vision_patch_size=PATCH,
        vocab_size=VOCABULARY,
        text_hidden_act="gelu",
        text_initializer_range=0.02,
        text_type_vocab_size=2,
        **config,
        **dropouts,
    )

    def loss(ids: Tensor, mask: Tensor, pixels: Tensor) -> Tensor:
        images, texts, scale = model(pixels, ids)
        return contrastive_loss(texts, images, scale)

    return model, loss


def open_clip(checkpointing: bool, width: int, layers: int) -> tuple[Any, Loss]:
    from open_clip import CLIP, ClipLoss

    vision = {"layers": layers, "width": width, "patch_size": PATCH, "image_size": PIXELS}
    text = {"layers": layers, "width": width, "heads": width // 64, "context_length": TOKENS, "vocab_size": VOCABULARY}
    model = CLIP(DIM, vision, text, quick_gelu=True)
    model.set_grad_checkpointing(checkpointing)
    compared = ClipLoss()

    def loss(ids: Tensor, mask: Tensor, pixels: Tensor) -> Tensor:
        images, texts, scale = model(pixels, ids)
        return compared(images, texts, scale)

    return model, loss


TOWERS: dict[str, Callable[[int, int], tuple[Any, Loss]]] = {
    "ours/plain": lambda *sizes: ours(None, False, *sizes),
    "ours/chunk": lambda *sizes: ours(CHUNK, False, *sizes),
    "ours/checkpointing": lambda *sizes: ours(None, True, *sizes),
    "cn_clip/plain": cn_clip,
    "open_clip/plain": lambda *sizes: open_clip(False, *sizes),
    "open_clip/checkpointing": lambda *sizes: open_clip(True, *sizes),
}
"""The towers and their loss, of a width and a number of layers."""


def table(figures: dict[str, Any]) -> str:
    """A line a way of computing, a column a batch."""
    head = [f"batch {batch}" for batch in BATCHES]
    lines = ["| | " + " | ".join(head) + " |", "| --- |" + " --- |" * len(head)]
    for way in WAYS:
        cells = (figures.get(f"{way}/{batch}") for batch in BATCHES)
        shown = (f"{cell['seconds']:.2f} s, {cell['gib']:.2f} GiB" if cell else "" for cell in cells)
        lines.append(f"| {way.replace('/', ', ').replace('chunk', f'chunk={CHUNK}')} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
