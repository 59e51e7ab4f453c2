"""What is still held: pictures that can be reached from an object."""

from __future__ import annotations

import gc
from types import ModuleType

import numpy as np


def arrays_within(root: object) -> list[np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
    """Every array that an object leads to, not counting what modules, classes and functions hold."""
    found, known, waiting = [], {id(root)}, [root]
    while waiting:
        one = waiting.pop()
        if isinstance(one, np.ndarray):
            found.append(one)
        for other in gc.get_referents(one):
            if id(other) not in known and not isinstance(other, (type, ModuleType)) and not callable(other):
                known.add(id(other))
                waiting.append(other)
    return found
