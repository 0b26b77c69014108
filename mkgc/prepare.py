"""`python -m mkgc.prepare …`: what is done once, before training: images, weights, archives, splits, graphs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import hydra
from omegaconf import DictConfig

from mkgc.app.command import exit_on_user_error, require_one, run
from mkgc.app.config import check, check_keys
from mkgc.app.files import check_output_folder
from mkgc.app.keys import PREPARE
from mkgc.app.packages import CONF
from mkgc.errors import ConfigError
from mkgc.terminal import say


def prepare(config: DictConfig) -> None:
    """Does the one thing that the configuration asks for: images, unless it names something else.

    Raises:
        MkgcError: It cannot be done.
    """
    asked = require_one(config, "weights", "archive", "subset_seeds", "graph")
    if asked in ("weights", "archive"):
        check_keys(config, PREPARE, closed=False)
        check_output_folder(config.output or "weights")
    else:
        check(config, PREPARE)
    steps = {"weights": _weights, "archive": _archive, "subset_seeds": _subsets, "graph": _graph, None: _images}
    steps[asked](config)


def _weights(config: DictConfig) -> None:
    from mkgc.tools import packages

    packages.prepare(config.weights, Path(config.output or f"weights/{config.weights}"))


def _archive(config: DictConfig) -> None:
    from mkgc.tools.archive import unpack

    if config.output is None:
        raise ConfigError("give output=…: the folder that the archive's files go to")
    files = unpack(Path(config.archive), Path(config.output))
    say(f"{len(files):,} files unpacked into {config.output}")


def _subsets(config: DictConfig) -> None:
    from dataclasses import replace

    from mkgc.data.dataset import read_settings, read_source
    from mkgc.data.subsets import write_subsets

    settings = replace(read_settings(config), images={})
    if settings.shots is None and settings.fraction is None:
        raise ConfigError(f"subset_seeds={config.subset_seeds}: give data.shots=… or data.fraction=…, too")
    subset_seeds = range(settings.subset_seed, settings.subset_seed + config.subset_seeds)
    written = write_subsets(read_source(config, settings), settings, subset_seeds)
    say(f"{len(written)} of {len(subset_seeds)} low-resource splits written to {settings.root}, the others were there")


def _graph(config: DictConfig) -> None:
    from hydra.utils import instantiate
    from rich.console import Console

    from mkgc.data.dataset import read_settings, read_source
    from mkgc.reports.console import show
    from mkgc.word_graphs.building import build_word_graph, counted

    check_output_folder(config.graph.output, "graph.output")
    recipe = instantiate(config.graph)
    settings = read_settings(config)
    source = read_source(config, settings)
    for note in source.notes:
        note.say()
    texts = ["".join(example.tokens) for example in source.examples()["train"]]
    about = build_word_graph(recipe, texts, settings.language)
    show([counted(about)], Console())
    if about["held_out"]:
        say(f"{len(about['held_out']):,} keywords are held out, and stand in graph.json")
    done = "written to" if about["new"] else "was made of the same before, and is kept in"
    say(f"the graph of words of {len(texts):,} texts of train {done} {config.graph.output}")


def _images(config: DictConfig) -> None:
    from rich.progress import track

    from mkgc.data.dataset import read_settings, read_source
    from mkgc.encoders.vision import check_sizes
    from mkgc.images import store
    from mkgc.images.policy import wanted

    check_sizes(config.backbone, config.data.get("images", {}))
    settings = read_settings(config)
    source, sizes = read_source(config, settings), sorted(set(settings.images.values()))
    for note in source.notes:
        note.say()
    root, folder = Path(settings.root), settings.store_folder
    broken: dict[Path, str] = {}
    known = -1
    while known < len(broken):  # others take the place of those that prove to be broken
        known = len(broken)
        groups = wanted(source.images(broken), settings)
        paths = {
            size: {p for g, files in groups.items() if settings.images[g] == size for p in files} for size in sizes
        }
        for size in sizes:
            done = store.prepare(folder, root, sorted(paths[size]), size, settings.fit)
            for _ in track(done, f"{size} pixels", len(paths[size]), disable=known > 0):
                pass
            broken |= store.SizedStore(folder, size, root, settings.fit).faults(paths[size])
    for size in sizes:
        faults = Counter(broken[path] for path in paths[size] if path in broken)
        said = ", ".join(f"{count:,} {kind}" for kind, count in sorted(faults.items())) or "none"
        usable = len(paths[size]) - faults.total()
        say(f"{folder}: {usable:,} images of {size} pixels; cannot be used: {said}")


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="prepare")
@exit_on_user_error
def _main(config: DictConfig) -> None:
    prepare(config)


def main() -> None:
    """The command."""
    run(_main, "prepare")


if __name__ == "__main__":
    main()
