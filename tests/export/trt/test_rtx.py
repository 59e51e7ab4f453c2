"""The real TensorRT-RTX, which builds without a GPU: every graph the project exports, in every precision it ships.

And what must not build does not, with the name of the node; the linter has said so first.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest

from crystaledge.bundle import Bundle
from crystaledge.engine.trt.logger import log_of
from crystaledge.engine.trt.precision import BuiltPrecision
from crystaledge_calibration.choices import LintTarget
from crystaledge_calibration.errors import UnreadableGraphError
from crystaledge_calibration.lint.findings import Rule, Severity, is_legal
from crystaledge_calibration.lint.lint import lint_graph
from crystaledge_export.description import StepDescription
from crystaledge_export.errors import BuildError
from crystaledge_export.trt.build import engines_of
from crystaledge_export.trt.builder import Plan, build_plan
from crystaledge_export.trt.half import half_graph
from tests.calibration.lint import faults
from tests.calibration.lint.builders import Change, clean_model, int8_spec, spoiled
from tests.export.builders import graph_spec
from tests.export.trt.builders import named, request_of
from tests.export.trt.test_parser_errors import REFUSED
from tests.support.fake_tensorrt import Generation
from tests.support.messages import message_of
from tests.support.step_graphs import tiny_step_bytes

trt: Any = pytest.importorskip("tensorrt_rtx", reason="not run: tensorrt_rtx is not installed")
RTX = Generation.RTX_1_7


def built(model: bytes | onnx.ModelProto, **more: Any) -> Plan:
    """What the real builder makes of a file."""
    return build_plan(trt, request_of(model, generation=RTX, **more))


def is_engine(data: bytes) -> bool:
    """Whether the real runtime takes bytes for an engine; whether it could run here is another question."""
    runtime = trt.Runtime(log_of(trt.ILogger).native)
    _, diagnostics = runtime.get_engine_validity(data)
    return not int(diagnostics) & int(trt.EngineInvalidityDiagnostics.MALFORMED_ENGINE)


@pytest.mark.parametrize("precision", BuiltPrecision)
def test_every_graph_of_a_bundle_builds_in_every_precision(quantized: Bundle, precision: BuiltPrecision) -> None:
    chosen = engines_of(quantized, None, precision)
    assert chosen
    for graph, _ in chosen:
        model = onnx.load_from_string(quantized.graph_bytes(graph))
        assert is_legal(lint_graph(model.SerializeToString(), graph, LintTarget.TENSORRT_RTX))
        if precision is BuiltPrecision.FLOAT16:
            model = half_graph(model, graph)
        plan = built(model, graph=graph, precision=precision)
        assert is_engine(plan.data)
        assert plan.flags == ("STRONGLY_TYPED", "no TF32")
        assert plan.warnings == ()
        assert plan.timing_cache is None


@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
def test_a_graph_fresh_from_the_exporter_builds(tiny_model: onnx.ModelProto, tiny: StepDescription, half: bool) -> None:
    graph = graph_spec(tiny)
    assert is_engine(built(half_graph(tiny_model, graph) if half else tiny_model, graph=graph).data)


def test_a_small_quantized_graph_is_legal_and_builds() -> None:
    assert lint_graph(clean_model().SerializeToString(), int8_spec(), LintTarget.TENSORRT_RTX) == ()
    assert is_engine(built(clean_model(), graph=int8_spec(), precision=BuiltPrecision.INT8).data)


def test_bytes_that_are_no_engine_are_told_from_one() -> None:
    assert not is_engine(b"no engine at all")


def test_progress_is_told() -> None:
    told: list[tuple[str, float]] = []
    built(tiny_step_bytes(), say=lambda phase, share: told.append((phase, share)))
    assert len({phase for phase, _ in told}) > 3
    assert all(0.0 <= share <= 1.0 for _, share in told)
    assert {0.0, 1.0} <= {share for _, share in told}


def other_operator(operator: str) -> Change:
    """The candidate of the state is made by another operator."""

    def change(model: onnx.ModelProto) -> None:
        next(node for node in model.graph.node if node.name == "tanh").op_type = operator

    return change


MUST_NOT_BUILD = [
    pytest.param(
        faults.constant("face_zero", np.array(-3, np.int8)),
        Rule.ZERO_POINT,
        "face_Q",
        "Non-zero zero point",
        id="asymmetric",
    ),
    pytest.param(faults.int32_bias, Rule.INT32_BIAS, "b_stem_DQ", "has type Int32", id="int32 bias"),
    pytest.param(other_operator("QLinearMatMul"), Rule.FORBIDDEN_OP, "tanh", "not supported", id="operator-oriented"),
    pytest.param(other_operator("Det"), Rule.MISSING_OP, "tanh", "the operator is not supported", id="unsupported"),
    pytest.param(faults.half_weight, Rule.MIXED_TYPES, "matmul_log_variance", "type", id="mixed types"),
    pytest.param(other_operator("NoSuch"), Rule.UNKNOWN_OP, "tanh", "Plugin not found", id="unknown"),
    pytest.param(
        faults.constant("face_zero", np.array(9, np.uint8)),
        Rule.UNSIGNED,
        "face_Q",
        "Non-zero zero point",
        id="unsigned",
    ),
]


@pytest.mark.parametrize(("change", "rule", "node", "reason"), MUST_NOT_BUILD)
def test_what_must_not_build_is_told_by_the_linter_and_refused(
    change: Change, rule: Rule, node: str, reason: str
) -> None:
    model = spoiled(change)
    found = lint_graph(model.SerializeToString(), int8_spec(), LintTarget.TENSORRT_RTX)
    assert (rule, Severity.ERROR, node) in [(f.rule, f.severity, f.where) for f in found]
    with pytest.raises(BuildError) as raised:
        built(model, graph=int8_spec(), precision=BuiltPrecision.INT8)
    message = message_of(raised)
    assert f"node {node!r} (" in message
    assert reason in message


@pytest.mark.parametrize(("make", "node", "reason"), REFUSED)
def test_the_fakes_say_what_the_real_parser_says(make: Callable[[], onnx.ModelProto], node: str, reason: str) -> None:
    with pytest.raises(BuildError) as raised:
        built(make())
    message = message_of(raised)
    assert f"{node}: " in message and reason in message


@pytest.mark.parametrize(
    "data", [tiny_step_bytes()[:-100], b"not an onnx file", b""], ids=["truncated", "text", "empty"]
)
def test_a_file_that_is_no_graph_is_told_by_the_linter_and_refused(data: bytes) -> None:
    with pytest.raises(UnreadableGraphError):
        lint_graph(data, int8_spec(), LintTarget.TENSORRT_RTX)
    with pytest.raises(BuildError, match="does not take the ONNX file of 'step'"):
        built(data)


def test_an_unsigned_zero_is_built_with_another_range_unless_its_warning_is_heeded() -> None:
    model = spoiled(faults.constant("face_zero", np.array(0, np.uint8)))
    log = log_of(trt.ILogger)
    builder = trt.Builder(log.native)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    assert trt.OnnxParser(network, log.native).parse(model.SerializeToString())
    found = lint_graph(model.SerializeToString(), int8_spec(), LintTarget.TENSORRT_RTX)
    assert [(f.rule, f.where) for f in found if f.severity is Severity.ERROR] == [(Rule.UNSIGNED, "face_Q")]
    with pytest.raises(BuildError, match="Defaulting to INT8 instead"):
        built(model, graph=int8_spec(), precision=BuiltPrecision.INT8)


def test_a_failed_build_tells_the_reason_from_the_log() -> None:
    with pytest.raises(BuildError) as raised:
        built(clean_model(), graph=int8_spec(), precision=BuiltPrecision.INT8, workspace_bytes=1)
    message = message_of(raised)
    assert "cannot build" in message and "reason" not in message
    assert "cudaError" not in message


def test_ctrl_c_in_the_callback_cancels_the_build_and_is_raised() -> None:
    told: list[str] = []

    def say(phase: str, share: float) -> None:
        told.append(phase)
        if len(told) == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        built(named(onnx.load_from_string(tiny_step_bytes())), say=say)
    assert len(told) < 40


def test_ctrl_c_while_tensorrt_computes_is_raised(quantized: Bundle) -> None:
    assert threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    pressed = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))  # most of a second is spent in C++
    try:
        pressed.start()
        graph = quantized.graph("step-int8-tensorrt")
        with pytest.raises(KeyboardInterrupt):
            built(quantized.graph_bytes(graph), graph=graph, precision=BuiltPrecision.INT8)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a late one must not end the test run
        pressed.join()
        signal.signal(signal.SIGINT, before)
