"""Who the faces of all cameras are: when each is looked at, what is said when one is committed, doubted or over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.identity.decision import Verdict
from crystaledge.outputs.view import TrackView
from crystaledge.sources.frame import Frame
from crystaledge.systems.mnemosyne_crystallizer import Crystallizer, FaceLook
from crystaledge.systems.mnemosyne_records import IdentityEvent, TrackRecord
from crystaledge.video.camera import Camera
from crystaledge.video.events import FaceEvent, FaceTurn
from crystaledge.video.face_crop import crop_around, seen_share, size_px
from crystaledge.video.options import LookPolicy

_ROUNDING_S = 1e-3
"""Times of frames are rounded: the third frame of thirty a second is not a hair's breadth too early for a look."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A track that a frame shows."""

    frame: Frame
    camera: Camera
    track: int
    box_xyxy: NDArray[np.float32]
    """`(4,)` in pixels of the frame."""


class Identities:
    """Looks at faces when it is worth it, and says what came of it."""

    def __init__(self, crystallizer: Crystallizer, policy: LookPolicy) -> None:
        self.crystallizer = crystallizer
        self._policy = policy

    def look(self, seen: Sequence[Seen]) -> list[FaceEvent]:
        """Look at those of the tracks that are due, in one batched call, and report the turns."""
        due = [one for one in seen if self._is_due(one)]
        if not due:
            return []
        for one in due:
            if one.track not in self.crystallizer.store:
                self.crystallizer.begin(one.track, sequence=one.frame.sequence, frame=one.frame.index)
        crops = crop_around(np.stack([one.box_xyxy for one in due]))
        looks = [FaceLook(one.frame, one.track, box) for one, box in zip(due, crops, strict=True)]
        before = [self.crystallizer.record(one.track) for one in due]
        answers = self.crystallizer.observe(looks)
        turns = [self._turn(one, old, answer) for one, old, answer in zip(due, before, answers, strict=True)]
        return [turn for turn in turns if turn is not None]

    def is_open(self, view: TrackView) -> bool:
        """Whether a face will be looked at until it is decided who it is; one that is too small never is."""
        return not view.crystallized and size_px(view.box_xyxy) >= self._policy.smallest_px

    def record(self, track: int) -> TrackRecord | None:
        """What is known of a track."""
        return self.crystallizer.record(track) if track in self.crystallizer.store else None

    def similarity_of(self, camera: Camera) -> Callable[[Sequence[int], Sequence[int]], NDArray[np.float64]]:
        """For a tracker: how likely detections, which are shown by young tracks, are tracks that are away."""

        def ask(rows: Sequence[int], tracks: Sequence[int]) -> NDArray[np.float64]:
            owners = [camera.owner_of(row) for row in rows]
            known = [-1 if owner is None else owner for owner in owners]
            return self.crystallizer.similarity(known, tracks)

        return ask

    def end(self, track: int) -> None:
        """A track is over; its state is wiped."""
        self.crystallizer.end(track)

    def hand_over(self, track: int, into: int) -> None:
        """A track turned out to be an older one, whose state goes on; the younger one's is wiped."""
        if into in self.crystallizer.store or track not in self.crystallizer.store:
            self.crystallizer.end(track)
        else:
            self.crystallizer.rename(track, into)

    def _is_due(self, one: Seen) -> bool:
        policy, box = self._policy, one.box_xyxy
        if size_px(box.tolist()) < policy.smallest_px:
            return False
        if seen_share(box[None], one.frame.pixels.shape[:2])[0] < policy.seen_share:
            return False
        record = self.record(one.track)
        wait = policy.open_every_s if record is None or record.committed is None else policy.committed_every_s
        since = one.camera.now_s - one.camera.shown[one.track].looked_s
        return not 0.0 <= since < wait - _ROUNDING_S

    def _turn(self, one: Seen, old: TrackRecord, answer: IdentityEvent) -> FaceEvent | None:
        shown = one.camera.shown[one.track]
        shown.looked_s, shown.quality, shown.llr = one.camera.now_s, answer.quality, answer.llr
        record = self.crystallizer.record(one.track)
        if old.committed is None and record.committed is not None:
            turn = FaceTurn.IDENTIFIED if record.committed is Verdict.SAME else FaceTurn.UNKNOWN
            return _event(one, turn, record, answer)
        if old.committed is not None and self._is_doubtful(old, answer):
            self.crystallizer.restart(one.track)
            return _event(one, FaceTurn.DOUBTED, old, answer)
        return None

    def _is_doubtful(self, record: TrackRecord, answer: IdentityEvent) -> bool:
        """Whether a committed track now looks like somebody else: another name, or the right one no longer.

        A face that was found to be nobody's must look like somebody more than chance explains among so many.
        """
        if answer.verdict is None:  # nobody is enrolled any more
            return record.committed is Verdict.SAME
        if record.committed is Verdict.SAME:
            return answer.match != record.committed_match or answer.verdict is Verdict.DIFFERENT
        return answer.verdict is Verdict.SAME and not self.crystallizer.is_chance(answer)


def _event(one: Seen, turn: FaceTurn, record: TrackRecord, answer: IdentityEvent) -> FaceEvent:
    x1, y1, x2, y2 = one.box_xyxy.tolist()
    return FaceEvent(
        frame=one.frame.index,
        sequence=one.frame.sequence,
        track=one.track,
        turn=turn,
        time_s=one.camera.now_s,
        box_xyxy=(x1, y1, x2, y2),
        name=record.committed_match,
        llr=answer.llr,
        false_accept_rate=answer.false_accept_rate,
        observations=record.observations,
        quality=answer.quality,
    )
