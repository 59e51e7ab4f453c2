"""Parsers of option values that several verbs share; a message says what was expected."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from enum import Enum
from typing import TypeVar

from crystaledge.identity.spec import Stopping
from crystaledge.system import System

E = TypeVar("E", bound=Enum)


def face_box(text: str) -> tuple[float, float, float, float]:
    """Parse `X1,Y1,X2,Y2` as shares of the frame."""
    try:
        x1, y1, x2, y2 = (float(part) for part in text.split(","))
    except ValueError:
        msg = f"{text!r} is not X1,Y1,X2,Y2, four shares of the frame such as 0.2,0.1,0.8,0.9"
        raise ArgumentTypeError(msg) from None
    return x1, y1, x2, y2


def integer(low: int, high: int) -> Callable[[str], int]:
    """Parser of an integer in [low, high]."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 18 and low <= int(text) <= high):
            msg = f"{text!r} is not an integer from {low} to {high}"
            raise ArgumentTypeError(msg)
        return int(text)

    return parse


positive = integer(1, 1_000_000_000)
threads = integer(1, 256)
seed = integer(0, 2**31 - 1)


def size_hw(text: str) -> tuple[int, int]:
    """Parse `H,W` in pixels."""
    try:
        height, width = (int(part) for part in text.split(","))
    except ValueError:
        height = width = 0
    if not 1 <= min(height, width) <= max(height, width) <= 65_535:
        msg = f"{text!r} is not H,W, a height and a width in pixels such as 192,320"
        raise ArgumentTypeError(msg)
    return height, width


def share(text: str) -> float:
    """Parse a number in [0, 1]."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        msg = f"{text!r} is not a share from 0 to 1"
        raise ArgumentTypeError(msg)
    return value


def seconds(text: str) -> float:
    """Parse a length of time from a millisecond to a day, in seconds."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1e-3 <= value <= 86_400.0:
        msg = f"{text!r} is no length of time in seconds such as 0.2"
        raise ArgumentTypeError(msg)
    return value


def choice(kind: type[E], what: str) -> Callable[[str], E]:
    """Parser of an enumeration's value; the message names them all."""

    def parse(text: str) -> E:
        for member in kind:
            if member.value == text:
                return member
        msg = f"{text!r} is no {what}; there are {', '.join(m.value for m in kind)}"
        raise ArgumentTypeError(msg)

    return parse


system = choice(System, "system")
stopping = choice(Stopping, "stopping rule")
