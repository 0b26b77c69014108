"""The embedded poems as people write their own, with drawn pictures and the graph of words that is made of both."""

from __future__ import annotations

from pathlib import Path
from random import Random

from mkgc.data.atlas.linked_text import write_records
from mkgc.data.split import split_rows
from mkgc.word_graphs.building import build_word_graph
from mkgc.word_graphs.recipe import WordGraphRecipe
from tasks.poetry_pretraining.anthology import POEMS
from tasks.poetry_pretraining.example import parse_poem
from tasks.poetry_pretraining.sketches import draw_pictures

LANGUAGE = "zh-Hans"
"""The script of the embedded poems."""


def write(folder: Path, random: Random, held_out: float = 0.0) -> None:
    """Writes poems, pictures with keywords, and the graph that ``mkgc.prepare graph=poetry`` makes of both."""
    (folder / "images").mkdir(parents=True)
    written = [
        dict(zip(("title", "author", "text"), line.split("|"), strict=True)) for line in POEMS.strip().split("\n")
    ]
    write_records(folder / "poems.jsonl", ({"id": number, **poem} for number, poem in enumerate(written, start=1)))
    poems = [parse_poem(poem, "", LANGUAGE) for poem in written]
    train, _, _ = split_rows([poem.letters for poem in poems])
    texts = ["".join(poems[row].tokens) for row in train]
    records = []
    for name, picture, keywords in draw_pictures(random):
        picture.save(folder / "images" / f"{name}.png")
        records.append({"image": f"images/{name}.png", "keywords": [*keywords]})
    write_records(folder / "pictures.jsonl", records)
    recipe = WordGraphRecipe(str(folder / "graph"), str(folder / "pictures.jsonl"), held_out=held_out)
    build_word_graph(recipe, texts, LANGUAGE)
