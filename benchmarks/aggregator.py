"""`python -m benchmarks.aggregator [SIZE …]`: what reading a graph costs in pretraining.

Steps of pretraining (forward, all losses, backward, AdamW) on drawn texts and graphs, in one run: of KLMo, KLMo as
released and ERNIE with masked words, relations and links, beside BERT of equal depth with masked words alone; then of
KLMo as the graph around each text grows, a process each for its memory. SIZE is ``small`` and ``base`` (the default
without an accelerator) or ``paper`` (BERT-base, texts of 512 tokens, bfloat16). Writes ``benchmarks/aggregator.json``
and the tables of ``docs/benchmarks.md``.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.runs import fill, machine
from mkgc.batch import Knowledge, Text
from mkgc.encoders.knowledge import KnowledgeEncoder
from mkgc.encoders.text import random_text
from mkgc.fusion.entities import InformationFusion
from mkgc.fusion.knowledge import KnowledgeAggregator
from mkgc.heads.linking import EntityLinking
from mkgc.heads.masked_lm import MaskedLM
from mkgc.heads.span_pairs import SpanPairClassifier
from mkgc.models.fusion_encoder import FusionEncoder
from mkgc.released.klmo import ReleasedAggregator

PAGE, RESULTS = Path("docs/benchmarks.md"), Path("benchmarks/aggregator.json")
BEGIN, END = "<!-- table: python -m benchmarks.aggregator -->", "<!-- end of aggregator table -->"
ENTITIES, RELATIONS, VOCABULARY = 10_000, 50, 21_128  # the pieces of BERT's Chinese vocabulary
MENTIONS, NODES, MASKED = 8, 24, 0.15
GROWING = (10, 100, 1_000)
ROUNDS = 3


class Size(NamedTuple):
    """An encoder's sizes, the last half of whose layers read the graph, and a batch's."""

    layers: int
    width: int
    heads: int
    hidden_dim: int
    batch: int
    length: int


SIZES = {
    "small": Size(4, 128, 4, 512, 32, 64),
    "base": Size(12, 768, 12, 3072, 4, 128),
    "paper": Size(12, 768, 12, 3072, 64, 512),
}
SYSTEMS: dict[str, tuple[Any, Any]] = {
    "BERT": (None, None),
    "KLMo": (KnowledgeAggregator, "neighbours"),
    "KLMo as released": (ReleasedAggregator, "all"),
    "ERNIE": (InformationFusion, "mentioned"),
}


class Pretraining(nn.Module):
    """A backbone with the heads of pretraining, and one batch of it."""

    def __init__(self, system: str, size: Size, nodes: int, device: torch.device) -> None:
        super().__init__()
        torch.manual_seed(0)
        fusion, visible = SYSTEMS[system]
        text = random_text(
            {
                "model_type": "bert",
                "vocab_size": VOCABULARY,
                "hidden_size": size.width,
                "num_hidden_layers": size.layers,
                "num_attention_heads": size.heads,
                "intermediate_size": size.hidden_dim,
                "max_position_embeddings": 512,
            }
        )
        self.masked_lm = MaskedLM(size.width, text.words)
        self.text, self.knowledge = drawn_text(size, device), drawn_graphs(size, nodes, device)
        if fusion is None:
            self.backbone = FusionEncoder(text)
        else:
            fused = size.layers // 2
            side = KnowledgeEncoder(100, fused, 4, size.hidden_dim, visible=visible)
            self.backbone = FusionEncoder(text, side, fusion, fused, outputs=frozenset({"text", "mentions"}))
            side.add_nodes(*([str(i) for i in range(count)] for count in (ENTITIES, RELATIONS)))
            self.linking = EntityLinking(size.width, 100)
            self.related = SpanPairClassifier(size.width, RELATIONS + 1)
        self.to(device).train()
        self.optimiser = torch.optim.AdamW(self.parameters(), lr=1e-5)
        self.device = device

    def step(self) -> None:
        """One step of training, to its end."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            loss = self.loss()
        loss.backward()
        self.optimiser.step()
        self.optimiser.zero_grad()
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def loss(self) -> Tensor:
        """Masked words, and where a graph is read links and relations."""
        masked = int(self.text.ids.shape[1] * MASKED)
        side: Any = self.backbone.side
        if side is None:
            return self._words(self.backbone(self.text), masked)
        graph = self.knowledge
        out = self.backbone(self.text, graph)
        assert out.mentions is not None
        count = graph.spans.shape[1]
        candidates = side.node_vectors(graph.nodes[:, :count].flatten())  # those of the batch
        scores = self.linking(out.mentions, candidates)
        right = torch.arange(len(candidates), device=self.device)
        pairs = torch.combinations(torch.arange(count, device=self.device))
        related = self.related(out.mentions[:, pairs].flatten(0, 1))
        none = torch.zeros(len(related), dtype=torch.long, device=self.device)
        links = F.cross_entropy(scores.flatten(0, 1), right)
        return self._words(out, masked) + links + F.cross_entropy(related, none)

    def _words(self, out: Any, masked: int) -> Tensor:
        scores = self.masked_lm(out.text[:, 1 : 1 + masked].flatten(0, 1))
        return F.cross_entropy(scores, self.text.ids[:, 1 : 1 + masked].flatten())


