"""What the tests of steps share: every backbone of every task, and batches that training could meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from omegaconf import DictConfig

from mkgc.data.dataset import Dataset, read_dataset
from mkgc.kge.negatives import NegativeSampler
from mkgc.training.checkpoint import build_task
from mkgc.training.steps import LargeBatch
from mkgc.training.task import Task
from tasks.link_prediction import sequence_processor
from tasks.link_prediction.structure import StructurePrediction
from tasks.relation_classification.data import BagFeatures

FUSED = ("mkgformer", "mkgformer_released", "vilbert", "visualbert", "text_only")
LATE = ("adapcoatt", "umt", "umgf", "bert_sg", "mega")
VECTORS = ("transe", "rotate", "distmult", "complex", "rescal", "ikrl", "transae", "rsme")
OBJECTIVES = ("kvsall", "onevsall", "negatives", "margin")

LINKS = "link_prediction"
LINKED = ("entity_typing", "relation_classification")
GRAPHS = ("klmo", "klmo_released", "ernie")
BAGS = ("task.data.bag_size=2", "task.model.bag=attention")
CORPUS = "knowledge_pretraining"
WORDS = ("task.model.loss_weights.relations=0.0", "task.model.loss_weights.entities=0.0")
PAIRS = "retrieval"
POEMS = "poetry_pretraining"
TEACHER = "task.data.teacher=${data.root}/teacher.ckpt"
VERSES = "poetry_retrieval"
JUDGED = "task.source.judgements=${data.root}/judgements.jsonl"
FALSE = ("task.model.loss_weights.replaced=1.0", "task.data.drawing.replaced=0.4")
ENOUGH: list[tuple[str, tuple[str, ...]]] = [
    ("mre", ("backbone=mkgformer",)),
    ("mre", ("~data.images.image",)),
    ("mner", ("backbone=vilbert",)),
    ("mner", ("backbone=visualbert", "size.side_trainable_layers=1")),
    ("mner", ("backbone=umt",)),
    ("mre", ("backbone=mega",)),
    ("mre", ("system=pcnn",)),
    ("mner", ("system=hbilstm_softmax",)),
    ("entity_typing", ("data=linked",)),
    ("relation_classification", ("data=linked",)),
    (CORPUS, FALSE),
    (PAIRS, ("size.trainable_layers=1", "size.side_trainable_layers=0")),
    (POEMS, (TEACHER,)),
    (VERSES, (TEACHER, JUDGED, "task.model.learn=true")),
    (LINKS, ("backbone=mkgformer", "size.trainable_layers=1", "size.side_trainable_layers=1")),
    (LINKS, ("backbone=mkgformer_released",)),
    (LINKS, ("backbone=kg_bert",)),
    *((LINKS, (f"backbone=kge/{name}",)) for name in ("ikrl", "rsme")),
    (LINKS, ("backbone=kge/transae", "task.model.structure.objective=onevsall", "task.model.structure.n3=0.1")),
]
"""A model of each kind."""

REST: list[tuple[str, tuple[str, ...]]] = [
    *((task, (f"backbone={name}",)) for task in ("mre", "mner", LINKS) for name in FUSED),
    *((task, (f"backbone={name}",)) for task in ("mre", "mner") for name in LATE),
    *((task, ("size.trainable_layers=1", "size.side_trainable_layers=1")) for task in ("mre", "mner")),
    ("mre", ("backbone.fusion.pgi=false",)),
    ("mre", ("backbone.fusion.caf=false",)),
    ("mre", ("backbone.stacked=true", "task.model.pooling=cls")),
    ("mner", ("backbone=vilbert", "size.side_trainable_layers=1")),
    ("mner", ("task.model.pooling=pieces",)),
    ("mner", ("task.model.pooling=pieces", "task.model.decoder=softmax")),
    ("mner", ("system=cnn_bilstm_crf",)),
    ("mner", ("system=bert_softmax",)),
    *((task, ("data=linked", f"backbone={name}")) for task in LINKED for name in (*GRAPHS, *FUSED, "words/pcnn")),
    *((task, ("data=linked", "size.trainable_layers=1", "backbone=text_only")) for task in LINKED),
    *((task, ("data=linked", "data.knowledge=null")) for task in LINKED),
    ("entity_typing", ("data=linked", "backbone=text_only", "task.model.pooling=mean", "task.data.markers=new")),
    ("relation_classification", ("data=linked", "backbone=text_only", *BAGS)),
    ("relation_classification", ("data=linked", "task.model.pooling=markers", "task.data.markers=none", BAGS[0])),
    *((CORPUS, (f"backbone={name}",)) for name in (*GRAPHS, *FUSED)),
    (CORPUS, ("backbone.outputs=[text,mentions]",)),
    (CORPUS, WORDS),
    *((CORPUS, (f"system={name}_pretraining",)) for name in ("bert", "ernie", "wklm")),
    (PAIRS, ("backbone=dual_encoder",)),
    (PAIRS, ("backbone.text_pooling=mean", "backbone.checkpointing=true", "task.model.chunk=3")),
    (POEMS, (TEACHER, "backbone=pkg_bert_released", "task.data.visual=false")),
    (POEMS, (TEACHER, "size.trainable_layers=1", "task.data.graph=false")),
    (POEMS, (TEACHER, "task.model.loss_weights.words=0.0")),
    (POEMS, ("backbone=pkg_bert",)),
    (LINKS, ("task.model.objective=bce", "task.model.smoothing=0.1")),
    *((LINKS, (f"backbone=kge/{name}",)) for name in VECTORS),
    *((LINKS, ("backbone=kge/transae", f"task.model.structure.objective={how}")) for how in OBJECTIVES),
    (LINKS, ("backbone=kge/distmult", "task.model.structure={objective: kvsall, n3: 0.1}")),
    (LINKS, ("backbone=kge/rotate", "task.model.structure={objective: negatives, subsampling: true}")),
    (LINKS, ("backbone=kge/rotate", "task.model.structure.objective=negatives", "task.data.examples=triples")),
]
"""All other pairs of task and backbone, and what changes their losses."""

EVERY = list(dict.fromkeys([*ENOUGH, *REST]))


def built(config: DictConfig) -> tuple[Task, Dataset]:
    """An untrained model, ready to be fitted and without dropout, and its data."""
    torch.manual_seed(0)
    dataset = read_dataset(config)
    task = build_task(config, dataset.processor)
    if isinstance(task, StructurePrediction):
        task.before_fit(dataset)
    return task.eval(), dataset


def collated(task: Task, dataset: Dataset, rows: Sequence[int], images: bool = True) -> Any:
    """A batch of some training examples, with their images or without any."""
    items = [dataset.features["train"][row] for row in rows]
    if not images:
        items = [_without_images(item) for item in items]
    return task.processor.collate(items, dataset.store)


def _without_images(item: Any) -> Any:
    """Of a bag, each sentence loses its own."""
    if isinstance(item, BagFeatures):
        return replace(item, sentences=tuple(_without_images(one) for one in item.sentences))
    return replace(item, images=dict.fromkeys(item.images, ()))


def gradients(task: Task) -> dict[str, torch.Tensor | None]:
    return {name: p.grad for name, p in task.named_parameters() if p.requires_grad}


def of_one_step(task: Task, batches: Sequence[Any]) -> dict[str, torch.Tensor | None]:
    """The gradients of a step that accumulates some batches, as Lightning makes it."""
    task.zero_grad()
    step = LargeBatch()
    for batch in batches:
        (step.summed(task.loss(batch), task.weight(batch), len(batches)) / len(batches)).backward()
    step.divide(task.parameters(), len(batches), lambda total: total)
    return gradients(task)


def without_chance(patch: Any) -> None:
    """Wrong answers that depend on the triple alone, so that parts of a batch meet those of the whole."""

    def next_ones(self: NegativeSampler, triples: torch.Tensor, *_: Any) -> torch.Tensor:
        return (triples.sum(1, keepdim=True) + torch.arange(self.count, device=triples.device)) % self.entities

    patch.setattr(NegativeSampler, "forward", next_ones)
    patch.setattr(sequence_processor, "drawn", _first)


def _first(batch: Any, _: Any) -> torch.Tensor:
    queries = batch.targets[:, 0].contiguous()
    starts = torch.searchsorted(queries, torch.arange(len(batch.anchor), device=queries.device))
    return batch.targets[starts, 1]
