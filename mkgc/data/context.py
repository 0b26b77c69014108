"""The knowledge graph that texts are read with: who is mentioned in a text, and the graph around it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from itertools import combinations, product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Int

from mkgc.data.digest import LENGTH
from mkgc.data.examples import Span
from mkgc.data.formats import tsv
from mkgc.data.formats.links import Link
from mkgc.data.graph import Triples
from mkgc.data.graph_source import GraphSource
from mkgc.data.knowledge import Subgraph
from mkgc.data.knowledge_settings import KnowledgeSettings
from mkgc.data.linking import EntityLinker
from mkgc.data.names import Names, choose_owners, degrees_of, names_of, read_priors
from mkgc.data.split import WHOLE
from mkgc.data.words import RawText, as_raw, span_as_dict
from mkgc.errors import CheckpointError, ConfigError
from mkgc.inspect.report import Finding

Numbers = Int[np.ndarray, "..."]

FORMATS = {**GraphSource.formats, "names": tsv.read_names}
"""How the formats of a graph are read."""


class Mention(NamedTuple):
    """The words ``[start, end)`` of a sentence that mention an entity, and the number of that."""

    span: Span
    entity: int


class KnowledgeContext:
    """The entities, relations, triples and names of a graph, and what they say of a text; each triple counts once.

    As nodes, entities have their numbers, and relations follow: relation ``r`` is ``len(entities) + r``. ``notes`` say
    what reading the graph found.
    """

    def __init__(
        self,
        entities: Sequence[str],
        relations: Sequence[str],
        triples: Triples,
        names: Names,
        settings: KnowledgeSettings,
        notes: Sequence[Finding] = (),
    ) -> None:
        self.entities, self.relations = tuple(entities), tuple(relations)
        self.names, self.settings, self.notes = names, settings, tuple(notes)
        self.triples = _distinct(triples)
        self._codes = self._pairs(self.triples[:, 0], self.triples[:, 2])

    @cached_property
    def linker(self) -> EntityLinker:
        """Built when the first text without links is read."""
        return EntityLinker(self.names.names, self.names.owners, self.entities)

    def __getstate__(self) -> dict[str, Any]:
        """Other processes build the linker anew, if they link."""
        return {name: value for name, value in vars(self).items() if name != "linker"}

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of each entity by its id."""
        return {entity: number for number, entity in enumerate(self.entities)}

    def link(self, tokens: Sequence[str], raw: RawText | None = None) -> tuple[Mention, ...]:
        """The mentions that the linker finds in a sentence: names that are whole words of it."""
        text = raw or as_raw(tokens)
        first = {offsets.start: word for word, offsets in enumerate(text.offsets)}
        last = {offsets.end: word for word, offsets in enumerate(text.offsets)}
        return tuple(
            Mention(Span(first[found.start], last[found.end] + 1), self.numbers[found.entity])
            for found in self.linker.link(text.text, text.offsets)
        )

    def mentions(
        self, tokens: Sequence[str], raw: RawText | None = None, links: Sequence[Link] | None = None
    ) -> tuple[Mention, ...]:
        """The mentions of a sentence: its links, where it has some, else what the linker finds, where that is asked.

        Links to entities that the graph does not have are left out.
        """
        if links is not None:
            return tuple(Mention(one.span, self.numbers[one.entity]) for one in links if one.entity in self.numbers)
        return self.link(tokens, raw) if self.settings.link else ()

    def describe(self, mentions: Iterable[Mention], tokens: Sequence[str], raw: RawText | None) -> list[dict[str, Any]]:
        """Mentions for an answer: their places and words, and the id of the entity."""
        return [{**span_as_dict(tokens, raw, one.span), "id": self.entities[one.entity]} for one in mentions]

    def among(self, entities: Iterable[int]) -> Int[np.ndarray, "n 3"]:
        """All triples among some entities, in whichever direction, each once."""
        some = np.unique(np.fromiter(entities, np.int64))
        wanted = self._pairs(some[:, None], some).ravel()
        starts, stops = (np.searchsorted(self._codes, wanted, side) for side in ("left", "right"))
        found = starts < stops
        rows = [np.arange(*ends) for ends in zip(starts[found], stops[found], strict=True)]
        return self.triples[np.concatenate(rows)] if rows else self.triples[:0]

    def subgraph(
        self, mentions: Sequence[tuple[int, Span]], length: int, hide_relations: bool | None = None
    ) -> Subgraph:
        """The graph around a text of so many tokens whose mentions are entities with their ranges of tokens.

        Nodes are the mentions, in the order of the text, one each, then a node for the relation of each triple among
        them, which is a neighbour of its head and its tail. Mentions of one entity are neighbours, and each is one of
        all that the entity is linked to. A mention without a token, or one behind the end, is left out as unread. What
        is left out beyond ``max_nodes``, :class:`KnowledgeSettings` says; ``hide_relations`` may differ from there.
        """
        hide = self.settings.hide_relations if hide_relations is None else hide_relations
        read = sorted(
            (Span(span.start, min(span.end, length)), entity) for entity, span in mentions if span.start < span.end
        )
        read = [(span, entity) for span, entity in read if span.start < length]
        kept = read[: self.settings.max_nodes]
        places: dict[int, list[int]] = {}
        for place, (_, entity) in enumerate(kept):
            places.setdefault(entity, []).append(place)
        triples = self._nearest(places, [span for span, _ in kept])
        shown = triples[:0] if hide else triples[: self.settings.max_nodes - len(kept)]
        edges = [pair for same in places.values() for pair in combinations(same, 2)]
        edges += _direct(triples, places) if hide else _through_relations(shown, places, len(kept))
        return Subgraph(
            length,
            nodes=(*(entity for _, entity in kept), *(len(self.entities) + r for _, r, _ in shown)),
            edges=tuple(edges),
            spans=tuple(span for span, _ in kept),
            unread=len(mentions) - len(read),
            left_out=len(read) - len(kept) + (0 if hide else len(triples) - len(shown)),
        )

    def _nearest(self, places: Mapping[int, Sequence[int]], spans: Sequence[Span]) -> list[tuple[int, int, int]]:
        """The triples among mentions, those whose ends stand nearest to each other first."""

        def distance(triple: tuple[int, int, int]) -> int:
            pairs = product(places[triple[0]], places[triple[2]])
            return min(abs(spans[one].start - spans[other].start) for one, other in pairs)

        found = [(head, relation, tail) for head, relation, tail in self.among(places).tolist()]
        return sorted(found, key=distance)

    def _pairs(self, heads: Numbers, tails: Numbers) -> Numbers:
        return heads * len(self.entities) + tails

    def named(self) -> dict[str, Sequence[str]]:
        """The names behind the numbers of nodes."""
        return {"entity": self.entities, "graph relation": self.relations}

    def digest(self) -> str:
        """What tells this graph from others: its triples by ids."""
        found = blake2b(digest_size=LENGTH)
        for part in (self.entities, self.relations):
            found.update(f"{len(part)}\n".encode() + "\n".join(part).encode("utf-8", "surrogatepass"))
        found.update(self.triples.astype("<i8").tobytes())
        return found.hexdigest()

    def state(self) -> dict[str, Any]:
        """Plain values from which :meth:`from_state` makes an equal context, which links texts without any file."""
        return {
            "entities": list(self.entities),
            "relations": list(self.relations),
            "triples": torch.from_numpy(self.triples.astype(np.int32)),
            "names": list(self.names.names),
            "owners": torch.from_numpy(self.names.owners.astype(np.int32)),
            "settings": self.settings.carried(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> KnowledgeContext:
        """Undoes :meth:`state`.

        Raises:
            CheckpointError: A triple or a name is of what is not there.
        """
        triples, owners = (state[key].numpy().astype(np.int64) for key in ("triples", "owners"))
        entities, relations, names = state["entities"], state["relations"], tuple(state["names"])
        if triples.shape[1:] != (3,) or owners.shape != (len(names),):
            raise CheckpointError("the checkpoint's knowledge graph is of another shape than one has")
        ends = np.concatenate([triples[:, 0], triples[:, 2], owners])
        if not (_within(ends, len(entities)) and _within(triples[:, 1], len(relations))):
            raise CheckpointError("the checkpoint's knowledge graph names what it does not have")
        settings = KnowledgeSettings.from_carried(state["settings"])
        return cls(entities, relations, triples, Names(names, owners), settings)


def _distinct(triples: Triples) -> Int[np.ndarray, "k 3"]:
    """The triples, each once, sorted by head, tail and relation."""
    ordered = triples[np.lexsort((triples[:, 1], triples[:, 2], triples[:, 0]))]
    new = np.ones(len(ordered), bool)
    new[1:] = (ordered[1:] != ordered[:-1]).any(1)
    return ordered[new]


def _within(numbers: Int[np.ndarray, " n"], limit: int) -> bool:
    return bool(((numbers >= 0) & (numbers < limit)).all())


def _through_relations(
    triples: Sequence[tuple[int, int, int]], places: Mapping[int, Sequence[int]], first: int
) -> Iterator[tuple[int, int]]:
    """The edges of relations' nodes, of which the first is number ``first``, to all mentions of head and tail."""
    for node, (head, _, tail) in enumerate(triples, start=first):
        for end in dict.fromkeys((*places[head], *places[tail])):
            yield end, node


def _direct(triples: Sequence[tuple[int, int, int]], places: Mapping[int, Sequence[int]]) -> Iterator[tuple[int, int]]:
    """The edges between all mentions of the heads and tails of triples, each once."""
    pairs = (pair for head, _, tail in triples for pair in product(places[head], places[tail]))
    yield from dict.fromkeys((min(pair), max(pair)) for pair in pairs if pair[0] != pair[1])


def read_context(settings: KnowledgeSettings) -> KnowledgeContext:
    """Reads a graph with the names of its entities; of ambiguous ones, the entity is chosen by the priors in its folder
    (:func:`mkgc.data.names.choose_owners`).

    Raises:
        ConfigError: There is no such folder.
        DataError: A file is missing or a line malformed.
    """
    root = Path(settings.root)
    if not root.is_dir():
        why = "there is no such folder; with data.knowledge=null, sentences are read without a graph"
        raise ConfigError(f"data.knowledge.root={root}: {why}")
    graph = FORMATS[settings.format](root, ())
    triples = graph.triples.get("train", graph.triples.get(WHOLE, np.empty((0, 3), np.int64)))
    degrees = degrees_of(len(graph.entities), triples)
    names = choose_owners(names_of(graph), degrees, read_priors(root, graph.entities), settings.min_characters)
    return KnowledgeContext(graph.entities, graph.relations, triples, names, settings, graph.notes)
