"""Queries with one missing entity: token ids, the known entity's own pictures, and the answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from mkgc.batch import Images, Part, Text
from mkgc.data.codec import Codec, image_batch, text_batch
from mkgc.data.corpus import Corpus
from mkgc.data.examples import Pictures
from mkgc.data.formats import chosen, jsonl, kg, mmkg, tsv
from mkgc.data.graph import Graph
from mkgc.data.pictures import PictureStore
from mkgc.data.settings import DataSettings
from mkgc.data.subsets import cut_graph
from mkgc.data.survey import survey_graph
from mkgc.data.tokens import Tokenizer, learned
from mkgc.errors import DataError
from mkgc.metrics.ranking import filter_splits

Side = Literal["head", "tail"]


@dataclass(frozen=True)
class LinkItem:
    """A query; ``shown`` is the entity that is known, ``side`` the one that is asked for.

    ``ids`` are the prompt, ``own`` the positions in it of the known entity's token and text; both are empty where no
    text is read. ``targets`` are the answers to be scored, ``known`` all answers that ranking leaves out.
    """

    ids: tuple[int, ...]
    own: tuple[int, ...]
    mask: int
    shown: int
    relation: int
    side: Side
    pictures: Pictures
    targets: tuple[int, ...] = ()
    known: tuple[int, ...] = ()


@dataclass(frozen=True)
class TripleBatch(Part):
    """Queries by index; ``targets`` and ``known`` are rows (query, entity)."""

    shown: Int[Tensor, " B"]
    relation: Int[Tensor, " B"]
    targets: Int[Tensor, "K 2"]
    known: Int[Tensor, "L 2"]
    sides: tuple[Side, ...]

    def asks(self, side: Side) -> Bool[Tensor, " B"]:
        """Which queries are for that side."""
        return torch.tensor([s == side for s in self.sides], device=self.shown.device)


@dataclass(frozen=True)
class LinkBatch(TripleBatch):
    """The same with prompts and pictures; ``own`` marks the token and the text of the entity shown."""

    text: Text
    own: Bool[Tensor, "B T"]
    images: tuple[Images, ...]
    mask: Int[Tensor, " B"]


class TripleCodec(Codec):
    """Queries by index, for models that read neither text nor pictures."""

    def __init__(
        self,
        entities: Sequence[str],
        names: Sequence[str],
        relations: Sequence[str],
        relation_names: Sequence[str],
        settings: DataSettings,
    ) -> None:
        self.settings = settings
        self.entities, self.names = entities, names
        self.relations, self.relation_names = relations, relation_names

    def query(self, shown: int, relation: int, side: Side) -> LinkItem:
        """What asks for the ``side`` of a triple of which relation and other side are known."""
        return LinkItem((), (), 0, shown, relation, side, {})

    def collate(self, items: Sequence[LinkItem], store: PictureStore) -> TripleBatch:
        return TripleBatch(**self._indices(items))

    def _indices(self, items: Sequence[LinkItem]) -> dict[str, Any]:
        return {
            "shown": torch.tensor([item.shown for item in items]),
            "relation": torch.tensor([item.relation for item in items]),
            "targets": _pairs([item.targets for item in items]),
            "known": _pairs([item.known for item in items]),
            "sides": tuple(item.side for item in items),
        }

    def parse(self, records: Sequence[dict[str, Any]], folder: Path, places: Sequence[str]) -> list[LinkItem]:
        return [
            self._parsed(jsonl.parse_query(record, place), place) for record, place in zip(records, places, strict=True)
        ]

    def _parsed(self, query: jsonl.LinkQuery, place: str) -> LinkItem:
        relation = _find(query.relation, self.relations, self.relation_names, "relation", place)
        known, side = (query.tail, "head") if query.head is None else (query.head, "tail")
        shown = _find(str(known), self.entities, self.names, "entity", place)
        return self.query(shown, relation, side)  # type: ignore[arg-type]  # a literal, lost in the tuple

    def state(self) -> dict[str, Any]:
        return {
            "entities": list(self.entities),
            "names": list(self.names),
            "relations": list(self.relations),
            "relation_names": list(self.relation_names),
            "settings": asdict(self.settings),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> TripleCodec:
        return cls(**{**state, "settings": DataSettings(**state["settings"])})


class LinkCodec(TripleCodec):
    """Prompts for a missing entity, with a token of its own for each entity and each relation.

    New tokens are numbered behind the vocabulary: entities first, then relations. Prompts and their order are those of
    MKGformer's released code.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        entities: Sequence[str],
        names: Sequence[str],
        descriptions: Sequence[str],
        relations: Sequence[str],
        relation_names: Sequence[str],
        pictures: Sequence[Pictures],
        settings: DataSettings,
    ) -> None:
        super().__init__(entities, names, relations, relation_names, settings)
        self.tokenizer, self.descriptions, self.pictures = tokenizer, descriptions, pictures
        self._texts = [tokenizer.ids(long or short) for short, long in zip(names, descriptions, strict=True)]
        self._asks = [tokenizer.ids(name) for name in relation_names]

    def tables(self) -> dict[str, int]:
        return {"entities": len(self.entities), "relations": len(self.relations)}

    def query(self, shown: int, relation: int, side: Side) -> LinkItem:
        """The prompt that asks for the ``side`` of a triple of which relation and other side are known."""
        t = self.tokenizer
        entity = t.size + shown
        asks = [*self._asks[relation], t.size + len(self.entities) + relation]
        if side == "tail":
            ids = [t.start, entity, t.stop, *asks, t.stop, t.mask]
        else:
            ids = [t.start, t.mask, t.stop, *asks, t.stop, entity]
        whole = self._closed(ids, self._texts[shown])
        own = (ids.index(entity), *range(len(ids), len(whole) - 1))
        return LinkItem(whole, own, ids.index(t.mask), shown, relation, side, self.pictures[shown])

    def definition(self, entity: int) -> LinkItem:
        """The prompt of image-text incorporated entity modelling: which entity has this text and these pictures?"""
        t = self.tokenizer
        ids = [t.start, *t.ids("the description of"), t.mask, *t.ids("is that")]
        whole = self._closed(ids, [*self._texts[entity], *t.ids(".")])
        return LinkItem(whole, (), ids.index(t.mask), entity, -1, "head", self.pictures[entity], (entity,), (entity,))

    def _closed(self, ids: list[int], text: list[int]) -> tuple[int, ...]:
        room = self.settings.max_length - len(ids) - 1
        if room < 0:
            raise DataError(
                f"a prompt of {len(ids) + 1} tokens does not fit data.max_length={self.settings.max_length}"
            )
        return (*ids, *text[:room], self.tokenizer.stop)

    def collate(self, items: Sequence[LinkItem], store: PictureStore) -> LinkBatch:
        settings = self.settings
        text = text_batch([item.ids for item in items], self.tokenizer.pad)
        own = torch.zeros_like(text.mask)
        own[*_pairs([item.own for item in items]).T] = True
        return LinkBatch(
            **self._indices(items),
            text=text,
            own=own,
            images=image_batch([item.pictures for item in items], settings.pictures, settings.most, store),
            mask=torch.tensor([item.mask for item in items]),
        )

    def state(self) -> dict[str, Any]:
        files = [{group: [str(path) for path in paths] for group, paths in p.items()} for p in self.pictures]
        more = {"tokenizer": self.tokenizer.state(), "descriptions": list(self.descriptions), "pictures": files}
        return super().state() | more

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> LinkCodec:
        pictures = [{g: tuple(map(Path, paths)) for g, paths in p.items()} for p in state["pictures"]]
        parts = {
            "tokenizer": Tokenizer.from_state(state["tokenizer"]),
            "settings": DataSettings(**state["settings"]),
            "pictures": pictures,
        }
        return cls(**{**state, **parts})


