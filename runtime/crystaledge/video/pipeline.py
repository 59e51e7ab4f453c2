"""The video pipeline: gate, detect, track, crystallize, match, say; batched over tracks and cameras."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from crystaledge.bundle import Bundle
from crystaledge.errors import DataError
from crystaledge.sources.frame import Frame
from crystaledge.systems.mnemosyne_crystallizer import Crystallizer, EnrolledState
from crystaledge.tracking.config import TrackerConfig
from crystaledge.tracking.ids import TrackIds
from crystaledge.tracking.update import Update
from crystaledge.video.camera import Camera
from crystaledge.video.events import FaceEvent, FaceTurn
from crystaledge.video.face_finder import FaceFinder, FaceFinds
from crystaledge.video.identities import Identities, Seen
from crystaledge.video.lone_faces import lone_faces
from crystaledge.video.opening import by_role, opened
from crystaledge.video.options import VideoOptions
from crystaledge.video.result import FrameResult
from crystaledge.video.views import hidden_boxes, processed_view, track_views, unprocessed_view
from crystaledge.video.watch import watch_for


class VideoPipeline:
    """Faces of any number of cameras: found, followed, and known by name where a bundle and a gallery tell.

    Not for several threads at once.
    """

    def __init__(self, finder: FaceFinder, crystallizer: Crystallizer | None, options: VideoOptions) -> None:
        self._finder = finder
        self._identities = None if crystallizer is None else Identities(crystallizer, options.looks)
        self._watch = None if options.liveness is None else watch_for(options.liveness)
        self.options = options
        self.tracker_config = options.tracker or _tracker_for(finder)
        self.ids = TrackIds()
        self.cameras: dict[str, Camera] = {}

    @classmethod
    def open(cls, bundles: Sequence[Bundle | str | Path], options: VideoOptions | None = None) -> VideoPipeline:
        """The pipeline of a detector's bundle and, if faces shall have names, one that tells people apart.

        Raises:
            UsageError: not exactly one detector, or too many others.
            ManifestError, BundleError: a bundle is not sound.
            MissingExtraError: a package is not installed.
        """
        detector, identity = by_role(opened(bundles))
        return cls.of(detector, identity, options)

    @classmethod
    def of(cls, detector: Bundle, identity: Bundle | None, options: VideoOptions | None = None) -> VideoPipeline:
        """The pipeline of a detector's bundle, and of an identity's where faces shall have names."""
        chosen = options or VideoOptions()
        finder = FaceFinder(detector, chosen)
        try:
            crystallizer = None if identity is None else Crystallizer(identity, chosen.of_identity())
        except BaseException:
            finder.close()
            raise
        return cls(finder, crystallizer, chosen)

    @property
    def crystallizer(self) -> Crystallizer | None:
        """The identities' side; None where no bundle tells people apart."""
        return None if self._identities is None else self._identities.crystallizer

    def process(self, frames: Sequence[Frame]) -> list[FrameResult]:
        """Work on one frame of each of several cameras; all their windows and faces go in batched calls.

        Args:
            frames: of different sequences, each later than the last one of its sequence.
        """
        started = perf_counter()
        cameras = [self._camera(frame) for frame in frames]
        again_s, steady_s = self.options.look_again_s, self.options.steady_every_s
        due = [
            camera.is_due(frame, look_again_s=again_s, steady_every_s=steady_s)
            for camera, frame in zip(cameras, frames, strict=True)
        ]
        moving = [(camera, frame) for camera, frame, is_due in zip(cameras, frames, due, strict=True) if is_due]
        gated = perf_counter()
        results = dict(zip((id(frame) for _, frame in moving), self._work(moving, started, gated), strict=True))
        for camera, is_due in zip(cameras, due, strict=True):
            if not is_due:
                camera.still()
        return [
            results[id(frame)] if is_due else FrameResult(unprocessed_view(camera, frame, started), ())
            for camera, frame, is_due in zip(cameras, frames, due, strict=True)
        ]

    def learn(self, frames: Iterable[Frame]) -> EnrolledState:
        """What crystallizes from the one face that each of these frames shows; nothing is kept.

        Raises:
            DataError: no frame shows a face, one shows several, or no bundle tells people apart.
        """
        if self._identities is None:
            msg = "Enrolment needs a bundle that tells people apart; give one beside the detector's."
            raise DataError(msg)
        learnt = self._identities.crystallizer.learn(
            lone_faces(self._finder, frames, smallest_px=self.options.looks.smallest_px)
        )
        if learnt is None:
            msg = "No frame shows a face that is large enough; enrol from frames that show one face, well lit."
            raise DataError(msg)
        return learnt

    def enroll(self, name: str, frames: Iterable[Frame]) -> int:
        """Learn a person from frames that show them alone, in memory only; returns the number of faces used.

        Raises:
            UsageError: the name is enrolled already.
            DataError: see `learn`.
        """
        learnt = self.learn(frames)
        if self._identities is not None:
            gallery = self._identities.crystallizer.gallery
            gallery.enroll(name, learnt.hidden, learnt.log_variance, learnt.observations)
        return learnt.observations

    def forget_camera(self, sequence: str) -> tuple[FaceEvent, ...]:
        """A camera is gone for good: its tracks end, their states are wiped; those who had appeared are told of."""
        camera = self.cameras.pop(sequence, None)
        self._finder.detector.forget(sequence)
        if camera is None:
            return ()
        tracks = (*camera.tracker.live, *camera.tracker.lost)
        told = [self._event(camera, sequence, track, FaceTurn.ENDED) for track in tracks if track in camera.told]
        for track in tracks:
            self._end(camera, track)
        return tuple(told)

    def forget_person(self, name: str) -> None:
        """Nobody is this person any more: tracks that were committed to the name are looked at anew."""
        crystallizer = self.crystallizer
        if crystallizer is None:
            return
        for record in crystallizer.records:
            if record.committed_match == name:
                crystallizer.restart(record.track)
        for camera in self.cameras.values():
            camera.views = tuple(track_views(camera, self._identities, self._watch))
            camera.hidden = hidden_boxes(camera)

    def close(self) -> None:
        """Let go of the engines."""
        self._finder.close()
        if self._identities is not None:
            self._identities.crystallizer.close()

    def new_camera(self) -> Camera:
        """A camera that has shown nothing yet."""
        return Camera.new(self.options, self.tracker_config, self.ids)

    def __enter__(self) -> VideoPipeline:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _camera(self, frame: Frame) -> Camera:
        if frame.sequence not in self.cameras:
            self.cameras[frame.sequence] = self.new_camera()
        camera = self.cameras[frame.sequence]
        camera.arrive(frame, frames_per_s=self.options.frames_per_s)
        return camera

    def _work(self, moving: Sequence[tuple[Camera, Frame]], started: float, gated: float) -> list[FrameResult]:
        if not moving:
            return []
        for camera, _ in moving:
            camera.processed()
        finds = self._finder.find([frame for _, frame in moving], [camera.expected() for camera, _ in moving])
        found = perf_counter()
        seen: list[Seen] = []
        events: dict[int, list[FaceEvent]] = {}
        for (camera, frame), find in zip(moving, finds, strict=True):
            update = self._track(camera, find)
            events[id(frame)] = list(self._turns(camera, frame, update))
            seen += _seen(camera, frame, find, update)
        tracked = perf_counter()
        if self._identities is not None:
            frame_of = {one.track: one.frame for one in seen}
            for event in self._identities.look(seen):
                events[id(frame_of[event.track])].append(event)
        marks = [started, gated, found, tracked, perf_counter()]
        if self._watch is not None:
            of_sequence = {frame.sequence: frame for _, frame in moving}
            for event in self._watch.look(seen, moving):
                events[id(of_sequence[event.sequence])].append(event)
            marks.append(perf_counter())
        return [
            FrameResult(
                processed_view(camera, frame, find, tuple(marks), self._identities, self._watch),
                tuple(events[id(frame)]),
            )
            for (camera, frame), find in zip(moving, finds, strict=True)
        ]

    def _track(self, camera: Camera, find: FaceFinds) -> Update:
        # On a cut no detection is shown by any track yet, so that nothing can be told from the looks.
        ask = None if self._identities is None or find.cut else self._identities.similarity_of(camera)
        camera.detections = find.detections
        return camera.tracker.update(find.detections, camera.now_s, similarity=ask, cut=find.cut)

    def _turns(self, camera: Camera, frame: Frame, update: Update) -> Iterator[FaceEvent]:
        camera.notice(update)
        merged = dict(update.merged)
        for track in update.confirmed:
            yield self._event(camera, frame.sequence, track, FaceTurn.APPEARED)
        for track in update.recovered:
            if track in camera.lost:
                camera.lost.discard(track)
                yield self._event(camera, frame.sequence, track, FaceTurn.RETURNED)
        for track in update.lost:
            camera.lost.add(track)
            yield self._event(camera, frame.sequence, track, FaceTurn.LOST)
        for track in update.ended:
            event = self._event(camera, frame.sequence, track, FaceTurn.ENDED)
            told = track in camera.told
            if track in merged and self._identities is not None:
                self._identities.hand_over(track, merged[track])
            self._end(camera, track)
            if told:
                yield replace(event, goes_on_as=merged.get(track))

    def _end(self, camera: Camera, track: int) -> None:
        camera.forget(track)
        self._finder.end(track)
        if self._identities is not None:
            self._identities.end(track)
        if self._watch is not None:
            self._watch.end(track)

    def _event(self, camera: Camera, sequence: str, track: int, turn: FaceTurn) -> FaceEvent:
        record = None if self._identities is None else self._identities.record(track)
        shown = camera.shown.get(track)
        in_view = turn in (FaceTurn.APPEARED, FaceTurn.RETURNED) and shown is not None
        return FaceEvent(
            frame=camera.frame,
            sequence=sequence,
            track=track,
            turn=turn,
            time_s=camera.now_s,
            box_xyxy=shown.box_xyxy if in_view and shown is not None else None,
            name=None if record is None else record.committed_match,
            observations=0 if record is None else record.observations,
        )


def _seen(camera: Camera, frame: Frame, find: FaceFinds, update: Update) -> Iterator[Seen]:
    """Tracks that the detector saw in this frame; one that was only verified has no box to look at."""
    for row, track in enumerate(update.numbers.tolist()):
        if track >= 0:
            box = find.detections.box_xyxy[row]
            if row < find.detected:
                yield Seen(frame, camera, track, box)


def _tracker_for(finder: FaceFinder) -> TrackerConfig:
    founding = finder.founding_score
    return TrackerConfig(high_score=founding, low_score=min(finder.decision.low_score, founding))
