"""From a record's features to its explanation: reads it, looks at the attention, and leaves parts out.

PGI (equation 10) lets image tokens attend to the text's keys and values, put before their own:

    head = softmax(Q_v [K_t ; K_v]^T) [V_t ; V_v]

The softmax over both has one denominator, Z = Z_t + Z_v, the sums of exp over the text's keys and over the images'. Put
λ = Z_t / Z (equation 12), one number for each query, that is for each image token, and head. Then the weights on the
text's keys are exp / Z = λ exp / Z_t, λ times those of a softmax over the text alone, and those on the images' are
(1 - λ) times those of a softmax over the images alone (equation 11):

    head = (1 - λ) softmax(Q_v K_v^T) V_v + λ softmax(Q_v K_t^T) V_t

So λ is the sum of a row's weights on the prefix: how much of what an image token takes up is text. CAF (equations 13
and 14) has no heads: softmax(x_t x_v^T), a row for each text token. Source: MKGformer (Chen et al., 2022), section 3.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from mkgc.data.settings import DataSettings
from mkgc.explanations.contract import Answer, Part, Pass, Slot, graph_of, require_explainable
from mkgc.explanations.explanation import Effect, Explanation, PassLooks, Picture
from mkgc.explanations.left_out import Hidden, leaving_out
from mkgc.explanations.nodes import graph_parts
from mkgc.explanations.seen import Files, file_names, missing_looks, pass_looks, pictures_of
from mkgc.explanations.watch import watching
from mkgc.images.loaded import LoadedImages
from mkgc.training.task import Task

GRAPH = ("what the text takes from the graph, no attention shows: see what leaving nodes out changes",)
"""What is said of a model that reads texts with a graph."""


class Explainer:
    """Explains records of a task, whose images lie in a store; ``size`` passes go through the network at once.

    Raises:
        ConfigError: The task's model has nothing that could be explained.
    """

    def __init__(self, task: Task, store: LoadedImages, size: int) -> None:
        self.asked = require_explainable(task)
        self.task, self.store, self.size = task, store, size

    @torch.inference_mode()
    def explain(self, item: Any, query: Mapping[str, Any], notes: Sequence[str] = ()) -> Explanation:
        """The explanation of the features of one record; ``notes`` say what of it could not be read."""
        passes = self.asked.passes(item)
        files = [used_files(one.features.images, self.task.processor.settings, self.store) for one in passes]
        before = self._read(passes, [Hidden()] * len(passes))
        answers = self.asked.answers(item, before)
        parts = [*image_parts(files), *self._graph_parts(passes), *self.asked.texts(item, answers)]
        effects = tuple(self._effect(item, passes, before, answers, part) for part in parts)
        pictures, looks = self._look(item, passes, files, answers)
        graph = graph_of(self.task.processor) is not None
        said = (*notes, *(GRAPH if graph else missing_looks(self.task.backbone, looks, bool(pictures))))
        return Explanation(query, self.asked.question(item), tuple(answers), effects, pictures, looks, said)

    def _graph_parts(self, passes: Sequence[Pass]) -> list[Part]:
        """The nodes of the graphs around the texts."""
        knowledge = graph_of(self.task.processor)
        if knowledge is None:
            return []
        graphs = ((number, one.features.graph) for number, one in enumerate(passes))
        return [part for number, graph in graphs for part in graph_parts(graph, knowledge, number)]

    def _effect(
        self, item: Any, passes: Sequence[Pass], before: Sequence[Any], answers: Sequence[Answer], part: Part
    ) -> Effect:
        """What leaving out a part does: only the passes that it is a part of are read again."""
        hidden = [Hidden.of(part, i) for i in part.passes]
        again = dict(zip(part.passes, self._read([passes[i] for i in part.passes], hidden), strict=True))
        after = [again.get(i, read) for i, read in enumerate(before)]
        now = tuple(self.asked.probability(item, after, answer) for answer in answers)
        predicted = tuple(answer.name for answer in self.asked.answers(item, after) if answer.predicted)
        return Effect(part.name, part.kind, now, predicted)

    def _read(self, passes: Sequence[Pass], hidden: Sequence[Hidden]) -> list[Any]:
        """What the network says of passes, without what is hidden of each."""
        processor, found = self.task.processor, []
        for start in range(0, len(passes), self.size):
            part = slice(start, start + self.size)
            batch: Any = processor.collate([one.features for one in passes[part]], self.store)
            with leaving_out(self.task.backbone, hidden[part], processor.tokenizer.pad):
                found += self.asked.read(batch.to(self.task.device))
        return found

    def _look(
        self, item: Any, passes: Sequence[Pass], files: Sequence[Files], answers: Sequence[Answer]
    ) -> tuple[tuple[Picture, ...], tuple[PassLooks, ...]]:
        """The images, and the attention in the passes that are shown."""
        shown = self.asked.shown(item, answers)
        batch: Any = self.task.processor.collate([passes[one.number].features for one in shown], self.store)
        with watching(self.task.backbone) as seen:
            self.asked.read(batch.to(self.task.device))
        places = self.task.backbone.side.token_patches(seen.images) if seen.layers else []
        pictures = pictures_of(seen, [files[one.number] for one in shown], places, file_names(files))
        rows = [(passes[one.number].tokens, one.marked, files[one.number]) for one in shown]
        looks = tuple(pass_looks(seen, row, *of_row, pictures, places) for row, of_row in enumerate(rows))
        return tuple(pictures.values()), looks


def used_files(images: Mapping[str, Sequence[Path]], settings: DataSettings, store: LoadedImages) -> Files:
    """The images of an example that a batch shows, by their places in it: the first ones that can be used."""
    found: Files = {}
    for group, size in settings.images.items():
        usable = [p for p in images.get(group, ())[: settings.max_images] if store.index(p, size) is not None]
        found |= {Slot(group, number): path for number, path in enumerate(usable)}
    return found


def image_parts(files: Sequence[Files]) -> list[Part]:
    """Each image of a record, wherever its passes show it, and, if there are several, all of them together."""
    places: dict[tuple[str, Path], dict[int, tuple[Slot, ...]]] = {}
    for number, of_pass in enumerate(files):
        for slot, path in of_pass.items():
            own = places.setdefault((slot.group, path), {})
            own[number] = (*own.get(number, ()), slot)
    names = file_names(files)
    parts = [Part(f"{group} {names[path]}", "image", images=own) for (group, path), own in places.items()]
    every = {number: tuple(of_pass) for number, of_pass in enumerate(files) if of_pass}
    return [*parts, *([Part("all images", "images", images=every)] if len(parts) > 1 else [])]
