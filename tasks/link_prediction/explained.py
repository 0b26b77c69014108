"""What link prediction by prompts says of a query for an explanation: its entity's token, text and images, and more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby
from textwrap import shorten
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from mkgc.analysis.calibration import Calibration
from mkgc.explanations.contract import Answer, Part, Pass, Shown, TaskExplainer
from tasks.link_prediction.batch import INDUCTIVE, LinkBatch, PairFeatures, QueryFeatures, number
from tasks.link_prediction.prompt_processor import LinkProcessor
from tasks.link_prediction.relations import relation_queries

if TYPE_CHECKING:
    from tasks.link_prediction.task import LinkPrediction

NAMED = 10
"""Answers whose probabilities are told."""

RELATION = 3
"""The position of a prompt at which the relation's words begin: behind [CLS], one of the two ends, and [SEP]."""

LONGEST = 60
"""Characters of the words that name a group of them."""

STOPS = frozenset(".,;:!?。，；：！？、")
"""What ends a group of words of a description."""

Asked = QueryFeatures | PairFeatures
Scores = Sequence[Float[Tensor, " N"]]


class LinkExplainer(TaskExplainer):
    """The best entities or relations; a query is one prompt, a question for a relation one or two for each relation."""

    def __init__(self, task: LinkPrediction) -> None:
        self.task = task
        self.processor: LinkProcessor = task.processor

    def question(self, item: Asked) -> str:
        if isinstance(item, PairFeatures):
            return f"{self._named(number(item.head))} … {self._named(number(item.tail))}: which relation?"
        anchor, relation = self._named(item.anchor), self.processor.relation_names[item.relation]
        return f"{anchor} {relation} …?" if item.target == "tail" else f"…? {relation} {anchor}"

    def passes(self, item: Asked) -> list[Pass]:
        if isinstance(item, PairFeatures):
            queries = [query for one in relation_queries(self.processor, item) for query in one.queries]
        else:
            queries = [item]
        return [Pass(query, tuple(self._token(i) for i in query.ids)) for query in queries]

    def read(self, batch: LinkBatch) -> list[Float[Tensor, " N"]]:
        """The scores of all entities."""
        return [*self.task.scores(batch).float().cpu()]

    def answers(self, item: Asked, read: Scores) -> list[Answer]:
        scores, sure = self._judged(item, read)
        best = scores.topk(min(NAMED, int((scores > -torch.inf).sum()))).indices.tolist()
        names = self.processor.answer_names[isinstance(item, PairFeatures)]
        return [Answer(names[i], float(sure[i]), place == 0, i) for place, i in enumerate(best)]

    def probability(self, item: Asked, read: Scores, answer: Answer) -> float:
        return float(self._judged(item, read)[1][answer.key])

    def _judged(self, item: Asked, read: Scores) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        """The scores of what may be answered, and their probabilities, calibrated where the model is."""
        if isinstance(item, PairFeatures):
            groups, count = relation_queries(self.processor, item), len(self.processor.relations)
            own = (read[i * count : (i + 1) * count] for i in range(len(groups)))
            rows = [torch.stack([row[one.answer] for row in part]) for one, part in zip(groups, own, strict=True)]
            scores = torch.stack(rows).mean(0)
            learned = self.task.calibration("relation_calibration") or Calibration("softmax")
        else:
            scores = read[0].index_fill(0, self.task.excluded.cpu(), -torch.inf)
            learned = self.task.calibration("calibration") or self.task.uncalibrated
        return scores, learned(scores[None])[0]

    def texts(self, item: Asked, answers: Sequence[Answer]) -> list[Part]:
        if isinstance(item, PairFeatures):
            return [*self._ends(item)]
        return [Part(name, tokens={0: places}) for name, places in self._parts(item)]

    def _parts(self, item: QueryFeatures) -> Iterator[tuple[str, tuple[int, ...]]]:
        """The known entity's token, its text and groups of words of it, and the relation's words and token."""
        token, text = _anchor(item)
        name = self._named(item.anchor)
        yield from [(f"token of {name}", token)] if token else []
        yield from [(f"text of {name}", text)] if text else []
        groups = [*self._word_groups(item, text)]
        yield from groups if len(groups) > 1 else []
        yield from [(f"token and text of {name}", (*token, *text))] if token and text else []
        relation = range(RELATION, item.ids.index(self.processor.tokenizer.stop, RELATION))
        yield f"relation {self.processor.relation_names[item.relation]}", tuple(relation)

    def _ends(self, item: PairFeatures) -> Iterator[Part]:
        """Token and text of head and tail, in all prompts that show them."""
        count = len(self.processor.relations)
        for i, one in enumerate(relation_queries(self.processor, item)):
            query = one.queries[0]
            end = "head" if query.target == "tail" else "tail"
            places = {i * count + j: query.anchor_positions for j, query in enumerate(one.queries)}
            yield Part(f"token and text of {end} {self._named(query.anchor)}", tokens=places)

    def _word_groups(self, item: QueryFeatures, text: Sequence[int]) -> Iterator[tuple[str, tuple[int, ...]]]:
        """The text's words up to each mark that ends a group, as far as they are read."""
        words, owners = self._words(item, text)
        group = [*accumulate((word[-1:] in STOPS for word in words), initial=0)]
        for _, places in groupby(range(len(text)), key=lambda i: group[owners[i]]):
            tokens = [*places]
            said = " ".join(words[owners[tokens[0]] : owners[tokens[-1]] + 1])
            yield f"“{shorten(said, LONGEST, placeholder=' …')}”", tuple(text[i] for i in tokens)

    def _words(self, item: QueryFeatures, text: Sequence[int]) -> tuple[list[str], list[int]]:
        """The words of the known entity's text, and which of them each of its tokens belongs to."""
        if item.anchor == INDUCTIVE:
            return [self._token(item.ids[i]) for i in text], [*range(len(text))]
        words = (self.processor.descriptions[item.anchor] or self.processor.names[item.anchor]).split()
        return words, [i for i, own in enumerate(self.processor.tokenizer.pieces(words)) for _ in own]

    def shown(self, item: Asked, answers: Sequence[Answer]) -> list[Shown]:
        """The prompt; of a question for a relation, those with the best one."""
        if not isinstance(item, PairFeatures):
            return [Shown(0, self._marked(item))]
        count, best = len(self.processor.relations), answers[0].key
        groups = relation_queries(self.processor, item)
        return [Shown(i * count + best, self._marked(one.queries[best])) for i, one in enumerate(groups)]

    def _marked(self, item: QueryFeatures) -> dict[str, tuple[int, ...]]:
        token, text = _anchor(item)
        found = {"[MASK]": (item.mask,), f"token of {self._named(item.anchor)}": token, "its text": text}
        return {name: places for name, places in found.items() if places}

    def _named(self, entity: int) -> str:
        return "the described entity" if entity == INDUCTIVE else self.processor.names[entity]

    def _token(self, token: int) -> str:
        """A piece, or the name of the entity or the relation that has the token, in brackets."""
        pieces, entities = self.processor.tokenizer.names, self.processor.names
        if token < len(pieces):
            return pieces[token]
        new = token - len(pieces)
        return f"[{entities[new] if new < len(entities) else self.processor.relation_names[new - len(entities)]}]"


def _anchor(item: QueryFeatures) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The positions of the known entity's token, which one that the graph does not have lacks, and of its text."""
    first = 0 if item.anchor == INDUCTIVE else 1
    return item.anchor_positions[:first], item.anchor_positions[first:]
