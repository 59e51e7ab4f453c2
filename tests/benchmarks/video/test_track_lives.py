"""Lives and fragments of tracks, on updates made by hand."""

from __future__ import annotations

import numpy as np

from crystaledge.tracking.update import Update
from crystaledge_benchmarks.video.overlap import as_boxes
from crystaledge_benchmarks.video.track_lives import lives_of, seen_lives
from crystaledge_benchmarks.video.watched import Said

HERE, NEAR, FAR = (0, 0, 20, 20), (5, 0, 25, 20), (200, 0, 220, 20)


def test_a_face_that_goes_on_under_a_new_number_is_a_fragment() -> None:
    said = [_said(0.0, {1: HERE}, confirmed=(1,)), _said(0.1, {}), _said(0.2, {2: NEAR})]
    lives = lives_of(said)
    assert (lives.confirmed, lives.fragments, lives.mean_frames) == (1, 1, 1.0)


def test_elsewhere_later_across_a_cut_or_merged_is_none() -> None:
    first = _said(0.0, {1: HERE}, confirmed=(1,))
    assert lives_of([first, _said(0.2, {2: FAR})]).fragments == 0
    assert lives_of([first, _said(0.6, {2: NEAR})]).fragments == 0
    cut = lives_of([first, _said(0.2, {2: NEAR}, cut=True)])
    assert (cut.fragments, cut.cuts) == (0, 1)
    merged = lives_of([first, _said(0.2, {2: NEAR}, merged=((1, 2),))])
    assert (merged.fragments, merged.merged) == (0, 1)


def test_one_who_was_there_before_or_comes_back_is_none() -> None:
    beside = [_said(0.0, {1: HERE, 2: NEAR}, confirmed=(1,)), _said(0.2, {2: NEAR})]
    assert lives_of(beside).fragments == 0
    back = [_said(0.0, {1: HERE}, confirmed=(1,)), _said(0.2, {2: NEAR}), _said(0.3, {1: HERE, 2: NEAR})]
    assert lives_of(back).fragments == 0


def test_tracks_that_were_never_confirmed_do_not_count() -> None:
    lives = lives_of([_said(0.0, {1: HERE}), _said(0.1, {2: NEAR})])
    assert (lives.confirmed, lives.fragments, lives.mean_frames) == (0, 0, 0.0)


def test_lives_hold_first_last_and_how_often() -> None:
    said = [_said(0.0, {1: HERE}), _said(0.1, {}), _said(0.2, {1: NEAR, 2: FAR})]
    lives = seen_lives(said)
    assert (lives[1].first, lives[1].last, lives[1].frames) == (0, 2, 2)
    assert lives[1].box_xyxy.tolist() == list(NEAR)
    assert (lives[2].first, lives[2].frames) == (2, 1)


def _said(
    time_s: float,
    shown: dict[int, tuple[int, int, int, int]],
    *,
    confirmed: tuple[int, ...] = (),
    merged: tuple[tuple[int, int], ...] = (),
    cut: bool = False,
) -> Said:
    update = Update(
        numbers=np.array(list(shown), np.int64),
        stages=(None,) * len(shown),
        born=(),
        confirmed=confirmed,
        coasting=(),
        lost=(),
        recovered=(),
        ended=(),
        merged=merged,
    )
    return Said(time_s, as_boxes(list(shown.values())), np.ones(len(shown), np.float32), update, cut)
