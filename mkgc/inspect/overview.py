"""From a data set that has been read to its report."""

from __future__ import annotations

from pathlib import Path

from mkgc.data.dataset import Dataset
from mkgc.data.settings import DataSettings
from mkgc.inspect.checksums import name_files
from mkgc.inspect.image_checks import inspect_images
from mkgc.inspect.published import PUBLISHED, find_published
from mkgc.inspect.report import Finding, Report, Section, collect


def inspect_dataset(dataset: Dataset, settings: DataSettings, task: str) -> Report:
    """The report of a data set that was read with broken images masked, judged by the user's own ``settings``."""
    published, problems = find_published(settings.name), dataset.store.problems
    sections = [_named(settings), Section((), dataset.notes), *dataset.source.inspect(dataset, settings, published)]
    sections += [inspect_images(dataset.coverage, problems, settings), name_files(Path(settings.root), published)]
    return collect(f"{task}: {settings.root}", sections)


def _named(settings: DataSettings) -> Section:
    if settings.name is None:
        return Section()
    published = find_published(settings.name)
    if published is None:
        known = ", ".join(PUBLISHED)
        return Section((), (Finding("warning", f"data.name={settings.name} is not known here; known are {known}"),))
    return Section((), (Finding("info", f"held against {published.title} ({published.source})"),))
