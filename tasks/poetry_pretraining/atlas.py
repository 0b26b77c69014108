"""The embedded poems as people write their own, with drawn pictures and the graph of words that is made of both."""

from __future__ import annotations

from pathlib import Path
from random import Random

from mkgc.data.atlas.linked_text import write_records
from mkgc.data.examples import SPLITS
from mkgc.data.split import split_rows
from mkgc.word_graphs.building import build_word_graph
from mkgc.word_graphs.recipe import WordGraphRecipe
from tasks.poetry_pretraining.anthology import POEMS
from tasks.poetry_pretraining.example import parse_poem
from tasks.poetry_pretraining.sketches import draw_pictures

LANGUAGE = "zh-Hans"
"""The script of the embedded poems."""


def write(folder: Path, random: Random) -> None:
    """Writes poems, pictures with keywords, and the graph that ``mkgc.prepare graph=poetry`` makes of both."""
    (folder / "images").mkdir(parents=True)
    poems = [dict(zip(("title", "author", "text"), line.split("|"), strict=True)) for line in POEMS.strip().split("\n")]
    for split, rows in zip(SPLITS, split_rows([poem["text"] for poem in poems]), strict=True):
        write_records(folder / f"{split}.jsonl", ({"id": row + 1, **poems[row]} for row in rows))
        if split == "train":
            texts = ["".join(parse_poem(poems[row], "", LANGUAGE).tokens) for row in rows]
    records = []
    for name, picture, keywords in draw_pictures(random):
        picture.save(folder / "images" / f"{name}.png")
        records.append({"image": f"images/{name}.png", "keywords": [*keywords]})
    write_records(folder / "pictures.jsonl", records)
    recipe = WordGraphRecipe(str(folder / "graph"), str(folder / "pictures.jsonl"))
    build_word_graph(recipe, texts, LANGUAGE)
