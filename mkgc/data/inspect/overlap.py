"""What occurs twice: inside a split, and in two splits."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations

from mkgc.data.inspect.report import Cell, Finding, Section, Table

Keys = Mapping[str, Sequence[Hashable]]
"""Of each split what its examples are compared by."""

LEAK = 0.01
"""Share from which repetitions are worth a warning."""


def find_overlap(kinds: Mapping[str, Keys], whole: str) -> Section:
    """Compares the splits by each kind of key; by the kind ``whole`` two examples are the same example.

    Of a pair of splits the examples of the second are counted that also occur in the first. A split whose examples
    all occur in train measures nothing: fatal.
    """
    rows: list[tuple[Cell, ...]] = []
    findings: list[Finding] = []
    for kind, splits in kinds.items():
        for split, keys in splits.items():
            again = len(keys) - len(set(keys))
            rows.append((kind, f"twice in {split}", again, _share(again, len(keys))))
            if kind == whole and again:
                findings.append(_repeated(kind, split, again, len(keys)))
        for (first, before), (second, keys) in combinations(splits.items(), 2):
            shared = sum(map(set(before).__contains__, keys))
            rows.append((kind, f"{second} that are also in {first}", shared, _share(shared, len(keys))))
            if shared:
                findings.append(_leaked(kind, first, second, shared, len(keys), kind == whole))
    return Section((Table("Repetitions", ("compared by", "where", "examples", "share"), tuple(rows)),), tuple(findings))


def _repeated(kind: str, split: str, again: int, of: int) -> Finding:
    text = f"{again:,} of {of:,} examples of {split} repeat an earlier one ({kind})"
    return Finding("warning" if again > LEAK * of else "info", text)


def _leaked(kind: str, first: str, second: str, shared: int, of: int, whole: bool) -> Finding:
    text = f"{shared:,} of {of:,} examples of {second} are also in {first} ({kind})"
    if whole and shared == of and first == "train":
        return Finding("fatal", f"{text}: {second} measures nothing")
    return Finding("warning" if whole or shared > LEAK * of else "info", text)


def _share(part: int, of: int) -> float:
    return part / of if of else 0.0
