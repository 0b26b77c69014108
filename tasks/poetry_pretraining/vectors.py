"""Vectors of poems in a teacher's space, and which words of a poem are like an image there."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mkgc.data.script import in_script
from mkgc.images.loaded import LoadedImages
from mkgc.models.pkg_bert import PkgBert
from tasks.poetry_pretraining.data import PoemProcessor

MATCHED = 3
"""Words that are told of a poem and an image."""


def embed_poems(
    backbone: PkgBert, poems: PoemProcessor, texts: Sequence[str], size: int, device: torch.device
) -> Float[Tensor, "n F"]:
    """Unit vectors of texts in evaluation mode, on the CPU, ``size`` of them at once; one that is too long is cut."""
    training, found = backbone.training, [torch.empty(0, poems.dim or 0)]
    backbone.eval()
    for start in range(0, len(texts), size):
        items = [poems.asked(text) for text in texts[start : start + size]]
        text = poems.collate(items, LoadedImages({}, {})).text.to(device)
        found.append(F.normalize(backbone.vectors(backbone(text)).float(), dim=-1).cpu())
    backbone.train(training)
    return torch.cat(found)


def match_words(poems: PoemProcessor, text: str, images: Float[Tensor, "n F"]) -> list[list[tuple[str, float]]]:
    """For each image, the words of a text whose own images are most like it, with their cosines.

    Of a graph whose images are not read, the teacher's vectors of the words themselves are compared.
    """
    graph, teacher = poems.graph, poems.teacher
    found = () if graph is None else graph.segment(in_script(text, poems.settings.language))
    numbers = [*dict.fromkeys(one.word for one in found if one.word >= 0)]
    if graph is None or teacher is None or not numbers:
        return [[] for _ in images]
    names = [graph.words[number] for number in numbers]
    vectors = teacher.embed_texts(names).cpu() if poems.visual is None else poems.visual[numbers]
    best = (images.float() @ F.normalize(vectors, dim=-1).T).topk(min(MATCHED, len(names)))
    rows = zip(best.values.tolist(), best.indices.tolist(), strict=True)
    return [[(names[i], value) for value, i in zip(*row, strict=True) if value > 0] for row in rows]
