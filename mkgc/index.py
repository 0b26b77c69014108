"""`python -m mkgc.index checkpoint=PATH images=DIR output=INDEX`: makes images of a folder, or texts, searchable."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from omegaconf import DictConfig

from mkgc.app.command import exit_on_user_error, require, require_one, run
from mkgc.app.config import check_keys
from mkgc.app.files import check_output_folder, write_json
from mkgc.app.keys import INDEX
from mkgc.app.packages import CONF
from mkgc.app.signals import Ended
from mkgc.errors import ConfigError, DataError
from mkgc.terminal import plural, say

if TYPE_CHECKING:
    from mkgc.searching.building import Made
    from mkgc.searching.vectors import Kind

LARGE = 100_000
"""Images above which an index is approximate by default."""

REPORT = "report.json"
NAMED = 3
"""Broken images that are said one by one."""


def index(config: DictConfig) -> dict[str, Any]:
    """Makes an index, or brings it up to date with its folder; returns its report, which is also written.

    Raises:
        MkgcError: A key has a wrong value, the output cannot be written to or has an index of something else, or no
            image can be used.
    """
    require(config, "checkpoint", "output")
    check_keys(config, INDEX)
    asked = require_one(config, "images", "texts")
    if asked is None:
        raise ConfigError("give images=DIR, or texts=FILE.jsonl")
    check_output_folder(config.output)
    if asked == "texts":
        return _index_texts(config)
    root, target = Path(config.images), Path(config.output)
    from mkgc.searching.building import build, discard
    from mkgc.searching.encoder import open_encoder
    from mkgc.searching.folder import list_images
    from mkgc.searching.index import About, write_index
    from mkgc.searching.vectors import index_rows, load_faiss, recall

    load_faiss("an index of images")
    files = list_images(root, besides=target)
    encoder = open_encoder(config.checkpoint, config.device, config.trusted, config.batch_size)
    _check_target(target, root, encoder.digest, config.checkpoint)
    started = time.perf_counter()
    try:
        with _bar(len(files)) as done:
            made = build(root, files, target, encoder, done)
    except Ended as end:
        raise Ended(f"{end.line}; what was made is kept, and the same command goes on", end.code) from end
    seconds = time.perf_counter() - started
    if not made.files:
        raise DataError(f"none of {len(files):,} images can be used, as {_first(made.broken)}", root)
    kind = _kind(config, len(made.files))
    found = index_rows(made.vectors, kind)
    share = None if kind == "flat" else recall(found, made.vectors)
    about = About(encoder.digest, str(Path(config.checkpoint).resolve()), str(root.resolve()), kind, share)
    write_index(target, about, made.files, made.vectors, found)
    discard(target)
    report = _report(about, made, seconds)
    write_json(target / REPORT, report)
    return report


def _index_texts(config: DictConfig) -> dict[str, Any]:
    """Makes an index of the texts of a file, anew each time; returns its report, which is also written."""
    from mkgc.searching.encoder import open_encoder
    from mkgc.searching.index import About, write_index
    from mkgc.searching.texts import read_indexed_texts
    from mkgc.searching.vectors import index_rows, load_faiss, recall

    load_faiss("an index of texts")
    path, target = Path(config.texts), Path(config.output)
    texts = read_indexed_texts(path)
    encoder = open_encoder(config.checkpoint, config.device, config.trusted, config.batch_size)
    _check_target(target, path, encoder.digest, config.checkpoint)
    started = time.perf_counter()
    vectors = encoder.embed_texts([one.text for one in texts])
    seconds = time.perf_counter() - started
    kind = _kind(config, len(texts))
    found = index_rows(vectors, kind)
    share = None if kind == "flat" else recall(found, vectors)
    about = About(encoder.digest, str(Path(config.checkpoint).resolve()), str(path.resolve()), kind, share)
    target.mkdir(parents=True, exist_ok=True)
    write_index(target, about, (), vectors, found, texts)
    report = {"texts": len(texts), "new": len(texts), "broken": {}, "kind": kind, "recall": share}
    report |= {"texts_per_second": round(len(texts) / seconds, 1), "checkpoint": about.checkpoint}
    report |= {"digest": about.digest, "file": about.folder}
    write_json(target / REPORT, report)
    return report


def _kind(config: DictConfig, size: int) -> Kind:
    """The kind of an index of so many vectors."""
    if config.kind == "auto":
        return "flat" if size <= LARGE else "hnsw"
    kind: Kind = config.kind
    return kind


def _check_target(target: Path, root: Path, digest: str, checkpoint: str) -> None:
    """Checks that what is in the output, if anything, is an index of the same images by the same model."""
    from mkgc.searching.index import FILE, ImageIndex

    if not (target / FILE).is_file():
        return
    there = ImageIndex(target)
    there.require_same(digest, checkpoint)
    if Path(there.about.folder) != root.resolve():
        raise DataError(
            f"is an index of the {'texts' if there.texts else 'images'} in {there.about.folder}, and not of {root}: "
            "delete it, or give another output",
            target,
        )


def _report(about: Any, made: Made, seconds: float) -> dict[str, Any]:
    return {
        "images": len(made.files),
        "new": made.new,
        "broken": made.broken,
        "kind": about.kind,
        "recall": about.recall,
        "images_per_second": round(made.new / seconds, 1) if made.new else None,
        "checkpoint": about.checkpoint,
        "digest": about.digest,
        "folder": about.folder,
    }


@contextmanager
def _bar(total: int) -> Iterator[Callable[[int], object]]:
    """A bar on a terminal, as a function that is told of further images."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Indexing images", total=total)
        yield partial(bar.advance, task)


def _first(broken: dict[str, str]) -> str:
    name, problem = next(iter(broken.items()))
    return f"{name}: {problem}"


def _tell(report: dict[str, Any], output: str) -> None:
    broken = report["broken"]
    for name, problem in [*broken.items()][:NAMED]:
        say(f"{name}: {problem}: left out", error=True)
    if len(broken) > NAMED:
        say(f"{len(broken) - NAMED:,} more images are left out: {Path(output) / REPORT} names all", error=True)
    what = "image" if "images" in report else "text"
    speed = f", {report[f'{what}s_per_second']:,} a second" if report["new"] else ""
    count = report[f"{what}s"]
    found = "" if report["recall"] is None else f"; finds {report['recall']:.1%} of what exact search finds"
    things = plural(count, what, f"{what}s")
    say(f"{count:,} {things} in {output} ({report['new']:,} new{speed}), {report['kind']}{found}")


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="index")
@exit_on_user_error
def _main(config: DictConfig) -> None:
    _tell(index(config), config.output)


def main() -> None:
    """The command."""
    run(_main, "index")


if __name__ == "__main__":
    main()
