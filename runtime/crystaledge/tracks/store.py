"""State of all live tracks: one slot per track, one array per state pair."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from crystaledge.engine.states import HostStates, StateMemory
from crystaledge.errors import StateError
from crystaledge.tensors import StatePair

Array = NDArray[np.float32]

LARGEST_STATE = 1e6
"""No recurrent cell of ours leaves a state beyond this; comparing with it refuses NaN as well."""


class StateStore:
    """Keeps the recurrent state of tracks between frames.

    A track is a number chosen by the caller; it owns one slot, a row of each state array. Slots of
    evicted tracks are used again, and are set to the initial value before they are.
    """

    def __init__(
        self,
        states: Sequence[StatePair],
        *,
        capacity: int = 16,
        memory: Callable[[Sequence[StatePair], int], StateMemory] = HostStates,
    ) -> None:
        self._states = tuple(states)
        self.memory = memory(self._states, capacity)
        self._capacity = capacity
        self._slots: dict[int, int] = {}
        self._last_seen: dict[int, int] = {}
        self._free = list(range(capacity - 1, -1, -1))

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, track: int) -> bool:
        return track in self._slots

    @property
    def tracks(self) -> tuple[int, ...]:
        """Live tracks, oldest first."""
        return tuple(self._slots)

    @property
    def arrays(self) -> Mapping[str, Array]:
        """State arrays by input name, `(capacity, *shape)`; rows are slots. For reading: see `load` and `reset`."""
        return self.memory.arrays

    def create(self, track: int, *, frame: int = 0) -> int:
        """Give a new track a slot in its initial state and return the slot.

        Raises:
            StateError: the track is alive already.
        """
        if track in self._slots:
            msg = f"Track {track} is alive already; reset it, or evict it first."
            raise StateError(msg)
        if not self._free:
            self._grow()
        slot = self._free.pop()
        self._slots[track] = slot
        self._last_seen[track] = frame
        self.memory.reset(slot)
        return slot

    def reset(self, track: int) -> None:
        """Put a live track back to its initial state."""
        self.memory.reset(self.slot(track))

    def evict(self, track: int) -> None:
        """End a track; its state is overwritten at once, since it is personal data."""
        slot = self.slot(track)
        self.memory.reset(slot)
        del self._slots[track], self._last_seen[track]
        self._free.append(slot)

    def evict_idle(self, frame: int) -> tuple[int, ...]:
        """End every track that was not observed for more frames than the smallest idle limit allows."""
        limit = min((pair.idle_limit_frames for pair in self._states), default=0)
        idle = tuple(t for t, seen in self._last_seen.items() if frame - seen > limit)
        for track in idle:
            self.evict(track)
        return idle

    def slot(self, track: int) -> int:
        """Row of a live track.

        Raises:
            StateError: there is no such track.
        """
        try:
            return self._slots[track]
        except KeyError:
            msg = f"There is no live track {track}; create it first."
            raise StateError(msg) from None

    def slots(self, tracks: Iterable[int]) -> list[int]:
        """Rows of live tracks, in the order given."""
        return [self.slot(t) for t in tracks]

    def seen(self, tracks: Iterable[int], frame: int) -> None:
        """Note that live tracks were observed in this frame."""
        for track in tracks:
            self.slot(track)
            self._last_seen[track] = frame

    def last_seen(self, track: int) -> int:
        """Frame in which a live track was last observed."""
        self.slot(track)
        return self._last_seen[track]

    def state(self, track: int) -> dict[str, Array]:
        """A copy of a live track's state, by input name."""
        slot = self.slot(track)
        return {name: array[slot].copy() for name, array in self.memory.arrays.items()}

    def load(self, track: int, state: Mapping[str, Array]) -> None:
        """Set a live track's state.

        Raises:
            StateError: a name or shape is off, or a value is not finite; nothing is changed then.
        """
        slot = self.slot(track)
        for pair in self._states:
            value = state.get(pair.input)
            if value is None or value.shape != pair.shape or value.dtype != np.float32:
                found = "nothing" if value is None else f"{value.dtype} {list(value.shape)}"
                msg = f"State {pair.input!r} of track {track} is {found}; expected float32 {list(pair.shape)}."
                raise StateError(msg)
            if not (np.abs(value) <= LARGEST_STATE).all():
                msg = f"State {pair.input!r} of track {track} holds NaN, infinity or a value beyond reason."
                raise StateError(msg)
        self.memory.load(slot, state)

    def _grow(self) -> None:
        wanted = max(2 * self._capacity, 1)
        self.memory.grow(wanted)  # may fail, and then nothing has changed
        self._free = list(range(wanted - 1, self._capacity - 1, -1))
        self._capacity = wanted
