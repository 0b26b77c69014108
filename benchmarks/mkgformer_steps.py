"""`python -m benchmarks.mkgformer_steps ARCHIVES [PART …]`: what each measure saves of MKGformer at full size.

BERT-base and ViT-B/32 with random weights on the real FB15k-237 of ``ARCHIVES`` (``fb15k237.tar.xz``): 14,541 entities,
237 relations, prompts of 64 tokens, one drawn image of 224 pixels an entity; two threads. "Before" is without the
measure; head, labels and the whole step are then those of MKGformer's released code, reconstructed here. Both sides run
in turns, the quickest of three counts, as other work shares the machine; the floating-point operations of their matrix
products are counted beside, since those do not vary. Parts that are named (``stage1``, ``head``, ``labels``, ``steps``,
``optimiser``) are measured again, the others' figures stay; without names, all are. Writes
``benchmarks/mkgformer_steps.json`` and the tables of ``docs/benchmarks.md``.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import grad
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.full_size import BATCH, TRAINED_BATCH, Drawn, batch_of, batches, orders, prepared, sharing, train_set
from benchmarks.runs import chosen, fill, machine
from mkgc.losses.kvsall import binary_kvsall
from mkgc.losses.softmax import softmax_kvsall
from tasks.link_prediction.batch import LinkBatch, TripleBatch
from tasks.link_prediction.task import LinkPrediction

RESULTS = Path("benchmarks/mkgformer_steps.json")
PAGE = Path("docs/benchmarks.md")
BEGIN, END = "<!-- table: python -m benchmarks.mkgformer_steps -->", "<!-- end of steps table -->"
ROUNDS, EPOCHS = 3, 15
Work = Callable[[], Any]
Measures = dict[str, dict[str, Any]]


def main() -> None:
    """Measures one thing after the other, writes the figures and the tables."""
    torch.set_num_threads(2)
    torch.manual_seed(0)
    with TemporaryDirectory() as folder:
        dataset, task = prepared(Path(sys.argv[1] if len(sys.argv) > 1 else "data"), Path(folder))
    shared = {name: sharing(*part) for name, part in orders(dataset).items()}
    train, test = (batch_of(dataset, split, seed) for split, seed in (("train", 0), ("test", None)))
    parts: dict[str, Callable[[], Measures]] = {
        "stage1": lambda: stage1(task, dataset),
        "head": lambda: head(task, train),
        "labels": lambda: labels(dataset),
        "steps": lambda: steps(task, train, test),
        "optimiser": lambda: optimiser(task),
    }
    measures: Measures = json.loads(RESULTS.read_text())["measures"] if sys.argv[2:] else {}
    for part in chosen(sys.argv[2:], parts):
        measures |= parts[part]()
    figures = {"machine": machine(), "batch": BATCH, "measures": measures, "entities_shown": shared}
    figures["queries"] = {kind: len(train_set(dataset, kind)) for kind in ("queries", "repeated")}
    RESULTS.write_text(json.dumps(figures, indent=1) + "\n")
    fill(PAGE, BEGIN, END, table(figures))


def in_turns(before: Work, after: Work, times: int = 1) -> dict[str, Any]:
    """Seconds and operations of both sides, after a warm-up; what is short is done several times at once."""
    sides = {"before": before, "after": after}
    before(), after()
    gflop = {name: counted(work) for name, work in sides.items()}
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, work in sides.items():
            began = time.perf_counter()
            for _ in range(times):
                work()
            taken[name].append((time.perf_counter() - began) / times)
    return {name: {"seconds": min(taken[name]), "all": taken[name], "gflop": gflop[name]} for name in sides}


def counted(work: Work) -> float:
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / 1e9


def learned(task: LinkPrediction, loss: Callable[[], Tensor]) -> Work:
    """A forward and a backward pass."""

    def step() -> None:
        task.zero_grad(set_to_none=True)
        loss().backward()

    return step


def stage1(task: LinkPrediction, dataset: Any) -> Measures:
    """An epoch by its parts: what the frozen network says of 16 entities, and a step of 64 on what it said."""
    features = [dataset.processor.definition(entity) for entity in range(BATCH)]
    batch = dataset.processor.collate(features, Drawn())
    count, size = len(dataset.processor.entities), task.stage1.batch_size
    table, bias = task.head.table.weight, task.head.bias
    optimiser = torch.optim.AdamW([table, bias], lr=1e-6, fused=True)
    said, rows = torch.randn(size, task.backbone.width), torch.arange(size)

    def fitted() -> None:
        optimiser.zero_grad()
        F.cross_entropy(said @ table.T + bias, rows).backward()
        optimiser.step()

    task.eval()
    parts = in_turns(torch.no_grad()(lambda: task.hidden(batch)), fitted)
    task.train()
    read, fit = ({key: parts[side][key] for key in ("seconds", "gflop")} for side in ("before", "after"))
    epoch = {key: (read[key] * count / BATCH, fit[key] * count / size) for key in read}
    return {
        f"stage 1, {EPOCHS} epochs (out of a batch of each part)": {
            "before": {key: EPOCHS * (reading + fitting) for key, (reading, fitting) in epoch.items()},
            "after": {key: reading + EPOCHS * fitting for key, (reading, fitting) in epoch.items()},
        }
    }


def head(task: LinkPrediction, batch: LinkBatch) -> Measures:
    """From the network's states to a loss and back."""
    states = torch.randn(*batch.text.ids.shape, task.backbone.width, requires_grad=True)
    rows = torch.arange(len(states))

    def at_mask() -> Tensor:
        hidden = task.head.transform(states[rows, batch.mask])
        scores = F.linear(hidden, task.head.table.weight, task.head.bias)
        return binary_kvsall(scores, (batch.targets[:, 0], batch.targets[:, 1]))

    before = learned(task, lambda: dense_bce(everywhere(task, states, batch), batch))
    return {"head: mask and entities alone": in_turns(before, learned(task, at_mask))}


