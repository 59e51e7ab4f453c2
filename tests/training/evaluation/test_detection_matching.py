"""The library's matching against its rules written out, and what follows from them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge_training.evaluation.detection_curve import average_precision
from crystaledge_training.evaluation.detection_matching import AreaRange, Matching
from tests.training.evaluation.detection_builders import (
    Scene,
    draw_scene,
    faces,
    found,
    judge_image,
    naive_average_precision,
    square,
)

ALL: AreaRange = (0.0, 1e10)
SCENES = st.builds(draw_scene, st.integers(0, 2**32 - 1), images=st.integers(0, 5))


def matching_of(scene: Scene) -> Matching:
    return Matching([(one.box_xyxy, one.score) for one in scene.found], scene.truth)


@given(scene=SCENES, low=st.sampled_from([0.0, 100.0, 400.0]))
def test_precision_is_that_of_rules_written_out(scene: Scene, low: float) -> None:
    areas = [(low, 1e10), (200.0, 600.0)]
    table = matching_of(scene).precision(areas)
    assert table.shape == (10, 101, 2)
    for row, threshold in enumerate(np.linspace(0.5, 0.95, 10)):
        for column, (start, end) in enumerate(areas):
            expected = naive_average_precision(scene, float(threshold), start, end)
            value = float(table[row, :, column].mean())
            assert value == (-1.0 if math.isnan(expected) else pytest.approx(expected, abs=1e-12))


@given(scene=SCENES, low=st.sampled_from([0.0, 100.0, 400.0]), overlap=st.sampled_from([0.3, 0.5, 0.75]))
def test_hits_and_false_alarms_are_those_of_rules_written_out(scene: Scene, low: float, overlap: float) -> None:
    judged = matching_of(scene).judged((low, 1e10), overlap=overlap)
    assert (np.diff(judged.score) <= 0).all()
    for image, (one, truth) in enumerate(zip(scene.found, scene.truth, strict=True)):
        rows = judged.image == image
        expected = judge_image(one, truth, overlap, low, 1e10)
        assert list(zip(judged.score[rows].tolist(), judged.hit[rows].tolist(), strict=True)) == expected
        sizes = (truth[0][:, 2:] - truth[0][:, :2]).prod(axis=1)
        assert judged.faces[image] == (~truth[1] & (sizes >= low)).sum()


@given(scene=SCENES, low=st.sampled_from([0.0, 100.0, 400.0]))
def test_the_curve_of_the_judged_gives_the_librarys_average_precision(scene: Scene, low: float) -> None:
    matching = matching_of(scene)
    library = float(matching.precision([(low, 1e10)])[0, :, 0].mean())
    own = average_precision(matching.judged((low, 1e10)))
    assert own == (pytest.approx(library, abs=1e-12) if library >= 0 else pytest.approx(math.nan, nan_ok=True))


def test_a_face_of_another_image_is_not_matched() -> None:
    box = square(10, 10, 20)
    judged = Matching(
        [(found((box, 0.9)).box_xyxy, np.ones(1, np.float32)), (np.empty((0, 4), np.float32), np.empty(0, np.float32))],
        [faces(), faces(box)],
    ).judged(ALL)
    assert judged.hit.tolist() == [False]
    assert judged.faces.tolist() == [0, 1]


def test_a_better_match_further_down_the_scores_does_not_displace_the_first() -> None:
    scene = Scene([found((square(12, 10, 20), 0.9), (square(10, 10, 20), 0.8))], [faces(square(10, 10, 20))])
    assert matching_of(scene).judged(ALL).hit.tolist() == [True, False]


def test_a_free_face_comes_before_an_ignored_one_that_fits_better() -> None:
    scene = Scene([found((square(10, 10, 20), 0.9))], [faces(square(12, 10, 20), ignored=(square(10, 10, 20),))])
    assert matching_of(scene).judged(ALL).hit.tolist() == [True]
