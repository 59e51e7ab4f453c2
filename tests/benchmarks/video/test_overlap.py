"""Recall and coverage, recomputed by hand."""

from __future__ import annotations

import numpy as np

from crystaledge_benchmarks.video.differences import differences
from crystaledge_benchmarks.video.overlap import Recall, as_boxes, covered

LEFT, RIGHT = (0, 0, 10, 10), (100, 0, 110, 10)
HALF = (5, 0, 15, 10)
"""Overlaps LEFT by 50 of 150: IoU 1/3."""


def test_boxes_are_covered_from_the_overlap_on() -> None:
    boxes = as_boxes([LEFT, RIGHT])
    assert covered(boxes, as_boxes([HALF]), iou=0.33).tolist() == [True, False]
    assert covered(boxes, as_boxes([HALF]), iou=0.34).tolist() == [False, False]


def test_nothing_covers_nothing() -> None:
    assert covered(as_boxes([]), as_boxes([LEFT]), iou=0.5).shape == (0,)
    assert covered(as_boxes([LEFT]), as_boxes([]), iou=0.5).tolist() == [False]
    assert as_boxes([]).shape == (0, 4)
    assert as_boxes([LEFT]).dtype == np.float32


def test_recall_counts_over_frames() -> None:
    recall = Recall(0.5)
    assert Recall(0.5).share is None
    recall.add(as_boxes([LEFT, RIGHT]), as_boxes([LEFT]))
    recall.add(as_boxes([]), as_boxes([RIGHT]))
    recall.add(as_boxes([RIGHT]), as_boxes([RIGHT, LEFT]))
    assert (recall.wanted, recall.found, recall.share) == (3, 2, 2 / 3)


def test_differences_are_counted_both_ways() -> None:
    theirs = [as_boxes([LEFT, RIGHT]), as_boxes([]), as_boxes([LEFT])]
    ours = [as_boxes([HALF]), as_boxes([LEFT, RIGHT]), as_boxes([LEFT])]
    found = differences("peer", theirs, ours)
    assert (found.peer_faces, found.peer_alone, found.peer_alone_frames) == (3, 1, (0,))
    assert (found.our_faces, found.our_alone, found.our_alone_frames) == (4, 2, (1,))
