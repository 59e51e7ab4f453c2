"""Drafts: cuts become ranges, ranges become a graph."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from crystaledge.manifest.model import Target
from crystaledge_calibration.choices import Calibrator
from crystaledge_calibration.draft import Cut, cuts_by, tried
from crystaledge_calibration.qdq import TensorRange
from crystaledge_calibration.ranges import Observations, cut
from crystaledge_calibration.step_model import with_weights
from tests.calibration.builders import (
    QUANTIZABLE,
    ScriptedJudge,
    constants,
    int8_nodes,
    small_draft,
    small_model,
    small_observations,
    small_weights,
)


def seen(low: float, high: float) -> Observations:
    observations = Observations()
    observations.add(np.array([[low], [high]], np.float32))
    return observations


@pytest.mark.parametrize(
    ("target", "low", "high", "amax", "expected"),
    [
        pytest.param(Target.TENSORRT, -3.0, 1.0, 2.0, TensorRange(-2.0, 2.0), id="symmetric"),
        pytest.param(Target.TENSORRT, 0.0, 4.0, 4.0, TensorRange(-4.0, 4.0), id="symmetric for a rectifier too"),
        pytest.param(Target.CPU, -3.0, 1.0, 2.0, TensorRange(-2.0, 1.0), id="cut on one side"),
        pytest.param(Target.CPU, -3.0, 3.0, 2.0, TensorRange(-2.0, 2.0), id="cut on both"),
        pytest.param(Target.CPU, 0.0, 4.0, 4.0, TensorRange(0.0, 4.0), id="one-sided for a rectifier"),
    ],
)
def test_a_cut_becomes_the_range_that_the_target_wants(
    target: Target, low: float, high: float, amax: float, expected: TensorRange
) -> None:
    draft = replace(small_draft(), target=target, seen={"x": seen(low, high)}, cuts={"x": Cut(amax, "mse")})
    assert draft.ranges() == {"x": expected}


@pytest.mark.parametrize("calibrator", Calibrator)
def test_every_tensor_is_cut_by_the_calibrator_and_says_so(calibrator: Calibrator) -> None:
    found = cuts_by(calibrator, small_observations())
    assert found == {name: Cut(cut(one, calibrator), calibrator.value) for name, one in small_observations().items()}


def test_the_scale_in_the_graph_is_the_cut_over_127() -> None:
    draft = replace(small_draft(), cuts={**small_draft().cuts, "stem_relu": Cut(1.27, "mse")})
    np.testing.assert_allclose(constants(draft.build())["stem_relu_scale"], 0.01, rtol=1e-6)


@pytest.mark.parametrize("target", Target)
def test_a_draft_builds_its_own_nodes_and_weights_or_others(target: Target) -> None:
    draft = small_draft(target, nodes=QUANTIZABLE[:3])
    assert int8_nodes(draft.build()) == QUANTIZABLE[:3]
    assert int8_nodes(draft.build(nodes=("gemm_quality",))) == ("gemm_quality",)
    assert int8_nodes(draft.build(nodes=())) == ()
    doubled = with_weights(small_model(), {"w_new_face": 2.0 * small_weights()["w_new_face"]})
    np.testing.assert_array_equal(
        constants(draft.build(model=doubled))["w_new_face"], 2.0 * small_weights()["w_new_face"]
    )
    np.testing.assert_array_equal(constants(draft.build())["w_new_face"], small_weights()["w_new_face"])


def test_drafts_are_scored_as_built_and_come_back_in_their_order() -> None:
    drafts = [small_draft(nodes=QUANTIZABLE[:count]) for count in (3, 1, 2)]
    judge = ScriptedJudge(lambda model: 0.1 * len(int8_nodes(model)))
    found = tried(judge, *drafts)
    assert [one.draft for one in found] == drafts
    assert [one.score.loss for one in found] == pytest.approx([0.3, 0.1, 0.2])
    assert [int8_nodes(model) for model in judge.asked] == [draft.nodes for draft in drafts]
