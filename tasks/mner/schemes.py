"""Schemes of tags: which one a data set is written in, and the same mentions in IOB2, which all else here reads.

All splits together decide, so that there is one scheme a data set:

- E-, S-, M-, L-, U- or W- occur: the first of :data:`BOUNDED` that has all marks that occur (IOBES is BIOES). If half
  of the mentions or more break its rules, the data are in no one scheme, and are refused.
- I- alone: IO. Each run of a type is a mention, as in IOB1.
- B- and I-: IOB1 if more mentions begin with I- than with a B- that IOB1 would not need (one not right behind its own
  type), else IOB2.

In IOB2 an I- that continues nothing stays as written, as in Twitter-2015: training reads it as B-, scoring (strict, as
seqeval's) as no mention. In the other schemes what breaks the rules begins a mention, for training and scoring alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from mkgc.errors import DataError
from mkgc.inspect.report import Finding
from mkgc.nn.crf import repair_bio
from tasks.mner.example import TaggedExample

Splits = Mapping[str, Sequence[TaggedExample]]


class Noted(NamedTuple):
    """Splits with their tags in IOB2, and notes of what was found and rewritten."""

    splits: Splits
    notes: tuple[Finding, ...] = ()


class Bounded(NamedTuple):
    """A scheme that marks where a mention ends: the marks of its first word, of one inside, of its last, of an only."""

    name: str
    begin: str
    inside: str
    end: str
    single: str

    def legal(self, before: str, tag: str) -> bool:
        """Whether ``tag`` may follow ``before``; a sentence begins and ends with O."""
        inside, goes_on = before[:1] in (self.begin, self.inside), tag[:1] in (self.inside, self.end)
        return inside == goes_on and (not inside or before[2:] == tag[2:])

    def rewrite(self, tags: Sequence[str]) -> tuple[str, ...]:
        """The same mentions in IOB2; a tag that may not go on with the one before begins a mention.

        >>> BOUNDED[0].rewrite(["B-LOC", "E-LOC", "S-PER", "E-PER"])
        ('B-LOC', 'I-LOC', 'B-PER', 'B-PER')
        """
        goes_on = (tag[:1] in (self.inside, self.end) and self.legal(before, tag) for before, tag in _steps(tags))
        return tuple(
            tag if tag == "O" else f"{'I' if on else 'B'}-{tag[2:]}" for tag, on in zip(tags, goes_on, strict=False)
        )


BOUNDED = (
    Bounded("BIOES", "B", "I", "E", "S"),
    Bounded("BMES", "B", "M", "E", "S"),
    Bounded("BMEWO", "B", "M", "E", "W"),
    Bounded("BILOU", "B", "I", "L", "U"),
)


def in_one_scheme(splits: Splits) -> Noted:
    """The data set with its tags in IOB2, and notes of the scheme that was found and of what was rewritten.

    Raises:
        DataError: The tags are of no one scheme.
    """
    marks = {tag[:1] for _, _, tag in _words(splits)} - {"O"}
    if marks <= {"B", "I"}:
        return _begun(splits, marks)
    schemes = [scheme for scheme in BOUNDED if marks <= set(scheme[1:])]
    if not schemes:
        raise DataError(_mixed(splits, marks))
    return _bounded(splits, schemes[0])


def _begun(splits: Splits, marks: set[str]) -> Noted:
    """IOB1, IOB2 and IO."""
    loose = {split: sum(map(_loose, part)) for split, part in splits.items()}
    plain = {split: sum(map(_plain, part)) for split, part in splits.items()}
    if sum(loose.values()) > sum(plain.values()):
        return _rewritten(splits, "IO" if marks == {"I"} else "IOB1", [repair_bio(e.tags or ()) for e in _all(splits)])
    text = "tags: IOB2, none rewritten"
    if any(loose.values()):
        text = f"tags: IOB2; {sum(loose.values()):,} I- tags continue no mention: training reads them as B-, "
        text += "scoring as no mention"
    notes = [Finding("info", text)] if marks else []
    for split, count in loose.items():
        if count > plain[split]:
            said = f"{count:,} mentions of {split} begin with I- and {plain[split]:,} with B-, as in IOB1"
            notes.append(Finding("warning", f"{said}, but the data set as a whole is IOB2: they are not scored"))
    return Noted(splits, tuple(notes))


def _bounded(splits: Splits, scheme: Bounded) -> Noted:
    rewritten = [scheme.rewrite(example.tags or ()) for example in _all(splits)]
    mentions = sum(tag.startswith("B-") for tags in rewritten for tag in tags)
    broken = [
        (example, i)
        for example in _all(splits)
        for i, step in enumerate(_steps(example.tags or ()))
        if not scheme.legal(*step)
    ]
    if 2 * len(broken) >= mentions:
        raise DataError(_mixed(splits, {tag[:1] for _, _, tag in _words(splits)} - {"O"}))
    out = _rewritten(splits, scheme.name, rewritten)
    if broken:
        example, word = broken[0]
        text = f"{len(broken):,} steps between tags break the rules of {scheme.name}, the first at {example.place}"
        note = Finding("warning", f"{text}, word {word + 1}: what they cut off is read as a mention of its own")
        out = Noted(out.splits, (*out.notes, note))
    return out


def _rewritten(splits: Splits, name: str, tags: Sequence[Sequence[str]]) -> Noted:
    """The splits with new tags, in the order of all its examples."""
    fresh = iter(tags)
    legal = {split: [replace(e, tags=tuple(next(fresh))) for e in part] for split, part in splits.items()}
    words = [*_words(splits)]
    changed = sum(old != new for (_, _, old), (_, _, new) in zip(words, _words(legal), strict=True))
    text = f"tags: {name}, {changed:,} of {len(words):,} rewritten as IOB2, for training and scoring alike"
    return Noted(legal, (Finding("info", text),))


def _mixed(splits: Splits, marks: set[str]) -> str:
    """The message about tags of no one scheme; names the mark that is rarest, at its first place."""
    counts = {mark: sum(tag[:1] == mark for _, _, tag in _words(splits)) for mark in sorted(marks)}
    rarest = min(counts, key=counts.__getitem__)
    example, word, tag = next(found for found in _words(splits) if found[2][:1] == rarest)
    listed = ", ".join(f"{mark}- {count:,}" for mark, count in counts.items())
    return (
        f"{example.place}: the tag '{tag}' of word {word + 1} fits no scheme together with the others ({listed}): "
        f"all splits must be in one of IOB1, IOB2, IO, {', '.join(scheme.name for scheme in BOUNDED)}"
    )


def _loose(example: TaggedExample) -> int:
    """Mentions that begin with I-."""
    return sum(tag[:1] == "I" and before[2:] != tag[2:] for before, tag in _steps(example.tags or ()))


def _plain(example: TaggedExample) -> int:
    """Mentions that begin with a B- which IOB1 does not need: one that is not right behind its own type."""
    return sum(tag[:1] == "B" and before[2:] != tag[2:] for before, tag in _steps(example.tags or ()))


def _steps(tags: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each tag with the one before it, and the end with the last."""
    return pairwise(("O", *tags, "O"))


def _all(splits: Splits) -> list[TaggedExample]:
    return [example for part in splits.values() for example in part]


def _words(splits: Splits) -> Iterator[tuple[TaggedExample, int, str]]:
    """The tag of each word, with its example and position."""
    for part in splits.values():
        for example in part:
            for word, tag in enumerate(example.tags or ()):
                yield example, word, tag
