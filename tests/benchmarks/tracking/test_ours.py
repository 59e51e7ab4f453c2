"""The tracker on a scene: what is promised of it holds on one that no table reports."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from crystaledge.tracking.config import TrackerConfig
from crystaledge_benchmarks.tracking.ours import track
from crystaledge_benchmarks.tracking.paths import PEOPLE, Kind
from crystaledge_benchmarks.tracking.peers import iou
from crystaledge_benchmarks.tracking.scenes import Scene, scene_of


def numbers_of_people(scene: Scene, number: NDArray[np.int64]) -> list[set[int]]:
    """The track numbers that each person had."""
    had: list[set[int]] = [set() for _ in range(PEOPLE)]
    for frame in range(len(scene.time_s)):
        truth, rows = scene.gt_frame == frame, (scene.det_frame == frame) & (number >= 0)
        for person, overlaps in zip(scene.gt_person[truth], iou(scene.gt_box[truth], scene.det_box[rows]), strict=True):
            if len(overlaps) and overlaps.max() > 0.5:
                had[person].add(int(number[rows][overlaps.argmax()]))
    return had


def test_people_who_return_keep_their_number_where_appearance_tells() -> None:
    scene = scene_of(Kind.RETURNING, 100)
    with_it, without = (
        numbers_of_people(scene, track(scene, TrackerConfig(), appearance=a).number) for a in (True, False)
    )
    assert sum(len(had) == 1 for had in with_it) >= PEOPLE - 2
    assert sum(len(had) == 1 for had in without) <= 2, "nobody could know"


@pytest.mark.parametrize("kind", list(Kind))
def test_no_number_is_given_twice_in_a_frame_and_each_frame_is_timed(kind: Kind) -> None:
    scene = scene_of(kind, 101)
    answer = track(scene, TrackerConfig(), appearance=True)
    given = answer.number >= 0
    pairs = set(zip(scene.det_frame[given].tolist(), answer.number[given].tolist(), strict=True))
    assert len(pairs) == given.sum() > 0.8 * len(scene.gt_frame)
    assert answer.cost_ms.shape == scene.time_s.shape and (answer.cost_ms > 0).all()
