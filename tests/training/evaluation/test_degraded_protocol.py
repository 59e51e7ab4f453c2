"""The published protocol: seeded, harder with severity, and never a stranger who is the owner."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from crystaledge_training.evaluation.degraded_protocol import (
    COVERED_SHARE,
    PIXEL_FAULTS,
    WORST_SEVERITY,
    DegradedProtocol,
    FaultKind,
    degraded_rows,
    spoil,
    spoilt_views,
)
from crystaledge_training.evaluation.templates import TemplateSet

PERSON = np.repeat(np.arange(6), 10)


def faces(count: int) -> NDArray[np.uint8]:
    """Sharp, bright, and all different."""
    return np.random.default_rng(0).integers(90, 256, (count, 64, 64, 3), dtype=np.uint8)


def templates(observations: int) -> TemplateSet:
    rows = np.arange(60 // observations * observations).reshape(-1, observations)
    rows = rows[PERSON[rows[:, 0]] == PERSON[rows[:, -1]]]
    return TemplateSet(rows, PERSON[rows[:, 0]])


@pytest.mark.parametrize("kind", PIXEL_FAULTS)
def test_each_severity_changes_more_than_the_last(kind: FaultKind) -> None:
    face = faces(1)[0]
    changes = []
    for severity in range(WORST_SEVERITY + 1):
        spoilt = [spoil(face, kind, severity, np.random.default_rng(s)).astype(float) for s in range(30)]
        changes.append(float(np.mean([np.abs(s - face).mean() for s in spoilt])))
    assert changes[0] == 0.0
    assert all(np.diff(changes) > 0)


def test_a_cover_covers_what_it_says() -> None:
    face = np.full((64, 64, 3), 255, np.uint8)
    for severity, share in enumerate(COVERED_SHARE, start=1):
        changed = [
            (spoil(face, FaultKind.COVERED, severity, np.random.default_rng(s)) != 255).any(axis=2).mean()
            for s in range(40)
        ]
        assert np.median(changed) == pytest.approx(share, abs=0.03)


def test_faults_of_larger_faces_are_in_proportion() -> None:
    small = faces(1)[0][::8, ::8].repeat(8, axis=0).repeat(8, axis=1)
    large = small.repeat(2, axis=0).repeat(2, axis=1)
    spoilt_small = spoil(small, FaultKind.BLUR, 4, np.random.default_rng(0)).astype(float)
    spoilt_large = spoil(large, FaultKind.BLUR, 4, np.random.default_rng(0)).astype(float)
    assert np.abs(spoilt_large[::2, ::2] - spoilt_small).mean() < 2.0


def test_views_are_a_function_of_the_seed() -> None:
    pixels = faces(4)
    views = spoilt_views(pixels, 3, seed=5)
    assert views.shape == (20, 64, 64, 3)
    assert (views[:4] == pixels).all()
    assert (views == spoilt_views(pixels, 3, seed=5)).all()
    assert (views != spoilt_views(pixels, 3, seed=6)).any()


@pytest.mark.parametrize(("observations", "bad"), [(1, 0), (2, 1), (3, 1), (5, 2), (10, 4)])
def test_so_many_observations_are_bad_and_no_others(observations: int, bad: int) -> None:
    clean = templates(observations)
    rows = degraded_rows(clean, PERSON, DegradedProtocol(severity=3), seed=1)
    assert ((rows != clean.rows).sum(axis=1) == bad).all()


def test_spoilt_rows_show_the_owner_and_strangers_do_not() -> None:
    clean = templates(5)
    kinds: set[int] = set()
    for seed in range(60):
        rows = degraded_rows(clean, PERSON, DegradedProtocol(severity=5), seed=seed)
        view, row = np.divmod(rows, len(PERSON))
        shown, owner = PERSON[row], np.broadcast_to(clean.person[:, None], rows.shape)
        assert (shown == owner)[view > 0].all()
        changed = rows != clean.rows
        stranger = changed & (view == 0)
        assert (shown != owner)[stranger].all()
        kinds |= set(view[changed].tolist())
    assert kinds == set(range(len(PIXEL_FAULTS) + 1))


def test_severity_0_spoils_nothing_and_one_person_alone_meets_no_stranger() -> None:
    clean = templates(5)
    assert (degraded_rows(clean, PERSON, DegradedProtocol(severity=0), seed=0) == clean.rows).all()
    alone = np.zeros(10, np.int64)
    own = TemplateSet(np.arange(10).reshape(2, 5), np.zeros(2, np.int64))
    assert degraded_rows(own, alone, DegradedProtocol(severity=5), seed=0).shape == (2, 5)
