"""Looks at a film's main face: found and followed by the product's pipeline, spaced as its watch spaces them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from crystaledge.bundle import Bundle
from crystaledge.liveness.config import PhotoCheckConfig
from crystaledge.locate import crop
from crystaledge.sources.frame import Frame
from crystaledge.video.camera import Camera
from crystaledge.video.face_crop import crop_around
from crystaledge.video.identities import Seen
from crystaledge.video.liveness import LivenessWatch
from crystaledge.video.pipeline import VideoPipeline
from crystaledge_benchmarks.liveness.films import attack_film
from crystaledge_benchmarks.liveness.looks import FaceWatcher, Look, spaced
from crystaledge_benchmarks.liveness.sheet_motion import AttackKind
from tests.benchmarks.liveness.builders import drawn_face, frames_saying, look_at, photograph_of
from tests.runtime.liveness.counted import stand_in

BOX = np.array([5, 5, 59, 59], np.float32)
"""Large enough, and whole."""


class TwoTracks:
    """Sees a face that is there for long and away in between, and one that is there for a while."""

    forgotten: list[str]

    def __init__(self) -> None:
        self.forgotten = []

    def process(self, frames: list[Frame]) -> list[Any]:
        (frame,) = frames
        assert frame.sequence == "watched"
        tracks = [_view(7, (1, 1, 30, 30), coasting=frame.index in (3, 4))]
        if frame.index < 6:
            tracks.append(_view(2, (30, 30, 60, 60)))
        return [SimpleNamespace(view=SimpleNamespace(tracks=tracks))]

    def forget_camera(self, sequence: str) -> None:
        self.forgotten.append(sequence)


@pytest.mark.parametrize("fps", [5.0, 9.7, 10.0, 12.0, 15.0, 20.1, 24.0, 25.0, 29.97, 30.0, 60.0])
@pytest.mark.parametrize("digits", [2, 3, 9])
def test_looks_are_spaced_as_the_watch_takes_them(fps: float, digits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    times = [round(index / fps, digits) for index in range(90)]
    pictures = stand_in(monkeypatch)
    watch = LivenessWatch(PhotoCheckConfig(looks=1000, every_s=0.1))
    for frame, now_s in zip(frames_saying(range(90)), times, strict=True):
        watch.look([Seen(frame, cast(Camera, SimpleNamespace(now_s=now_s)), 0, BOX)], [])
    taken = spaced([look_at(np.full((2, 2, 3), n, np.uint8), time_s) for n, time_s in enumerate(times)], 0.1)
    assert [int(look.face[0, 0, 0]) for look in taken] == [int(picture[0, 0, 0]) for picture in pictures]
    assert len(taken) > 10


def test_nothing_is_spaced_of_nothing() -> None:
    assert spaced([], 0.1) == []
    looks = [look_at(np.zeros((2, 2, 3), np.uint8), index / 10) for index in range(5)]
    assert spaced(looks, 0.1) == looks


def test_it_is_the_track_that_is_longest_in_view(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = TwoTracks()
    monkeypatch.setattr(VideoPipeline, "of", lambda *_: pipeline)
    looks = FaceWatcher(cast(Bundle, None)).main_face(frames_saying(range(10)), every_s=0.1)
    assert [look.time_s for look in looks] == [0.0, 0.1, 0.2, 0.5, 0.6, 0.7, 0.8, 0.9]
    assert {look.box_xyxy for look in looks} == {(1, 1, 30, 30)}
    assert [int(look.face[0, 0, 0]) for look in looks] == [0, 1, 2, 5, 6, 7, 8, 9]
    assert pipeline.forgotten == ["watched"]


def test_a_look_is_the_crop_that_an_embedder_gets(detector_bundle: Bundle) -> None:
    frames = list(attack_film(photograph_of(drawn_face(side=64)), AttackKind.STAND, seed=(1,)))
    watcher = FaceWatcher(detector_bundle)
    looks = watcher.main_face(frames, every_s=0.1)
    again = watcher.main_face(frames, every_s=0.1)
    nobody = watcher.main_face([], every_s=0.1)
    watcher.close()
    assert len(looks) >= 10
    assert _same(looks, again)  # of a film nothing is left for the next one
    assert nobody == []
    by_time = {frame.time_s: frame.pixels for frame in frames}
    for look in looks:
        (place,) = crop_around(np.array([look.box_xyxy], np.float32))
        assert np.array_equal(look.face, crop(by_time[look.time_s], place))


def _same(first: list[Look], other: list[Look]) -> bool:
    pairs = zip(first, other, strict=True)
    return all((a.time_s, a.box_xyxy) == (b.time_s, b.box_xyxy) and np.array_equal(a.face, b.face) for a, b in pairs)


def _view(track: int, box_xyxy: tuple[float, ...], *, coasting: bool = False) -> Any:
    return SimpleNamespace(track=track, box_xyxy=box_xyxy, coasting=coasting)
