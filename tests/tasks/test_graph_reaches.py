"""Whether a changed triple, and a changed entity, reach what a classifier says, by backbone."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.steps import collated

READS = {"klmo": (True, True), "klmo_released": (False, False), "ernie": (False, True), "text_only": (False, False)}
"""Whether scores depend on relations, and whether on entities."""

FAST = ("klmo", "klmo_released")


@pytest.mark.parametrize(
    "backbone", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in READS]
)
@pytest.mark.parametrize("task", ["entity_typing", pytest.param("relation_classification", marks=pytest.mark.slow)])
@torch.no_grad()
def test_the_graph_reaches_the_classifier_of_klmo_and_not_of_its_released_code(
    task: str, backbone: str, made: Callable[..., Any], roots: dict[str, Path]
) -> None:
    model, dataset, _ = made(task, roots[task], "data=linked", f"backbone={backbone}")
    batch = collated(model, dataset, range(12))
    if batch.knowledge is None:
        assert backbone == "text_only"
        return
    before, graph, context = model.scores(batch), batch.knowledge, model.processor.knowledge
    count, related = len(context.entities), graph.nodes >= len(context.entities)
    assert related.any()
    relation = torch.where(related, count + (graph.nodes - count + 1) % len(context.relations), graph.nodes)
    entity = torch.where(related, graph.nodes, (graph.nodes + 1) % count)
    for nodes, reads in zip((relation, entity), READS[backbone], strict=True):
        after = model.scores(replace(batch, knowledge=replace(graph, nodes=nodes)))
        assert torch.equal(before, after) is not reads
