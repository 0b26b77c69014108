"""Test examples as a user would ask them, and how answers are held against the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.demo.cards import Answer
from mkgc.data.examples import ImagePaths
from mkgc.data.formats import kg
from mkgc.data.graph import Graph
from mkgc.metrics.spans import Span, bio_spans
from mkgc.relations.example import RelationExample
from tasks.mner import twitter
from tasks.mre import mnre

SHOWN = 4
"""Questions that a task is asked."""

NAMED = 5
"""Answers that a query of link prediction shows."""


@dataclass(frozen=True)
class Question:
    """A record for :mod:`mkgc.predict`, how it is shown, and what makes marked lines of its answer."""

    record: Mapping[str, Any]
    image: str
    text: str
    judge: Callable[[Mapping[str, Any]], list[list[Answer]]]


def distinct(questions: Iterable[Question]) -> list[Question]:
    """The first ones, no picture twice."""
    chosen: dict[str, Question] = {}
    for question in questions:
        chosen.setdefault(question.image, question)
        if len(chosen) == SHOWN:
            break
    return [*chosen.values()]


def relations(root: Path) -> Iterable[Question]:
    """How two countries of a sentence are related: ``mre``."""
    for example in mnre.read(root, "test"):
        image = _image(example.images)
        record = {"tokens": example.tokens, "head": example.head, "tail": example.tail, "image": image}
        yield Question(record, image, " ".join(example.tokens), partial(_judge_relation, example))


def _judge_relation(example: RelationExample, answer: Mapping[str, Any]) -> list[list[Answer]]:
    head, tail = (" ".join(example.tokens[start:end]) for start, end in (example.head, example.tail))
    right = answer["relation"] == example.relation
    said = Answer(f"{_titled(answer['relation'])} {answer['score']:.2f}", "right" if right else "wrong")
    missed = [] if right else [Answer(_titled(str(example.relation)), "missed")]
    return [[Answer(f"{head} (red) and {tail} (blue):")], [said, *missed]]


def _titled(relation: str) -> str:
    """The name of a relation beside its id."""
    return (
        "no relation (None)" if relation == "None" else f"{relation.rpartition('/')[2].replace('_', ' ')} ({relation})"
    )


def mentions(root: Path) -> Iterable[Question]:
    """What a sentence mentions: ``mner``."""
    for example in twitter.read(root, "test"):
        image = _image(example.images)
        judge = partial(_judge_spans, example.tokens, bio_spans(example.tags or ()))
        yield Question({"tokens": example.tokens, "image": image}, image, " ".join(example.tokens), judge)


def _judge_spans(tokens: Sequence[str], right: Sequence[Span], answer: Mapping[str, Any]) -> list[list[Answer]]:
    found = {(span["type"], span["start"], span["end"]): span["score"] for span in answer["spans"]}
    said = [_told(tokens, span, "right" if span in right else "wrong", score) for span, score in found.items()]
    missed = [_told(tokens, span, "missed") for span in right if span not in found]
    return [[each] for each in [*said, *missed] or [Answer("nothing", "right")]]


def _told(tokens: Sequence[str], span: Span, mark: Any, score: float | None = None) -> Answer:
    kind, start, end = span
    return Answer(f"{' '.join(tokens[start:end])}: {kind}{'' if score is None else f' {score:.2f}'}", mark)


def links(root: Path) -> Iterable[Question]:
    """What completes a triple: ``link_prediction``. The first query of each relation whose head has an image."""
    graph = kg.read(root)
    for head, relation in _one_of_each(
        [row[:2] for row in graph.triples["test"].tolist() if graph.images[row[0]].get("image")]
    ):
        text = f"{graph.names[head]} ({graph.entities[head]}) {graph.relation_names[relation]} … ?"
        known = _answers(graph, head, relation, ("train", "dev"))
        judge = partial(_judge_entities, _answers(graph, head, relation, ("test",)), known)
        record = {"head": graph.entities[head], "relation": graph.relations[relation]}
        yield Question(record, _image(graph.images[head]), text, judge)


def _one_of_each(queries: Iterable[Sequence[int]]) -> Iterable[tuple[int, int]]:
    """One query of each relation, each with another head."""
    heads: set[int] = set()
    relations: set[int] = set()
    for head, relation in queries:
        if head not in heads and relation not in relations:
            heads.add(head)
            relations.add(relation)
            yield head, relation


def _answers(graph: Graph, head: int, relation: int, splits: Iterable[str]) -> dict[str, str]:
    """The names of tails by their ids."""
    rows = np.concatenate([graph.triples[split] for split in splits])
    tails = rows[(rows[:, 0] == head) & (rows[:, 1] == relation), 2].tolist()
    return {graph.entities[tail]: graph.names[tail] for tail in tails}


def _judge_entities(
    right: Mapping[str, str], known: Mapping[str, str], answer: Mapping[str, Any]
) -> list[list[Answer]]:
    named = [entity for entity in answer["entities"] if entity["id"] not in known]
    said = [
        Answer(f"{each['name']} ({each['id']}) {each['score']:.2f}", "right" if each["id"] in right else "wrong")
        for each in named[:NAMED]
    ]
    places = {entity["id"]: place for place, entity in enumerate(named, start=1)}
    late = [name for name in right if places.get(name, NAMED + 1) > NAMED]
    missed = [Answer(f"{right[name]} ({name}) {_place(places.get(name), len(named))}", "missed") for name in late]
    train = [Answer(f"known from training: {', '.join(known.values())}", "known")] if known else []
    return [said, *([missed] if missed else []), *([train] if train else [])]


def _place(place: int | None, named: int) -> str:
    return f"not among the first {named}" if place is None else f"in place {place}"


def _image(images: ImagePaths) -> str:
    """The first image; examples without one are none that the demo shows."""
    return str(images["image"][0].resolve())