def drawn_text(size: Size, device: torch.device) -> Text:
    """Texts of one length."""
    ids = torch.randint(5, VOCABULARY, (size.batch, size.length), device=device)
    return Text(ids, torch.ones_like(ids, dtype=torch.bool), torch.zeros_like(ids))


def drawn_graphs(size: Size, nodes: int, device: torch.device) -> Knowledge:
    """Graphs of mentions of two tokens each and of relations, each between two of them."""
    mentions = min(MENTIONS, nodes)
    entities = torch.randint(ENTITIES, (size.batch, mentions), device=device)
    relations = torch.randint(RELATIONS, (size.batch, nodes - mentions), device=device)
    adjacency = torch.eye(nodes, dtype=torch.bool, device=device).repeat(size.batch, 1, 1)
    for node in range(mentions, nodes):
        ends = torch.randint(mentions, (size.batch, 2), device=device)
        rows = torch.arange(size.batch, device=device)[:, None]
        adjacency[rows, ends, node] = adjacency[rows, node, ends] = True
    starts = torch.arange(mentions, device=device) * (size.length // (mentions + 1))
    spans = torch.stack([starts, starts + 2], -1).expand(size.batch, -1, -1)
    numbers = torch.cat([entities, ENTITIES + relations], 1)
    return Knowledge(numbers, torch.ones_like(numbers, dtype=torch.bool), adjacency, spans)


def timed(run: Callable[[], None], device: torch.device) -> float:
    """Seconds: of the processor, on one thread, so that other load tells little; of the clock with an accelerator."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    torch.set_num_threads(1)
    began = clock()
    run()
    return clock() - began


def speeds(size: Size, device: torch.device) -> dict[str, float]:
    """Tokens a second of each system, which take turns; the median of some rounds after one that is not counted."""
    made = {name: Pretraining(name, size, NODES, device) for name in SYSTEMS}
    rounds = [{name: timed(one.step, device) for name, one in made.items()} for _ in range(ROUNDS + 1)][1:]
    tokens = size.batch * size.length
    return {name: tokens / statistics.median(one[name] for one in rounds) for name in made}


def growth(size: Size, nodes: int, device: torch.device) -> dict[str, float]:
    """Seconds of a step, and the peak of the process's memory in GiB, of KLMo with graphs of so many nodes."""
    one = Pretraining("KLMo", size, nodes, device)
    seconds = statistics.median([timed(one.step, device) for _ in range(ROUNDS + 1)][1:])
    cuda = device.type == "cuda"
    peak = torch.cuda.max_memory_allocated() if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "gib": peak / 2**30}


def main() -> None:
    """Measures, and writes figures and tables."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    names = sys.argv[1:] or (["paper"] if device.type == "cuda" else ["small", "base"])
    figures: dict[str, Any] = {"machine": machine(), "device": device.type}
    for name in names:
        size = SIZES[name]
        figures[name] = {"tokens a second": speeds(size, device), "nodes": {}}
        print(json.dumps({name: figures[name]}), flush=True)
        for nodes in GROWING:
            with ProcessPoolExecutor(1, get_context("spawn")) as alone:
                figures[name]["nodes"][nodes] = alone.submit(growth, size, nodes, device).result()
            print(json.dumps({nodes: figures[name]["nodes"][nodes]}), flush=True)
    RESULTS.write_text(json.dumps(figures, indent=1) + "\n")
    fill(PAGE, BEGIN, END, table(figures))


OF = {"cpu": " of processor time", "cuda": ""}


def table(figures: Mapping[str, Any]) -> str:
    """Both tables as Markdown."""
    names = [name for name in figures if name in SIZES]
    lines = [f"| tokens a second{OF[figures['device']]}, {MENTIONS} mentions, {NODES} nodes | {' | '.join(SYSTEMS)} |"]
    lines.append(f"| --- |{' --- |' * len(SYSTEMS)}")
    for name in names:
        speed, size = figures[name]["tokens a second"], SIZES[name]
        cells = [f"{speed[one]:,.0f} ({speed[one] / speed['BERT']:.2f} x)" for one in SYSTEMS]
        lines.append(f"| {name}: {size.layers} × {size.width}, {size.batch} × {size.length} | {' | '.join(cells)} |")
    lines += ["", f"| KLMo by nodes of a text's graph | {' | '.join(f'{nodes:,}' for nodes in GROWING)} |"]
    lines.append(f"| --- |{' --- |' * len(GROWING)}")
    for name in names:
        grown = {int(nodes): one for nodes, one in figures[name]["nodes"].items()}
        cells = [f"{grown[nodes]['seconds']:.3f} s, {grown[nodes]['gib']:.2f} GiB" for nodes in GROWING]
        lines.append(f"| {name}, a step | {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"Medians of {ROUNDS} rounds; {figures['machine']}."])


if __name__ == "__main__":
    main()
