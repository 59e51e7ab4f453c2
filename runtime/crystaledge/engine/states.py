"""Where the recurrent state of tracks lies between two steps: rows by slot, on the host or with the engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.engine.bound_step import BoundStep
from crystaledge.tensors import StatePair

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class StateRows:
    """Rows of one state pair in a bound step's own buffers."""

    name: str
    """Of the state's input."""
    current: Array
    """`(count, *shape)`: what the step reads."""
    following: Array
    """`(count, *shape)`: what it writes."""


class StateMemory(ABC):
    """State rows of one store. A slot is a row number below the capacity; who owns it is the store's affair."""

    def __init__(self, states: Sequence[StatePair], capacity: int) -> None:
        self._states = tuple(states)
        self._arrays = {pair.input: np.full((capacity, *pair.shape), pair.initial, np.float32) for pair in states}

    @property
    def arrays(self) -> Mapping[str, Array]:
        """State arrays by input name, `(capacity, *shape)`: always the states after the last whole step."""
        return self._arrays

    def grow(self, capacity: int) -> None:
        """Make room for more slots; the rows that are there stay."""
        for pair in self._states:
            old = self._arrays[pair.input]
            fresh = np.full((capacity - len(old), *pair.shape), pair.initial, np.float32)
            self._arrays[pair.input] = np.concatenate([old, fresh])
            old[...] = 0  # whoever gets that memory next shall not find anybody's state in it

    def reset(self, slot: int) -> None:
        """Overwrite a slot with the initial state."""
        for pair in self._states:
            self._arrays[pair.input][slot] = pair.initial

    def load(self, slot: int, state: Mapping[str, Array]) -> None:
        """Overwrite a slot with a state, by input name."""
        for pair in self._states:
            self._arrays[pair.input][slot] = state[pair.input]

    @abstractmethod
    def advance(self, step: BoundStep, rows: Sequence[StateRows], slots: Sequence[int]) -> None:
        """Run one step: its first rows read the states of `slots`, which then hold the next ones.

        Where the step fails, every slot still holds its state from before.
        """


class HostStates(StateMemory):
    """States in plain arrays, copied into the step's buffers and back."""

    def advance(self, step: BoundStep, rows: Sequence[StateRows], slots: Sequence[int]) -> None:
        """See `StateMemory.advance`."""
        arrays = self._arrays
        if len(slots) == 1:  # without numpy's indexing by lists, which costs more than a small network
            slot = slots[0]
            for state in rows:
                state.current[0] = arrays[state.name][slot]
            step.run()
            for state in rows:
                arrays[state.name][slot] = state.following[0]
            return
        for state in rows:
            # With mode "clip" take writes straight into the buffer; the default mode makes a copy.
            np.take(arrays[state.name], slots, axis=0, out=state.current, mode="clip")
        step.run()
        for state in rows:
            arrays[state.name][slots] = state.following