def _pairs(rows: Sequence[Sequence[int]]) -> Int[Tensor, "K 2"]:
    return torch.tensor([(i, e) for i, row in enumerate(rows) for e in row], dtype=torch.long).reshape(-1, 2)


def _find(wanted: str, ids: Sequence[str], names: Sequence[str], kind: str, place: str) -> int:
    """The position of an id, or of a name that only one has."""
    if wanted in ids:
        return ids.index(wanted)
    found = [i for i, name in enumerate(names) if name == wanted]
    if len(found) != 1:
        said = "is unknown" if not found else f"names {len(found)} of them: give its id"
        raise DataError(f"{place}: the {kind} '{wanted}' {said}")
    return found[0]


def answers(graph: Graph, splits: Iterable[str]) -> Mapping[tuple[int, int, Side], set[int]]:
    """All entities that complete a query (known entity, relation, side asked for) in the given splits."""
    found: dict[tuple[int, int, Side], set[int]] = defaultdict(set)
    for split in splits:
        for head, relation, tail in graph.triples[split].tolist():
            found[head, relation, "tail"].add(tail)
            found[tail, relation, "head"].add(head)
    return found


def queries(graph: Graph, codec: TripleCodec, split: str, protocol: str = "strict") -> list[LinkItem]:
    """The distinct queries of a split in a fixed order, each with all its answers there.

    ``protocol`` says which splits' answers ranking leaves out (:func:`mkgc.metrics.ranking.filter_splits`).
    """
    known = answers(graph, filter_splits(protocol, split))
    items = []
    for (shown, relation, side), targets in sorted(answers(graph, [split]).items()):
        item = codec.query(shown, relation, side)
        # The first published figures of MKGformer came from showing the answer's pictures.
        assert item.shown == shown
        assert not item.pictures or item.pictures == graph.pictures[shown]
        filtered = tuple(sorted(known[shown, relation, side]))
        items.append(replace(item, targets=tuple(sorted(targets)), known=filtered))
    return items


