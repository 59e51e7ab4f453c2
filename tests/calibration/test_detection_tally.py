"""Counts of faces, by hand."""

from __future__ import annotations

import pytest

from crystaledge.errors import DataError
from crystaledge_calibration.detection_tally import FaceTally
from tests.calibration.test_agreement import faces
from tests.support.messages import message_of


def test_faces_are_counted_at_the_operating_point_of_both_sides() -> None:
    tally = FaceTally(0.5)
    tally.add(faces((0, 0, 0.9), (50, 0, 0.6)), faces((0, 0, 0.8), (50, 0, 0.4)))
    tally.add(faces(), faces((0, 0, 0.7)))
    found = tally.record()
    assert (found.images, found.faces_float, found.faces_deployed, found.faces_both) == (2, 2, 2, 1)
    assert found.same_faces == pytest.approx(0.5)
    assert found.box_iou == pytest.approx(1.0)
    assert found.score_apart == pytest.approx(0.1, abs=1e-6) and found.score_shift == pytest.approx(-0.1, abs=1e-6)


def test_where_nothing_is_shared_no_box_overlaps() -> None:
    tally = FaceTally(0.5)
    tally.add(faces((0, 0, 0.9)), faces((50, 0, 0.9)))
    assert (tally.record().same_faces, tally.record().box_iou) == (0.0, 0.0)


def test_a_reference_that_finds_nothing_proves_nothing() -> None:
    tally = FaceTally(0.5)
    tally.add(faces(), faces((50, 0, 0.9)))
    with pytest.raises(DataError) as raised:
        tally.record()
    assert "find no face in 1 images" in message_of(raised)
