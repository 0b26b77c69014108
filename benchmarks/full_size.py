"""Link prediction by MKGformer at full size: BERT-base and ViT-B/32 with random weights, FB15k-237, drawn images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.runs import composed
from mkgc.data.dataset import read_dataset
from mkgc.tools.archive import unpack
from mkgc.training.checkpoint import build_task
from mkgc.training.samplers import LengthBatches
from tasks.link_prediction.batch import LinkBatch
from tasks.link_prediction.queries import QuerySet
from tasks.link_prediction.task import LinkPrediction

BATCH, TRAINED_BATCH = 16, 96
"""Queries of a batch that fits this measurement, and of one in the published settings."""

ENCODERS = (
    "size.fused=3",
    "size.text.config.hidden_size=768",
    "size.text.config.num_hidden_layers=12",
    "size.text.config.num_attention_heads=12",
    "size.text.config.intermediate_size=3072",
    "size.vision.name=vit_base_patch32_clip_quickgelu_224",
    "~size.vision.embed_dim",
    "~size.vision.depth",
    "~size.vision.num_heads",
    "~size.vision.position_std",
)
"""BERT-base and ViT-B/32 with random weights, on top of `size=small`."""

BASE = (
    "task=link_prediction",
    "data=fb15k237_img",
    "data.images.image=224",
    "task.vocab_size=30522",
    "task.model.objective=bce",
    *ENCODERS,
    "size.vision.img_size=224",
)


class Drawn:
    """A store with an image of noise for every entity: what they show does not change what they cost."""

    def index(self, path: Path, size: int) -> int:
        return int(path.name)

    def take(self, rows: Sequence[int], size: int) -> Tensor:
        pixels = [np.random.default_rng(row).integers(0, 256, (3, size, size), np.uint8) for row in rows]
        return torch.from_numpy(np.stack(pixels))


def prepared(archives: Path, folder: Path) -> tuple[Any, LinkPrediction]:
    """The graph with texts that fill every prompt and an image of each entity, and a network of random weights."""
    unpack(archives / "fb15k237.tar.xz", folder)
    root = folder / "fb15k237"
    # The published descriptions are paragraphs; these first sentences, repeated, are as long to a prompt of 64 tokens.
    rows = (line.split("\t") for line in (root / "fb-entity2text-new.txt").read_text().splitlines())
    (root / "entity2textlong.txt").write_text("".join(f"{row[0]}\t{' '.join([row[1]] * 16)}\n" for row in rows))
    config = composed(*BASE, f"data.root={root}")
    dataset = read_dataset(config)
    processor: Any = dataset.processor
    processor.images = [{"image": (Path(str(entity)),)} for entity in range(len(processor.entities))]
    task: Any = build_task(config, dataset.processor)
    return dataset, task.train()


def train_set(dataset: Any, examples: Any) -> QuerySet:
    """An epoch of training, with each query once or as often as triples ask it."""
    features = dataset.features["train"]
    return QuerySet(dataset.processor, features.triples, features.size, examples=examples)


def orders(dataset: Any) -> dict[str, tuple[QuerySet, Iterator[list[int]]]]:
    """In which batches queries come, as the loaders make them."""
    repeated, test = train_set(dataset, "repeated"), dataset.features["test"]
    return {
        "training, each query once": (train_set(dataset, "queries"), batches(train_set(dataset, "queries"), 0)),
        "training, as often as triples ask": (repeated, batches(repeated, 0)),
        "test": (test, batches(test, None)),
    }


def batches(features: QuerySet, seed: int | None) -> Iterator[list[int]]:
    return iter(LengthBatches(features.lengths, TRAINED_BATCH, seed))


def sharing(features: QuerySet, order: Iterator[list[int]]) -> dict[str, float]:
    """How many entities a batch of 96 queries shows: the mean, the least and the most."""
    shown = [len(np.unique(features.__getitems__(rows).queries[:, 0])) for rows in order if len(rows) == TRAINED_BATCH]
    return {"mean": float(np.mean(shown)), "least": min(shown), "most": max(shown)}


def batch_of(dataset: Any, split: str, seed: int | None) -> LinkBatch:
    """The first batch of a split, shuffled by a seed or in order."""
    features = dataset.features[split]
    rows = next(iter(LengthBatches(features.lengths, BATCH, seed)))
    return dataset.processor.collate(features.__getitems__(rows), Drawn())