FORMATS = {"kg": kg.read, "mmkg": mmkg.read, "tsv": tsv.read}


def source(settings: DataSettings) -> Graph:
    """The graph that is in the files, in one of :data:`FORMATS`.

    Raises:
        ConfigError: There is no such format.
        DataError: A file is missing or a line malformed.
    """
    return chosen(FORMATS, settings.format)(Path(settings.root), tuple(settings.pictures))


def read(
    settings: DataSettings,
    tokenizer: Callable[[Iterable[str]], Tokenizer] | None = learned,
    codec: TripleCodec | None = None,
    protocol: Literal["strict", "paper"] = "strict",
) -> Corpus:
    """Reads a graph in one of :data:`FORMATS`, for a trained model's ``codec`` or for a new one.

    Without a tokenizer, queries are made of indices alone.

    Raises:
        ConfigError: There is no such format.
        DataError: A file is missing or a line malformed, or too few pictures are usable.
    """
    whole = source(settings)
    graph, store, coverage = survey_graph(cut_graph(whole, settings), settings)
    if codec is None:
        codec = _codec(graph, tokenizer, settings)
    elif (graph.entities, graph.relations) != (tuple(codec.entities), tuple(codec.relations)):
        reason = "the graph has other entities or relations than the one the model was trained on"
        raise DataError(reason, settings.root)
    items = {split: queries(graph, codec, split, protocol) for split in Codec.splits}
    return Corpus(whole, codec, items, store, coverage)


def _codec(graph: Graph, tokenizer: Callable[[Iterable[str]], Tokenizer] | None, settings: DataSettings) -> TripleCodec:
    if tokenizer is None:
        return TripleCodec(graph.entities, graph.names, graph.relations, graph.relation_names, settings)
    return LinkCodec(
        tokenizer([*graph.names, *graph.descriptions, *graph.relation_names]),
        graph.entities,
        graph.names,
        graph.descriptions,
        graph.relations,
        graph.relation_names,
        graph.pictures,
        settings,
    )
