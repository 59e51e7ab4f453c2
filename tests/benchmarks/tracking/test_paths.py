"""Scenes hold what their kind promises."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from crystaledge_benchmarks.tracking.paths import FRAME_WH, PEOPLE, Kind, paths_of, times
from crystaledge_benchmarks.tracking.scenes import VISIBLE_SHARE, visible_share


def gaps_of(share: NDArray[np.float64]) -> list[int]:
    """Frames of each time out of sight between two times in sight."""
    seen = [np.flatnonzero(person >= VISIBLE_SHARE) for person in share]
    return [int(gap) - 1 for frames in seen for gap in np.diff(frames) if gap > 1]


@pytest.mark.parametrize("kind", list(Kind))
def test_paths_are_finite_seeded_and_in_the_picture_for_a_while(kind: Kind) -> None:
    paths, again, other = (paths_of(kind, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert paths.centre.shape == (PEOPLE, len(times()), 2) and paths.width.shape == paths.centre.shape[:2]
    assert np.isfinite(paths.centre).all() and (paths.width > 20).all()
    assert (paths.centre == again.centre).all() and not (paths.centre == other.centre).all()
    inside = ((paths.centre > 0) & (paths.centre < FRAME_WH)).all(axis=-1)
    assert (inside.sum(axis=1) > 25).all()


@pytest.mark.parametrize("kind", [Kind.OCCLUDING, Kind.HIDDEN])
def test_people_are_out_of_sight_for_10_to_30_frames(kind: Kind) -> None:
    gaps = [g for seed in range(6) for g in gaps_of(visible_share(paths_of(kind, np.random.default_rng(seed))))]
    assert sum(8 <= g <= 32 for g in gaps) > 20


def test_people_return_after_2_to_6_seconds() -> None:
    gaps = gaps_of(visible_share(paths_of(Kind.RETURNING, np.random.default_rng(0))))
    assert sum(45 <= g <= 155 for g in gaps) >= PEOPLE - 1


def test_pairs_cross() -> None:
    paths = paths_of(Kind.CROSSING, np.random.default_rng(0))
    first, second = paths.centre[: PEOPLE // 2], paths.centre[PEOPLE // 2 :]
    order = np.sign(first[..., 0] - second[..., 0])
    assert (order[:, 0] != order[:, -1]).all()
    near = np.abs(first[..., 1] - second[..., 1]).mean(axis=1)
    assert (near < paths.width[: PEOPLE // 2].mean(axis=1)).all()


def test_people_stop() -> None:
    speed = np.linalg.norm(np.diff(paths_of(Kind.STOPPING, np.random.default_rng(0)).centre, axis=1), axis=-1)
    assert 0.2 < (speed < 0.8).mean() < 0.9
