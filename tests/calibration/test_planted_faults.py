"""The gate says no: faults planted in a real int8 graph of the embedded weights, over drawn people.

Only the recurrent cell's two products are int8, so that what fails is what was planted. ONNX
Runtime's own quantizer, which puts eight bits on the gates and on the state too, makes the graphs
that calibration on invented states ruins.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnx import ModelProto

from crystaledge.bundle import Bundle
from crystaledge.errors import DataError
from crystaledge.manifest.model import Precision, Target
from crystaledge.system import System
from crystaledge_benchmarks.assets import embedded_bundle
from crystaledge_calibration.choices import Calibrator
from crystaledge_calibration.lockstep import Side
from crystaledge_calibration.quantize import quantize_graph
from crystaledge_calibration.recipe import RecipeOptions
from crystaledge_calibration.records import VerificationRecord
from crystaledge_calibration.state_source import StateSource
from tests.calibration.closed_loop_builders import (
    HORIZON,
    LIMITS,
    LateState,
    Planted,
    along_the_other_axis,
    drawn_sequences,
    int8_by_onnxruntime,
    with_swapped_gates,
)

CALIBRATING, VERIFYING, STEPS = 16, 24, 32
RECURRENT, RECURRENT_PRODUCT = "cell.weight_hh", "linear_3"
PLAIN = RecipeOptions(
    target=Target.TENSORRT, calibrator=Calibrator.MINMAX, equalize=False, correct_bias=False, workers=1
)


@pytest.fixture(scope="module")
def planted() -> Planted:
    bundle = Bundle.open(embedded_bundle(System.MNEMOSYNE))
    return Planted(
        bundle=bundle,
        model=onnx.load_from_string(bundle.graph_bytes(bundle.graph())),
        calibrating=drawn_sequences(CALIBRATING, steps=STEPS, scene_seed=0),
        verifying=drawn_sequences(VERIFYING, steps=HORIZON, scene_seed=1),
    )


@pytest.fixture(scope="module")
def sound(planted: Planted) -> ModelProto:
    return planted.int8(StateSource.ROLLOUT)


@pytest.fixture(scope="module")
def sound_record(planted: Planted, sound: ModelProto) -> VerificationRecord:
    return planted.verified(sound)


@pytest.fixture(scope="module")
def zero_state(planted: Planted) -> ModelProto:
    """Scale 1 for a state that was only ever seen fresh: what ONNX Runtime makes up for an empty range."""
    return planted.int8(StateSource.ZEROS, empty_range=127.0)


def named(record: VerificationRecord) -> tuple[str, str]:
    """The tensor and the layer that the record blames, which its sentence has to say too."""
    assert record.fault is not None
    assert f"fails at step {record.findings[0].step}: " in record.sentence
    assert f"{record.fault.tensor!r} of the node {record.fault.node!r}" in record.sentence
    return record.fault.tensor, record.fault.node


def test_the_sound_graph_passes(sound_record: VerificationRecord) -> None:
    assert sound_record.passed, sound_record.sentence
    assert sound_record.findings == () and sound_record.fault is None
    assert min(sound_record.state.cosine_p01) > 0.999


def test_zero_state_calibration_fails_from_the_second_step_on(planted: Planted, zero_state: ModelProto) -> None:
    record = planted.verified(zero_state)
    assert not record.passed
    assert record.findings[0].step == 2
    assert named(record) == (RECURRENT_PRODUCT, planted.node_of(RECURRENT))
    assert record.state.cosine_mean[-1] < 0.95
    assert record.fault is not None and record.fault.error > 0.5


def test_a_single_step_check_misses_zero_state_calibration(
    planted: Planted, zero_state: ModelProto, sound_record: VerificationRecord
) -> None:
    record = planted.verified(zero_state, horizon=1)
    # What is left to say no by is the gallery alone, which the gate enrols in eight closed-loop steps.
    assert not [finding.demand for finding in record.findings if "state" in finding.demand]
    assert all(layer.error < 0.05 for layer in record.layers)
    assert record.state.cosine_mean[0] >= sound_record.state.cosine_mean[0] - 1e-9
    assert record.state.cosine_p01[0] >= sound_record.state.cosine_p01[0] - 1e-9
    for missed, passed in zip(record.tensors, sound_record.tensors, strict=True):
        assert missed.max_abs[0] <= passed.max_abs[0] + 1e-6, missed.tensor


def test_a_state_that_never_leaves_zero_is_refused_before_any_gate(planted: Planted) -> None:
    one_step = replace(planted.calibrating, steps=1)
    with pytest.raises(DataError, match="'hidden' never left 0 in the calibration rollouts"):
        quantize_graph(planted.bundle, planted.bundle.graph(), one_step, PLAIN, use_trained=False)


def test_no_scale_is_made_up_for_a_state_that_was_always_zero(planted: Planted) -> None:
    options = replace(PLAIN, states=StateSource.ZEROS)
    made = quantize_graph(planted.bundle, planted.bundle.graph(), planted.calibrating, options, use_trained=False)
    (node,) = (node for node in made.record.nodes if node.weight == RECURRENT)
    assert node.precision is Precision.FLOAT32
    assert node.reason == "its input never changed, so it has no range"


def test_normal_state_calibration_fails_where_the_same_quantizer_passes_on_rollouts(
    planted: Planted, tmp_path: Path
) -> None:
    rollout, normal = (
        planted.verified(int8_by_onnxruntime(planted, states, tmp_path))
        for states in (StateSource.ROLLOUT, StateSource.NORMAL)
    )
    assert rollout.passed, rollout.sentence
    assert not normal.passed
    demands = {finding.demand for finding in normal.findings}
    assert {"mean cosine of the state", "growth of the state's error from step 16 on"} <= demands
    tensor, node = named(normal)
    assert tensor in {name for n in planted.model.graph.node if n.name == node for name in n.output}


def test_normal_state_calibration_is_worse_in_our_own_graph_and_fails_limits_taken_from_the_sound_one(
    planted: Planted, sound_record: VerificationRecord
) -> None:
    # Gates and state are float in our graphs: a range 4.5 times too wide costs only the recurrent product's input.
    floor = 1.0 - 1.25 * (1.0 - min(sound_record.state.cosine_mean[1:]))
    strict = replace(LIMITS, cosine_mean=floor)
    record = planted.verified(planted.int8(StateSource.NORMAL), limits=strict)
    worse = record.state.relative_error[1:]
    assert all(a > b for a, b in zip(worse, sound_record.state.relative_error[1:], strict=True))
    assert not record.passed and record.findings[0].demand == "mean cosine of the state"
    assert record.findings[0].step > 1, "a fresh state is zero in any range"


SWAPPED = pytest.mark.parametrize(
    "prefixes",
    [pytest.param((RECURRENT, "cell.bias_hh"), id="weights and biases"), pytest.param((RECURRENT,), id="weights")],
)


@SWAPPED
def test_swapped_gates_fail(planted: Planted, sound: ModelProto, prefixes: tuple[str, ...]) -> None:
    record = planted.verified(with_swapped_gates(planted, sound, *prefixes))
    assert not record.passed
    assert record.state.cosine_mean[0] > LIMITS.cosine_mean, "the first step has a fresh state and shows little"
    assert record.state.cosine_mean[-1] < 0.95


def test_the_layer_of_swapped_gates_is_named(planted: Planted, sound: ModelProto) -> None:
    record = planted.verified(with_swapped_gates(planted, sound, RECURRENT, "cell.bias_hh"))
    assert named(record) == (RECURRENT_PRODUCT, planted.node_of(RECURRENT))


def test_the_layer_is_named_even_where_the_first_finding_is_of_a_fresh_state(
    planted: Planted, sound: ModelProto
) -> None:
    record = planted.verified(with_swapped_gates(planted, sound, RECURRENT))
    assert named(record) == (RECURRENT_PRODUCT, planted.node_of(RECURRENT))


@pytest.fixture(scope="module", params=["encoder.projection.weight", "cell.weight_ih", RECURRENT])
def wrong_axis(planted: Planted, request: pytest.FixtureRequest) -> tuple[str, VerificationRecord]:
    """A weight, and the record of the graph in which its scales go along the wrong axis."""
    weight: str = request.param
    sound = planted.int8(StateSource.ROLLOUT, more="encoder.projection.")
    return weight, planted.verified(along_the_other_axis(sound, weight))


def test_scales_along_the_wrong_axis_fail(wrong_axis: tuple[str, VerificationRecord]) -> None:
    _, record = wrong_axis
    assert not record.passed
    assert "mean cosine of the state" in {finding.demand for finding in record.findings}
    assert min(record.state.cosine_mean) < 0.985


def test_the_node_with_the_wrong_axis_is_named(planted: Planted, wrong_axis: tuple[str, VerificationRecord]) -> None:
    weight, record = wrong_axis
    assert named(record)[1] == planted.node_of(weight)


def test_a_state_fed_back_a_step_late_fails_and_no_layer_is_blamed(planted: Planted, sound: ModelProto) -> None:
    record = planted.verified(sound, deployed=Side(sound, lambda: LateState(sound)))
    assert not record.passed
    assert record.findings[0].step == 2, "until then the state is fresh, early or late"
    assert record.fault is not None and record.fault.node == ""
    assert "'hidden_next' is fed back wrongly" in record.sentence
