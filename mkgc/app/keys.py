"""The keys of each command that configure no part of their own, with types and bounds.

:mod:`mkgc.app.config` checks them. What a node with a ``_target_`` may hold is declared where that is defined.
"""

from __future__ import annotations

from typing import Any, Literal

from mkgc.app.ranges import Count, Natural, Port, Positive, Seed

Keys = dict[str, Any]
"""Dotted keys and the types of their values."""

BadImages = Literal["mask", "skip", "fail"]
TypeConstraints = Literal["seen", "types"]

SWEEP: Keys = {
    "launcher.jobs": Count,
    "launcher.cpus": Positive | None,
    "launcher.gpus": float | None,
    "launcher.address": str | None,
    "launcher.memory_gb": Count | None,
    "launcher.minutes": Count,
    "launcher.partition": str | None,
    "launcher.requeues": Natural,
    "search.trials": Count,
}
"""Of what runs the jobs of a sweep, which these do not read."""

TRAIN: Keys = SWEEP | {
    "system_tasks": list[str] | None,
    "seed": Seed,
    "patience": Natural | None,
    "save_every": Count | None,
    "nonfinite": Literal["stop", "skip"],
    "trainer.check_val_every_n_epoch": Count,
    "trainer.compile": bool,
    "weights": str | None,
    "resume": str | None,
    "overwrite": bool,
    "smoke": bool,
    "data.images": dict[str, Count],
    "backbone.inputs": list[Literal["text", "characters", "distances", "images", "scene", "triples", "knowledge"]],
    "task.name": str,
    "task.epochs": Count,
    "task.stages": list[Count],
    "task.stage1.task.epochs": Count,
    "task.stage2.task.epochs": Count,
    "task.stage1.optim.lr": Positive,
    "task.stage2.optim.lr": Positive,
    "task.stage1.backbone.vision_trainable_layers": Natural | None,
    "task.vocab_size": Count,
    "low_resource.shots": str,
    "low_resource.fraction": str,
    "low_resource.epochs": Count,
    "size.lr": Positive,
    "size.threads": Count | None,
    "size.fused": Natural,
    "size.fused_values": str,
    "size.trainable_layers": Natural | None,
    "size.side_trainable_layers": Natural | None,
}
READING = TRAIN | {"smoke": Literal[False]}
"""Of commands that read, and have nothing else to do that a smoke run would cut short."""

CHECK: Keys = READING | {"output": str}
PREPARE: Keys = READING | {
    "weights": Literal["e5_dino", "minilm_dino"] | None,
    "archive": str | None,
    "output": str | None,
    "subset_seeds": Count | None,
}
CONVERT: Keys = READING | {"input": str, "output": str, "tokenizer": str, "heads": Count}
EVALUATE: Keys = {
    "checkpoint": str | None,
    "judgements": str | None,
    "trusted": list[str],
    "split": Literal["dev", "test"],
    "smoke": bool,
    "root": str | None,
    "bad_images": BadImages | None,
    "output": str | None,
    "type_constraints": TypeConstraints | None,
    "templates": str | list[str] | None,
    "batch_size": Count,
    "device": str,
}
PREDICT: Keys = {
    "checkpoint": str,
    "trusted": list[str],
    "input": str,
    "output": str,
    "batch_size": Count,
    "bad_records": Literal["fail", "skip"],
    "bad_images": BadImages | None,
    "exclude_known": bool,
    "top_k": Count | None,
    "type_constraints": TypeConstraints | None,
    "language": str | None,
    "root": str | None,
    "index": Literal["faiss", "approximate"] | None,
    "device": str,
}
EXPLAIN: Keys = {
    "checkpoint": str,
    "trusted": list[str],
    "input": str,
    "output": str,
    "batch_size": Count,
    "bad_records": Literal["fail", "skip"],
    "bad_images": BadImages | None,
    "language": str | None,
    "root": str | None,
    "device": str,
}
INDEX: Keys = {
    "checkpoint": str,
    "trusted": list[str],
    "images": str | None,
    "texts": str | None,
    "output": str,
    "kind": Literal["auto", "flat", "hnsw", "ivf"],
    "batch_size": Count,
    "device": str,
}
SEARCH: Keys = {
    "index": str,
    "checkpoint": str | None,
    "trusted": list[str],
    "images": str | None,
    "query": str | None,
    "image": str | None,
    "top_k": Count,
    "sheet": str | None,
    "output": str | None,
    "device": str,
}
SERVE: Keys = {
    "index": str,
    "checkpoint": str | None,
    "trusted": list[str],
    "images": str | None,
    "host": str,
    "port": Port,
    "top_k": Count,
    "upload_mb": Positive,
    "device": str,
}
EXPORT: Keys = {"checkpoint": str, "output": str, "trusted": list[str]}
REPORT: Keys = {
    "runs": str | list[str] | None,
    "table": str | list[str] | None,
    "compare": list[str] | None,
    "errors": str | None,
    "root": str | None,
    "dashboard": str | list[str] | None,
    "output": str | None,
    "plots": str | None,
    "baseline": str | None,
    "resamples": Count,
    "seed": Seed,
}
