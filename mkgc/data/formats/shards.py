"""The files of a split that is written in parts: ``train-00000.jsonl``, ``train-00001.jsonl``, … or one file."""

from __future__ import annotations

import re
from pathlib import Path

from mkgc.data.formats.labelled import NAMES
from mkgc.data.formats.text_files import find, list_folder
from mkgc.errors import DataError


def find_shards(root: Path, split: str) -> list[Path]:
    """The one file of a split, or its parts in the order of their numbers, which begin at 0 or 1.

    As others write them, parts may be named ``train-00000-of-00010.jsonl``.

    Raises:
        DataError: There is none, a number is missing, or there are parts beside a whole.
    """
    stems = "|".join(Path(name).stem for name in NAMES[split])
    pattern = re.compile(rf"(?:{stems})-(\d+)(?:-of-(\d+))?\.jsonl(\.gz)?")
    names = [name for name, is_folder in list_folder(root) if not is_folder]
    parts = sorted(
        (int(found[1]), int(found[2] or 0), name)
        for name in names
        if (found := pattern.fullmatch(name)) and not found[3]
    )
    whole = next((name for name in NAMES[split] if name in names), None)
    if not parts:
        packed = next((name for name in names if re.fullmatch(rf"(?:{stems})(?:-\d+.*)?\.jsonl\.gz", name)), None)
        why = "" if packed is None else f"lines of {packed} are found by their place, so unpack it (gunzip)"
        return [find(*(root / name for name in NAMES[split]), why=why)]
    if whole is not None:
        raise DataError(f"there are both {whole} and {parts[0][2]}: leave the whole or its parts", root)
    numbers = [number for number, _, _ in parts]
    first, total = min(numbers[0], 1), parts[0][1]
    expected = range(first, first + max(total, len(parts)))
    if numbers != [*expected]:
        lacking = next((number for number in expected if number not in numbers), None)
        twice = next((number for number in numbers if numbers.count(number) > 1), numbers[-1])
        said = f"part {twice} is there twice" if lacking is None else f"part {lacking} of {split} is missing"
        raise DataError(f"{said}: there are {parts[0][2]} to {parts[-1][2]}", root)
    return [root / name for _, _, name in parts]
