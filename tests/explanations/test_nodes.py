"""What the graph around a text does to an answer is found by leaving its nodes out."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mkgc.data.knowledge import Subgraph, knowledge_batch
from mkgc.errors import ConfigError
from mkgc.explanations.contract import Part
from mkgc.explanations.left_out import Hidden, leaving_out
from mkgc.inference import Predictor

RECORD = {"text": "Paris, and also France.", "mention": "Paris"}


def test_a_node_that_is_left_out_is_as_one_that_never_was(typing_root: Path, made: Callable[..., Any]) -> None:
    model, dataset, _ = made("entity_typing", typing_root, "data=linked")
    item = model.processor.parse(RECORD, Path(), "here")
    graph = item.graph
    assert len(graph.nodes) == 3
    without = replace(item, graph=Subgraph(graph.length, graph.nodes[:2], (), graph.spans))  # no relation
    scores, expected = (model.scores(model.processor.collate([one], dataset.store)) for one in (item, without))
    assert not torch.equal(scores, expected)
    with leaving_out(model.backbone, [Hidden.of(Part("relation", nodes={0: (2,)}), 0)], model.processor.tokenizer.pad):
        found = model.scores(model.processor.collate([item], dataset.store))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_without_its_mention_a_text_is_as_without_the_link(typing_root: Path, made: Callable[..., Any]) -> None:
    model, dataset, _ = made("entity_typing", typing_root, "data=linked")
    given: list[dict[str, Any]] = [{**RECORD}, {**RECORD, "entities": []}]
    item, bare = (model.processor.parse(one, Path(), "here") for one in given)
    with leaving_out(model.backbone, [Hidden(nodes=(0, 1, 2))], model.processor.tokenizer.pad):
        found = model.scores(model.processor.collate([item], dataset.store))
    expected = model.scores(model.processor.collate([bare], dataset.store))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("task", "record"),
    [
        ("entity_typing", RECORD),
        ("relation_classification", {"text": RECORD["text"], "head": "Paris", "tail": "France"}),
    ],
)
def test_an_explanation_names_nodes_and_words(
    roots: dict[str, Path], made: Callable[..., Any], task: str, record: dict[str, Any]
) -> None:
    model, _, config = made(task, roots[task], "data=linked")
    model.metadata["config"] = {"backbone": {"inputs": ["text", "knowledge"]}}
    (one,) = Predictor(model, config).explain([record])
    parts = [(effect.part, effect.kind) for effect in one.effects]
    graph = ["entity paris", "entity fr", "relation capital_of (paris, fr)", "the whole graph"]
    assert parts[:4] == [*zip(graph, ["node", "node", "node", "nodes"], strict=True)]
    assert ("all other words", "text") in parts
    assert one.notes == ("what the text takes from the graph, no attention shows: see what leaving nodes out changes",)
    before = [answer.probability for answer in one.answers]
    assert [*one.effects[3].after] != before


def test_without_a_graph_there_is_nothing_to_explain(typing_root: Path, made: Callable[..., Any]) -> None:
    for keys in (("data.knowledge=null",), ("backbone=text_only",)):
        model, _, config = made("entity_typing", typing_root, "data=linked", *keys)
        with pytest.raises(ConfigError, match="looks at no images"):
            Predictor(model, config).explain([RECORD])


def test_the_batch_itself_stays_as_it_was() -> None:
    """Heads read it after the backbone."""
    batch = knowledge_batch([Subgraph(4, (5, 6), ((0, 1),), ())])
    with leaving_out(module := torch.nn.Identity(), [Hidden(nodes=(1,))], 0):
        seen = module(batch)
    assert batch.mask.tolist() == [[True, True]]
    assert (seen.mask.tolist(), seen.adjacency.sum()) == ([[True, False]], 1)
