"""A sentence of a corpus as numbers, and what of it a model is shown in one epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from mkgc.data.cutting import Cut
from mkgc.data.examples import ImagePaths, Span
from mkgc.data.hidden import Draw
from mkgc.data.knowledge import Subgraph
from mkgc.data.masking import WordMasking
from tasks.knowledge_pretraining.drawing import Drawing
from tasks.knowledge_pretraining.replacement import Replacement, drawn_mentions

Pieces = Callable[[str], Sequence[int]]
"""From a name to its pieces."""


@dataclass(frozen=True)
class SentenceFeatures:
    """A sentence as ids; ``units`` has the number of the word that each id is a piece of, -1 of marks.

    Mentions are those of the ``graph``, in its order; ``written`` is how each reads, ``relations`` are the triples
    among them (:meth:`mkgc.data.context.KnowledgeContext.among`). With ``draw``, the sentence is changed as that says;
    None: it is shown as it is, without what is ``hidden``. ``mentions`` and ``asked`` say in words what mentions and
    hidden spans are.
    """

    ids: tuple[int, ...]
    units: tuple[int, ...]
    graph: Subgraph | None = None
    written: tuple[str, ...] = ()
    relations: tuple[tuple[int, int, int], ...] = ()
    draw: Draw | None = None
    cut: Cut | None = None
    mentions: Sequence[Mapping[str, Any]] = ()
    hidden: tuple[Span, ...] = ()
    asked: Sequence[Mapping[str, Any]] = ()
    images: ImagePaths = field(default_factory=dict)

    @property
    def entities(self) -> tuple[int, ...]:
        """The entity of each mention."""
        return () if self.graph is None else self.graph.nodes[: len(self.graph.spans)]


class Pair(NamedTuple):
    """Two mentions of a sentence, and how the graph relates the first to the second."""

    head: int
    tail: int
    relations: tuple[int, ...]


@dataclass(frozen=True)
class Shown:
    """What a model is shown of a sentence, and what it is asked.

    ``targets`` are the pieces behind hidden ones by their place, ``replaced`` says of each mention whether another
    entity's name stands there; ``nodes`` are the mentions' nodes: None where a mention is not tied to one.
    """

    ids: Sequence[int]
    graph: Subgraph | None
    entities: tuple[int, ...]
    nodes: tuple[int | None, ...]
    targets: Mapping[int, int]
    replaced: tuple[bool, ...]
    pairs: tuple[Pair, ...]

    @property
    def spans(self) -> tuple[Span, ...]:
        return () if self.graph is None else self.graph.spans


def show_whole(item: SentenceFeatures, mask: int) -> Shown:
    """A sentence as it is, but for what is hidden, with all pairs of its mentions."""
    entities, places = item.entities, dict.fromkeys(place for span in item.hidden for place in range(*span))
    ids = [mask if place in places else piece for place, piece in enumerate(item.ids)]
    pairs = tuple(related_pairs(entities, item.relations))
    targets = {place: item.ids[place] for place in places}
    return Shown(ids, item.graph, entities, entities, targets, (False,) * len(entities), pairs)


def show_drawn(
    item: SentenceFeatures,
    random: np.random.Generator,
    drawing: Drawing,
    masking: WordMasking,
    replacement: Replacement | None,
    pieces: Pieces,
    limit: int,
    entity_count: int,
) -> Shown:
    """A sentence as it is drawn; no more than ``limit`` pieces, whatever is replaced."""
    replaced: set[int] = set()
    if replacement is not None and drawing.replaced and item.graph is not None:
        item, replaced = _replaced(item, random, drawing.replaced, replacement, pieces, limit)
    entities, spans = item.entities, () if item.graph is None else item.graph.spans
    masked = [span for n, span in enumerate(spans) if random.random() < drawing.mentions and n not in replaced]
    whole = {place for span in masked for place in range(*span)}
    inside = set() if drawing.in_mentions else {place for span in spans for place in range(*span)}
    hidden = masking.hide(item.ids, item.units, whole, inside, random)
    pairs = [*related_pairs(entities, item.relations)]
    return Shown(
        hidden.ids,
        item.graph,
        entities,
        tuple(_node(entity, drawing, entity_count, random) for entity in entities),
        hidden.targets,
        tuple(n in replaced for n in range(len(entities))),
        tuple(_drawn_pairs(pairs, drawing.pairs, random)),
    )


def related_pairs(entities: Sequence[int], relations: Sequence[tuple[int, int, int]]) -> Iterable[Pair]:
    """All ordered pairs of mentions of different entities."""
    between: dict[tuple[int, int], list[int]] = {}
    for head, relation, tail in relations:
        between.setdefault((head, tail), []).append(relation)
    for head, one in enumerate(entities):
        for tail, other in enumerate(entities):
            if one != other:
                yield Pair(head, tail, tuple(between.get((one, other), ())))


def _drawn_pairs(pairs: Sequence[Pair], count: int, random: np.random.Generator) -> list[Pair]:
    """So many pairs at most: first those that are related, in a random order."""
    order = sorted(random.permutation(len(pairs)).tolist(), key=lambda place: not pairs[place].relations)
    return [pairs[place] for place in order[:count]]


def _node(entity: int, drawing: Drawing, count: int, random: np.random.Generator) -> int | None:
    drawn = random.random()
    if drawn < drawing.unaligned:
        return None
    return int(random.integers(count)) if drawn < drawing.unaligned + drawing.swapped else entity


def _replaced(
    item: SentenceFeatures,
    random: np.random.Generator,
    share: float,
    replacement: Replacement,
    pieces: Pieces,
    limit: int,
) -> tuple[SentenceFeatures, set[int]]:
    """The sentence with other names in the place of mentions, and which mentions these are."""
    assert item.graph is not None
    done: set[int] = set()
    for place in drawn_mentions(item.graph.spans, share, random):
        name = replacement.draw(item.entities[place], item.written[place], random)
        if name is None or len(item.ids) + len(ids := pieces(name)) - _size(item.graph.spans[place]) > limit:
            continue
        item = _with_name(item, item.graph.spans[place], ids)
        done.add(place)
    return item, done


def _size(span: Span) -> int:
    return span.end - span.start


def _with_name(item: SentenceFeatures, span: Span, ids: Sequence[int]) -> SentenceFeatures:
    """The sentence with other pieces where the span is; what stands behind them is moved."""
    assert item.graph is not None
    more = len(ids) - _size(span)
    spans = tuple(Span(*(at + more if at >= span.end else at for at in other)) for other in item.graph.spans)
    units = (*item.units[: span.start], *[item.units[span.start]] * len(ids), *item.units[span.end :])
    return replace(
        item,
        ids=(*item.ids[: span.start], *ids, *item.ids[span.end :]),
        units=units,
        graph=replace(item.graph, length=item.graph.length + more, spans=spans),
    )
