"""Drawn parts for checks and goldens."""

from __future__ import annotations

import numpy as np

from crystaledge_export.example_parts import example_parts


def test_parts_are_drawn_the_same_every_time_and_no_two_are_alike() -> None:
    first = example_parts(2, 3, (40, 64))
    assert first.shape == (2, 3, 40, 64, 3) and first.dtype == np.uint8
    np.testing.assert_array_equal(first, example_parts(2, 3, (40, 64)))
    flat = first.reshape(6, -1)
    assert len(np.unique(flat, axis=0)) == 6
    np.testing.assert_array_equal(first[:1, :1], example_parts(1, 1, (40, 64)))


def test_parts_have_edges_and_grain() -> None:
    (picture,) = example_parts(1, 1, (96, 96))[0].astype(float)
    assert picture.std() > 10
    assert np.abs(np.diff(picture, axis=0)).mean() > 2
