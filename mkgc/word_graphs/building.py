"""Makes a graph of words and writes its folder: what is there already is kept, and a killed run goes on."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from mkgc.app.files import write_json, write_whole
from mkgc.app.locks import locked
from mkgc.data.formats.word_graphs import BUILDING, EDGES, IMAGES, TITLES, WORDS
from mkgc.errors import DataError
from mkgc.reports.table import Cell, Table
from mkgc.word_graphs.recipe import FORMAT, MadeGraph, ShownImage, WordGraphRecipe

ABOUT = "graph.json"
"""What a graph was made of, and its sizes; written last."""


def build_word_graph(recipe: WordGraphRecipe, texts: Sequence[str], language: str | None) -> dict[str, Any]:
    """Writes the graph of some texts into the recipe's folder, and returns what ``graph.json`` says of it.

    A graph that was made of the same things the same way is left as it is; of another, the files are replaced.

    Raises:
        MkgcError: A file cannot be used, or the folder not be written to.
    """
    folder = Path(recipe.output)
    digest = recipe.digest(texts, language)
    try:
        with locked(folder):
            if (there := read_about(folder)).get("digest") == digest and not (folder / BUILDING).exists():
                return there | {"new": False}
            (folder / BUILDING).mkdir(exist_ok=True)
            made = recipe.make(texts, language)
            if recipe.index is not None:
                made = made._replace(images=_by_similarity(recipe, [*made.words], folder / BUILDING))
            about = _write(folder, recipe, made, {"digest": digest, "texts": len(texts), "language": language})
            shutil.rmtree(folder / BUILDING)
            return about | {"new": True}
    except OSError as error:
        raise DataError(f"the graph cannot be written: {error.strerror}", folder) from error


def read_about(folder: Path) -> dict[str, Any]:
    """What ``graph.json`` of a folder says; nothing, where there is none that can be read."""
    try:
        said = json.loads((folder / ABOUT).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _by_similarity(recipe: WordGraphRecipe, words: Sequence[str], folder: Path) -> list[ShownImage]:
    """The images of an index that are nearest to each word."""
    from mkgc.searching.searcher import open_searcher
    from mkgc.word_graphs.nearest import nearest_images

    assert recipe.index is not None
    searcher = open_searcher(recipe.index)
    with Progress(transient=True, disable=not Console().is_terminal) as bar:
        task = bar.add_task("Looking for images", total=len(words))
        found = nearest_images(
            searcher, words, recipe.max_images, folder / "nearest.jsonl", lambda more: bar.advance(task, more)
        )
    return [ShownImage(word, Path(name), weight) for word, near in found.items() for name, weight in near]


def _write(folder: Path, recipe: WordGraphRecipe, made: MadeGraph, of: dict[str, Any]) -> dict[str, Any]:
    """Writes the files of a graph, ``graph.json`` last."""
    _write_table(folder / WORDS, ((number, word, count) for number, (word, count) in enumerate(made.words.items())))
    _write_table(folder / EDGES, ((e.word, e.neighbour, f"{e.weight:.6g}", e.kind) for e in made.edges))
    near = ((one.word, _named(one.image, folder), f"{one.weight:.6g}") for one in made.images)
    _write_table(folder / IMAGES, near)
    about = {
        "format": FORMAT,
        **of,
        "settings": recipe.described(),
        "counts": count(made),
        "held_out": [*made.held_out],
    }
    write_json(folder / ABOUT, about)
    return about


def _write_table(path: Path, rows: Iterable[Sequence[object]]) -> None:
    lines = ["\t".join(map(str, row)) + "\n" for row in (TITLES[path.name], *rows)]
    write_whole(path, "".join(lines))


def _named(image: Path, folder: Path) -> str:
    """The name of an image: relative, where it lies beside the folder or in it, so that both may be moved."""
    above = folder.resolve().parent
    place = image.resolve()
    return os.path.relpath(place, folder.resolve()) if place.is_relative_to(above) else str(place)


def count(made: MadeGraph) -> dict[str, int]:
    """The sizes of a graph: of nodes, and of edges by their kind."""
    kinds = Counter(edge.kind for edge in made.edges)
    illustrated = {one.word for one in made.images}
    sizes = {
        "words of texts": sum(number > 0 for number in made.words.values()),
        "words that are neighbours alone": sum(not number for number in made.words.values()),
        "words with an image": len(illustrated),
        "images": len({one.image for one in made.images}),
        **{f"edges from words to {kind}s": number for kind, number in sorted(kinds.items())},
        "edges from words to images": len(made.images),
    }
    return sizes | {"nodes": len(made.words) + sizes["images"], "edges": len(made.edges) + len(made.images)}


def counted(about: dict[str, Any]) -> Table:
    """The sizes of a graph as a table, like PKG-Bert's Table 2."""
    rows: tuple[tuple[Cell, ...], ...] = tuple(about["counts"].items())
    return Table("Graph of words", ("what", "number"), rows)