def everywhere(task: LinkPrediction, states: Tensor, batch: LinkBatch) -> Tensor:
    """Scores of the entities at the mask, cut out of those of all rows of the vocabulary at all positions."""
    words: Any = task.backbone.text.words
    first = words.words.num_embeddings
    bias = F.pad(task.head.bias, (first, len(words.weight) - first - len(task.head.bias)))
    scores = F.linear(task.head.transform(states), words.weight, bias)
    return scores[torch.arange(len(states)), batch.mask, first : first + len(task.head.bias)]


def dense_bce(scores: Tensor, batch: Any) -> Tensor:
    """The loss with a label for each entity."""
    return F.binary_cross_entropy_with_logits(scores, dense(scores, batch))


def dense(scores: Tensor, batch: Any) -> Tensor:
    right = torch.zeros_like(scores)
    right[batch.targets[:, 0], batch.targets[:, 1]] = 1.0
    return right


def labels(dataset: Any) -> Measures:
    """Both losses on scores of 96 queries, and back."""
    features = dataset.features["train"]
    batch = TripleBatch(**features.__getitems__(next(batches(features, 0))).tensors())
    scores = torch.randn(TRAINED_BATCH, len(dataset.processor.entities), requires_grad=True)
    answers = batch.targets[:, 0], batch.targets[:, 1]

    def dense_softmax() -> Tensor:
        right = dense(scores, batch)
        return F.cross_entropy(scores, right / right.sum(1, keepdim=True))

    def compared(before: Callable[[], Tensor], after: Callable[[], Tensor]) -> dict[str, Any]:
        return in_turns(lambda: grad(before(), scores), lambda: grad(after(), scores), times=20)

    return {
        f"labels of {TRAINED_BATCH} queries, bce: sparse": compared(
            lambda: dense_bce(scores, batch), lambda: binary_kvsall(scores, answers)
        ),
        f"labels of {TRAINED_BATCH} queries, softmax: sparse": compared(
            dense_softmax, lambda: softmax_kvsall(scores, answers)
        ),
    }


def each_on_its_own(batch: LinkBatch) -> LinkBatch:
    """The batch with images that go through the lower layers once for each query."""
    return replace(batch, images=tuple(replace(group, shared=None) for group in batch.images))


def steps(task: LinkPrediction, train: LinkBatch, test: LinkBatch) -> Measures:
    """Whole steps of training and of evaluation."""
    rows = torch.arange(BATCH)

    def all_positions() -> Tensor:
        hidden = task.head.transform(task.backbone(train.text, train.images).text[rows, train.mask])
        return binary_kvsall(F.linear(hidden, task.head.table.weight, task.head.bias), tuple(train.targets.T))

    def as_released() -> Tensor:
        images = each_on_its_own(train).images
        return dense_bce(everywhere(task, task.backbone(train.text, images).text, train), train)

    def for_each() -> Tensor:
        return task.loss(each_on_its_own(train))

    step = learned(task, lambda: task.loss(train))
    return {
        "training step: last layer at the mask alone": in_turns(learned(task, all_positions), step),
        "training step: images once a batch": in_turns(learned(task, for_each), step),
        "training step: all of these": in_turns(learned(task, as_released), step),
        "evaluation step: images once a batch": evaluation(task, test),
    }


@torch.inference_mode()
def evaluation(task: LinkPrediction, test: LinkBatch) -> dict[str, Any]:
    """Scores of a batch of test queries, which come in the order of their entities."""

    def for_each() -> None:
        task.scores(each_on_its_own(test))

    task.eval()
    found = in_turns(for_each, lambda: task.scores(test))
    task.train()
    return found


def optimiser(task: LinkPrediction) -> Measures:
    """AdamW over everything, and without the entities' table: no sparse optimiser of the table could do better."""
    for parameter in task.parameters():
        parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
    learning = [parameter for parameter in task.parameters() if parameter.requires_grad]
    rest = [parameter for parameter in learning if parameter is not task.head.table.weight]
    both = [torch.optim.AdamW(parameters, lr=1e-9, fused=True) for parameters in (learning, rest)]
    return {"AdamW: without the entities' table": in_turns(both[0].step, both[1].step)}


def seconds(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(figures: dict[str, Any]) -> str:
    """All measures, the entities of a batch and the queries of an epoch as Markdown."""
    lines = ["| measure | before, s | after, s | times | before, GFLOP | after, GFLOP |", "|" + " --- |" * 6]
    for name, sides in figures["measures"].items():
        (old, old_flop), (new, new_flop) = ((sides[s]["seconds"], sides[s]["gflop"]) for s in ("before", "after"))
        lines.append(
            f"| {name} | {seconds(old)} | {seconds(new)} | {old / new:.2f} | {old_flop:,.0f} | {new_flop:,.0f} |"
        )
    lines += ["", f"| batches of {TRAINED_BATCH} queries | entities shown, mean | least | most |", "|" + " --- |" * 4]
    for name, found in figures["entities_shown"].items():
        lines.append(f"| {name} | {found['mean']:.1f} | {found['least']} | {found['most']} |")
    once, often = (figures["queries"][kind] for kind in ("queries", "repeated"))
    lines += ["", f"Queries an epoch: {once:,} distinct, {often:,} as triples ask them ({often / once:.2f} times)."]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
