"""Repetitions: inside a split, and in two splits."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations

from mkgc.inspect.report import Finding, Section
from mkgc.reports.table import Cell, Table
from mkgc.terminal import plural

Keys = Mapping[str, Sequence[Hashable]]
"""Of each split what its examples are compared by."""

LEAK = 0.01
"""Share from which repetitions are worth a warning even if the examples are only alike."""


def find_overlap(kinds: Mapping[str, Keys]) -> Section:
    """Compares the splits by each kind of key, the last of which tells whether two examples are the same example.

    Of a pair of splits the examples of the second are counted that also occur in the first. A split whose examples
    are all in train measures nothing: fatal.
    """
    rows: list[tuple[Cell, ...]] = []
    findings: list[Finding] = []
    sizes = {split: len(keys) for split, keys in next(iter(kinds.values())).items()}
    for split, size in sizes.items():
        again = {kind: size - len(set(keys[split])) for kind, keys in kinds.items()}
        rows.append((f"twice in {split}", size, *again.values()))
        findings += _repeated(split, size, again)
    for first, second in combinations(sizes, 2):
        shared = {kind: sum(map(set(keys[first]).__contains__, keys[second])) for kind, keys in kinds.items()}
        rows.append((f"of {second}, also in {first}", sizes[second], *shared.values()))
        findings += _leaked(first, second, sizes[second], shared)
    columns = ("examples", "of", *(f"same {kind}" for kind in kinds))
    return Section((Table("Repetitions", columns, tuple(rows)),), tuple(findings))


def _repeated(split: str, size: int, again: Mapping[str, int]) -> list[Finding]:
    *_, alike, same = (0, *again.values())
    if not alike and not same:
        return []
    repeat = plural(max(again.values()), "repeats", "repeat")
    text = f"of {size:,} examples of {split}, {_listed(again)} {repeat} an earlier one"
    return [Finding("warning" if same > LEAK * size else "info", text)]


def _leaked(first: str, second: str, size: int, shared: Mapping[str, int]) -> list[Finding]:
    counts = list(shared.values())
    alike, same = counts[0], counts[-1]
    if not alike:
        return []
    text = f"of {size:,} examples of {second}, {first} has {_listed(shared)}"
    if same == size and first == "train":
        return [Finding("fatal", f"{text}: {second} measures nothing")]
    return [Finding("warning" if same or alike > LEAK * size else "info", text)]


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} (same {kind})" for kind, count in counts.items())
