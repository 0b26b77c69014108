"""`python -m benchmarks.linking`: dictionaries of up to 2.4 million names, from their files to links in text.

Three synthetic tables of entities with three names each, each ten times the one before, are read, made a dictionary and
looked for in text, each by a process of its own. Writes ``benchmarks/linking.json`` and the table of
``docs/benchmarks.md``.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.runs import fill, machine

RESULTS = Path("benchmarks/linking.json")
PAGE = Path("docs/benchmarks.md")
BEGIN, END = "<!-- table: python -m benchmarks.linking -->", "<!-- end of linking table -->"
SIZES = (8_700, 87_000, 870_000)
"""Entities, of three names each."""
SENTENCES, WORDS = 20_000, 30
NAMED = 0.1
"""The share of a text's words in whose place a name stands."""
CONSONANTS, VOWELS = "bcdfghjklmnprstvwz", "aeiou"
CHARACTERS = [chr(0x4E00 + i) for i in range(3000)]


def main() -> None:
    """All sizes in turn, or one of them where it is given with its folder."""
    if len(sys.argv) == 2:
        print(json.dumps(linked(Path(sys.argv[1]))))
        return
    results = {"machine": machine(), "sizes": [_sized(size) for size in SIZES]}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    fill(PAGE, BEGIN, END, table(results))


def _sized(entities: int) -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        write(Path(folder), entities)
        command = [sys.executable, "-m", "benchmarks.linking", folder]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures = {"entities": entities, **json.loads(done.stdout.splitlines()[-1])}
    print(figures, flush=True)
    return figures


def write(root: Path, entities: int) -> None:
    """A table of entities with two names of words and a Chinese one each, and sentences in which some of them stand."""
    draw = Random(entities)
    names = [(_words(draw), _words(draw), _chinese(draw)) for _ in range(entities)]
    with (root / "entities.tsv").open("w", encoding="utf-8") as file:
        file.write("id\tname\tname:zh\taliases\n")
        file.writelines(f"Q{i}\t{one}\t{zh}\t{other}\n" for i, (one, other, zh) in enumerate(names))
    with (root / "text.txt").open("w", encoding="utf-8") as file:
        file.writelines(f"{' '.join(_sentence(draw, names))} .\n" for _ in range(SENTENCES))


def _words(draw: Random) -> str:
    return " ".join(_word(draw).capitalize() for _ in range(draw.randint(1, 3)))


def _word(draw: Random) -> str:
    return "".join(draw.choice(CONSONANTS) + draw.choice(VOWELS) for _ in range(draw.randint(2, 4)))


def _chinese(draw: Random) -> str:
    return "".join(draw.choices(CHARACTERS, k=draw.randint(2, 5)))


def _sentence(draw: Random, names: list[tuple[str, str, str]]) -> Iterator[str]:
    for _ in range(WORDS):
        yield draw.choice(draw.choice(names)) if draw.random() < NAMED else _word(draw)


def linked(root: Path) -> dict[str, Any]:
    """Reads a table, makes the dictionary, and links the sentences as characters, and as words."""
    from mkgc.data.context import read_context
    from mkgc.data.knowledge_settings import KnowledgeSettings
    from mkgc.data.words import split_words

    sentences = (root / "text.txt").read_text("utf-8").splitlines()
    size = (root / "text.txt").stat().st_size / 1e6
    before, began = peak(), time.process_time()
    context = read_context(KnowledgeSettings(str(root), format="names"))
    read = time.process_time()
    linker = context.linker
    built = time.process_time()
    found = sum(len(linker.link(sentence)) for sentence in sentences)
    searched = time.process_time()
    for sentence in sentences:
        raw = split_words(sentence)
        context.link(raw.words, raw)
    return {
        "names": len(context.names.names),
        "read": read - began,
        "build": built - read,
        "found": found,
        "characters": size / (searched - built),
        "words": size / (time.process_time() - searched),
        "memory": peak() - before,
    }


def peak() -> int:
    """The most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def table(results: dict[str, Any]) -> str:
    """Markdown."""
    lines = [
        "| names | reading the table, s | building, s | memory, GiB | linking, MB/s | as words, MB/s |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in results["sizes"]:
        lines.append(
            f"| {row['names']:,} | {row['read']:.1f} | {row['build']:.1f} | {row['memory'] / 2**30:.2f} "
            f"| {row['characters']:.1f} | {row['words']:.2f} |"
        )
    return "\n".join([*lines, "", f"Seconds of processor time; {results['machine']}."])


if __name__ == "__main__":
    main()
