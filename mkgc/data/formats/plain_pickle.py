"""Tuples of texts and whole numbers in Python's pickle format, read without running any of it."""

from __future__ import annotations

import pickletools
from typing import Any

VALUES = frozenset({"BININT", "BININT1", "BININT2", "LONG1", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"})
TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
PASSED_OVER = frozenset({"PROTO", "FRAME", "STOP"})
"""Opcodes that say something of the bytes, and nothing of the value."""


def read_plain(data: bytes) -> Any:
    """The value of a pickle that holds texts, whole numbers and tuples of up to three of such.

    Raises:
        ValueError: The bytes are no pickle, or hold anything else, such as what a program would be run for.
    """
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    try:
        for code, argument, _ in pickletools.genops(data):
            if code.name in VALUES:
                stack.append(argument)
            elif code.name in TUPLES:
                start = len(stack) - TUPLES[code.name]
                stack[start:] = [tuple(stack[start:])]
            elif code.name == "MEMOIZE":
                memo[len(memo)] = stack[-1]
            elif code.name in ("BINPUT", "LONG_BINPUT"):
                memo[int(str(argument))] = stack[-1]
            elif code.name in ("BINGET", "LONG_BINGET"):
                stack.append(memo[int(str(argument))])
            elif code.name not in PASSED_OVER:
                raise ValueError(f"holds more than texts and numbers ({code.name}), and is not run")
    except (IndexError, KeyError) as error:
        raise ValueError("is no pickle of texts and numbers") from error
    if len(stack) != 1:
        raise ValueError("is no pickle of one value")
    return stack[0]
