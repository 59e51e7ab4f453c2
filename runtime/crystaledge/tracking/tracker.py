"""The tracker of one video stream, built to keep a person's number through gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.detections import Detections
from crystaledge.errors import StateError
from crystaledge.tracking.birth import bear, merge_duplicates, unclaimed
from crystaledge.tracking.by_appearance import welcome_back
from crystaledge.tracking.by_motion import match_by_motion
from crystaledge.tracking.clock import Clock
from crystaledge.tracking.config import TrackerConfig
from crystaledge.tracking.ids import TrackIds
from crystaledge.tracking.life import age, confirm, learn, lose_all, note_occlusions, tell_who_is_in_view
from crystaledge.tracking.motion import corners, predicted, shapes_of
from crystaledge.tracking.record import TrackerState, record, rows_of
from crystaledge.tracking.rows import Stage, touch
from crystaledge.tracking.sight import Sight, Similarity
from crystaledge.tracking.step import Step
from crystaledge.tracking.table import TrackTable
from crystaledge.tracking.update import Events, Update

STAGES = tuple(Stage)


class FaceTracker:
    """Follows faces by motion and overlap, and knows who comes back by appearance.

    Not for several threads at once. `ids` may be shared with other trackers.
    """

    def __init__(self, config: TrackerConfig, ids: TrackIds) -> None:
        self._config, self._ids = config, ids
        self._clock = Clock()
        self._table = TrackTable.empty()
        self._foreseen: _Foreseen | None = None

    @property
    def live(self) -> tuple[int, ...]:
        """Tentative, confirmed and coasting tracks, in the order of `predict`."""
        return tuple(self._table.live["number"].tolist())

    @property
    def lost(self) -> tuple[int, ...]:
        """Tracks that only appearance can bring back."""
        return tuple(self._table.lost["number"].tolist())

    def stage(self, track: int) -> Stage:
        """Where a track stands.

        Raises:
            StateError: there is no such track.
        """
        return Stage(int(self._table.row(track)["stage"][0]))

    def predict(self, time_s: float) -> NDArray[np.float32]:
        """Boxes of the live tracks at a time, float32 `(len(live), 4)`; nothing is changed.

        Raises:
            UsageError: the time is not finite.
        """
        now_s, live = self._clock.at(time_s), self._table.live
        belief = predicted(live["belief"], now_s - live["seen_s"], self._config.motion)
        self._foreseen = _Foreseen(now_s, live["number"].copy(), belief)  # an update at this time needs the very same
        return corners(shapes_of(belief)).astype(np.float32)

    def update(
        self, detections: Detections, time_s: float, *, similarity: Similarity | None = None, cut: bool = False
    ) -> Update:
        """Give each detection of a frame its track. What raises leaves the tracker as it was.

        Args:
            time_s: time of the frame, of the source. Where it stands still or jumps back no time passes.
            similarity: asked, at most twice a frame, where motion does not decide and for people who return.
            cut: another scene begins with this frame: nobody is where they were, and appearance alone brings them back.

        Raises:
            UsageError: the time is not finite.
            ContractError: values that are not finite, or `similarity` answers in a wrong shape.
        """
        step = Step(
            table=self._table.copy(),
            sight=Sight(detections, self._config),
            events=Events(),
            config=self._config,
            now_s=self._clock.at(time_s),
            similarity=similarity,
        )
        if cut:
            lose_all(step)
        self._run(step)
        self._table = step.table
        self._clock.advance(time_s)
        return _told(step)

    def _run(self, step: Step) -> None:
        age(step)
        belief = self._believed(step)
        matched = match_by_motion(step, belief)
        is_young = _of_newcomers(step, matched)
        learn(step, belief, matched)
        tell_who_is_in_view(step, matched)
        note_occlusions(step, belief)
        is_open = unclaimed(step)
        is_unknown = welcome_back(step, is_open | is_young)
        bear(step, is_open & (step.sight.owner < 0), self._ids)
        confirm(step, step.sight.owner[is_unknown])
        merge_duplicates(step)
        step.table.live["looked_s"] = step.table.lost["looked_s"] = step.now_s

    def _believed(self, step: Step) -> NDArray[np.float64]:
        """Where the live tracks are expected at the step's time."""
        live, foreseen, self._foreseen = step.table.live, self._foreseen, None
        if foreseen is not None and foreseen.holds(step.now_s, live["number"]):
            return foreseen.belief
        return predicted(live["belief"], step.now_s - live["seen_s"], self._config.motion)

    def touch(self, track_ids: Sequence[int], time_s: float) -> None:
        """Nothing moved at these tracks up to this time: they stay where they are and grow no older.

        Raises:
            UsageError: the time is not finite.
            StateError: there is no such track.
        """
        for track in track_ids:
            self._table.row(track)
        self._foreseen = None
        now, numbers = self._clock.advance(time_s), np.asarray(track_ids, np.int64)
        touch(self._table.live, numbers, now)
        touch(self._table.lost, numbers, now)

    def rename(self, track: int, into: int) -> None:
        """A live track is the same person as one that is not in view: it takes over the old number, its own is gone.

        Raises:
            StateError: there is no such track, `track` is not live, or `into` is in view.
        """
        if self.stage(track) == Stage.LOST:
            msg = f"Track {track} is lost; only a live track can take over a number."
            raise StateError(msg)
        if track == into or self.stage(into) not in (Stage.COASTING, Stage.LOST):
            msg = f"Track {into} is in view or the same; track {track} can take over the number of one that is away."
            raise StateError(msg)
        self._table.hand_over(track, into)
        self._foreseen = None

    def state(self) -> TrackerState:
        """Everything that `resume` needs; encodes with `crystaledge.jsonio`."""
        return record(self._clock, self._ids.next, self._table.all())

    @classmethod
    def resume(cls, config: TrackerConfig, ids: TrackIds, state: TrackerState) -> FaceTracker:
        """A tracker that goes on where another stopped; `ids` will give none of the numbers given before."""
        tracker = cls(config, ids)
        ids.skip_past(state.next_number - 1)
        tracker._clock = Clock(now_s=state.now_s, source_s=state.source_s)
        tracker._table = TrackTable.of(rows_of(state))
        return tracker


@dataclass(frozen=True, slots=True)
class _Foreseen:
    """What was predicted last; nothing has changed since."""

    now_s: float
    numbers: NDArray[np.int64]
    belief: NDArray[np.float64]

    def holds(self, now_s: float, numbers: NDArray[np.int64]) -> bool:
        """Whether it is of this time and of these tracks; some may have been given up meanwhile."""
        return now_s == self.now_s and np.array_equal(numbers, self.numbers)


def _of_newcomers(step: Step, matched: NDArray[np.int64]) -> NDArray[np.bool_]:
    """High-score detections `(len(sight),)` of tracks that may still turn out to be somebody who is away."""
    is_young = (matched >= 0) & step.sight.is_high
    born_s = step.table.live["born_s"][matched[is_young]]
    is_young[is_young] = step.now_s - born_s < step.config.newcomer_s
    return is_young


def _told(step: Step) -> Update:
    live, numbers = step.table.live, step.sight.numbers()
    stages = dict(zip(live["number"].tolist(), live["stage"].tolist(), strict=True))
    return step.events.told(numbers, tuple(STAGES[stages[n]] if n >= 0 else None for n in numbers.tolist()))
