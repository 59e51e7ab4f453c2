"""Defects drawn into normal images: they reach as far as a pixel can, and leave the rest alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from crystaledge_calibration.drawn_defects import with_defects
from crystaledge_calibration.records import SequenceSource
from tests.calibration.anomaly_builders import normals
from tests.support.anomaly_bundles import PREPROCESSING, parts, rows_of, write_parts


def test_copies_are_spoiled_here_and_there_up_to_black_and_white() -> None:
    rows = rows_of(parts(24, seed=1))
    before = rows.copy()
    spoiled = with_defects(rows, PREPROCESSING, seed=(0,))
    np.testing.assert_array_equal(rows, before)
    changed = (spoiled != rows).any(axis=1).mean(axis=(1, 2))
    assert (changed > 0).all() and changed.max() < 0.3
    black, white = (rows_of(np.full((1, 32, 32, 3), value, np.uint8))[0, :, 0, 0] for value in (0, 255))
    np.testing.assert_array_equal(spoiled.min(axis=(0, 2, 3)), black)
    np.testing.assert_array_equal(spoiled.max(axis=(0, 2, 3)), white)


def test_they_are_drawn_by_the_seed() -> None:
    rows = rows_of(parts(4, seed=1))
    again = [with_defects(rows, PREPROCESSING, seed=(seed,)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(again[0], again[1])
    assert (again[0] != again[2]).any()


def test_a_set_shows_each_image_with_and_without(tmp_path: Path) -> None:
    folder = write_parts(tmp_path / "parts", 40, seed=5)
    both, plain = normals(folder), normals(folder, defects=False)
    shown = list(both.rows(PREPROCESSING))
    assert [len(rows) for rows in shown] == [32, 32, 16], "no batch is larger for it"
    clean = np.concatenate([rows[: len(rows) // 2] for rows in shown])
    np.testing.assert_array_equal(clean, np.concatenate(list(plain.rows(PREPROCESSING))))
    assert sum(len(batch) for batch in both.batches(PREPROCESSING)) == 80


def test_the_record_says_so(tmp_path: Path) -> None:
    folder = write_parts(tmp_path / "parts", 3, seed=5)
    both, plain = normals(folder).record(), normals(folder, defects=False).record()
    assert (both.source, plain.source) == (SequenceSource.SPOILED_IMAGES, SequenceSource.IMAGES)
    assert both.sequences == plain.sequences == 3 and both.files == plain.files and both.sha256 != plain.sha256
