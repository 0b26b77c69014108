"""Before training, and by `mkgc.check`, it is said what of a graph stands around sentences, and what is left out."""

from types import SimpleNamespace

import numpy as np

from mkgc.data.context import KnowledgeContext
from mkgc.data.examples import Span
from mkgc.data.formats.links import Link
from mkgc.data.graph_notes import note_knowledge
from mkgc.data.knowledge import Subgraph
from mkgc.data.knowledge_settings import KnowledgeSettings
from mkgc.data.names import choose_owners
from mkgc.inspect.knowledge_checks import inspect_knowledge
from mkgc.inspect.report import Finding

CONTEXT = KnowledgeContext(
    ("fr", "de", "tx"),
    ("borders",),
    np.array([[0, 0, 1]]),
    choose_owners([("France", "Paris"), ("Germany",), ("Paris",)], [1, 1, 0]),
    KnowledgeSettings("", max_nodes=3),
)
GRAPHS = {
    "train": [
        Subgraph(9, (0, 1, 3), edges=((0, 2), (1, 2)), spans=(Span(0, 1), Span(2, 3)), unread=2, left_out=1),
        Subgraph(9, (0,), spans=(Span(0, 1),)),
        None,
    ],
    "dev": [Subgraph(9, ())],
}
FEATURES = {split: [SimpleNamespace(graph=graph) for graph in part] for split, part in GRAPHS.items()}
LINKS = {"train": [(Link(Span(0, 1), "fr"), Link(Span(0, 1), "Q0")), None, ()], "dev": [None]}
EXAMPLES = {split: [SimpleNamespace(links=links) for links in part] for split, part in LINKS.items()}


def test_what_is_read_and_what_is_left_out_is_counted() -> None:
    said = [(note.severity, note.text) for note in note_knowledge(CONTEXT, EXAMPLES, FEATURES, 9)]
    assert said == [
        ("warning", "1 of 2 links of train names an entity that the graph does not have, as 'Q0': left out"),
        ("info", "2 of 3 sentences of train mention entities, 1 of them some that are linked"),
        ("warning", "left out of train for data.max_length=9: mentions 2, in sentences 1"),
        ("warning", "left out of train for data.knowledge.max_nodes=3: nodes 1, in sentences 1"),
        ("warning", "0 of 1 sentences of dev mention entities, 0 of them some that are linked"),
    ]


def test_check_shows_the_graph_its_names_and_what_stands_around_sentences() -> None:
    section = inspect_knowledge(CONTEXT, FEATURES)
    sizes, mentions, graphs = section.tables
    assert dict(sizes.rows) == {
        "entities": 3,
        "of them in a triple": 2,
        "relations": 1,
        "triples": 1,
        "names": 3,
        "of them of several entities": 1,
    }
    assert mentions.rows[0] == ("train", 2 / 3, 1 / 3, 1, 1, 2, 2)
    assert graphs.rows[:2] == (("train", "nodes", 1, 1, 3, 1), ("train", "edges", 0, 0, 2, None))
    assert section.findings[0] == Finding("warning", "no sentence of dev mentions an entity of the graph")
    assert section.findings[1].text.startswith("1 name is several entities' ('Paris'): the linker takes the one with")
