"""Regions: what touches at a corner is one."""

from __future__ import annotations

import numpy as np

from crystaledge_training.evaluation.anomaly_regions import regions_of_mask


def test_corners_connect_and_gaps_do_not() -> None:
    mask = np.array([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 1]], np.bool_)
    found = regions_of_mask(mask)
    assert found.dtype == np.int32 and found.shape == mask.shape
    assert found[0, 0] == found[1, 1] != 0
    assert len({found[0, 0], found[0, 3], found[2, 3]}) == 3
    assert (found > 0).tolist() == mask.tolist()


def test_a_normal_image_has_none() -> None:
    assert not regions_of_mask(np.zeros((3, 5), np.bool_)).any()
