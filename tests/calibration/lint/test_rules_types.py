"""Float types that meet in one operator, and operators that TensorRT does not have; held against the real readers."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from crystaledge.engine.trt.logger import log_of
from crystaledge_calibration.choices import LintTarget
from crystaledge_calibration.lint.findings import Finding, Rule
from crystaledge_calibration.lint.rules_operators import MISSING_OPS
from tests.calibration.lint import faults
from tests.calibration.lint.builders import (
    TENSORRT_TARGETS,
    Change,
    find,
    float_findings,
    float_model,
    int8_spec,
    lint,
    set_constant,
    spoiled,
)

NOT_EVERYWHERE = frozenset({"DeformConv"})
"""In onnx-tensorrt's list since 10.1, and not in TensorRT-RTX 1.7.1."""


def mixed(model: onnx.ModelProto, target: LintTarget = LintTarget.JETPACK_6_2) -> list[Finding]:
    """What is said of types."""
    return [finding for finding in lint(model, target) if finding.rule is Rule.MIXED_TYPES]


def test_an_island_of_16_bits_with_casts_is_legal_on_every_target() -> None:
    model = spoiled(faults.half_island)
    onnx.checker.check_model(model, full_check=True)
    for target in TENSORRT_TARGETS:
        assert lint(model, target) == ()
    assert mixed(model, LintTarget.CPU) == []


def without(cast: str) -> Change:
    """The island without one of its Casts: what read it reads what it read."""

    def change(model: onnx.ModelProto) -> None:
        faults.half_island(model)
        node = find(model, cast)
        source, made = node.input[0], node.output[0]
        model.graph.node.remove(node)
        for other in model.graph.node:
            other.input[:] = [source if name == made else name for name in other.input]
            if made == "log_variance":
                other.output[:] = [made if name == source else name for name in other.output]

    return change


@pytest.mark.parametrize(
    ("cast", "where"), [("to_half", "matmul_log_variance"), ("to_whole", "log_variance")], ids=["into", "out of"]
)
def test_an_island_that_lacks_a_cast_is_told_where(cast: str, where: str) -> None:
    assert [finding.where for finding in mixed(spoiled(without(cast)))] == [where]


@pytest.mark.parametrize("change", [faults.half_weight, without("to_half")], ids=["weight", "cast"])
def test_onnx_runtime_refuses_what_is_told(change: Change) -> None:
    session = onnxruntime.InferenceSession
    session(spoiled(faults.half_island).SerializeToString(), providers=["CPUExecutionProvider"])
    with pytest.raises(Exception, match="bound to different types"):
        session(spoiled(change).SerializeToString(), providers=["CPUExecutionProvider"])


def test_a_mixture_is_told_once_and_where_it_begins() -> None:
    def half_input(model: onnx.ModelProto) -> None:
        set_constant(model, "w_input", np.ones((6, 4), np.float16))

    model = float_model()
    half_input(model)
    found = float_findings(model, LintTarget.JETPACK_6_2)
    # What follows is taken for the type of the first input, so that the rest of the file is not told of as well.
    assert [(finding.rule, finding.where) for finding in found] == [(Rule.MIXED_TYPES, "gemm_input")]


def test_inputs_of_a_node_that_takes_many_have_one_type_and_it_is_told_once() -> None:
    def join(model: onnx.ModelProto) -> None:
        names = ["hidden", "hidden", "half_row", "other_half_row"]
        for name in names[2:]:
            set_constant(model, name, np.ones((1, 6), np.float16))
        model.graph.node.append(helper.make_node("Concat", names, ["unused"], "join", axis=0))

    assert [finding.where for finding in mixed(spoiled(join))] == ["join"]


def test_inputs_of_other_kinds_are_no_mixture() -> None:
    def move(model: onnx.ModelProto) -> None:
        set_constant(model, "shape", np.array([-1, 3, 2], np.int64))
        set_constant(model, "yes", np.array(True))
        nodes = [
            helper.make_node("Reshape", ["hidden", "shape"], ["moved_state"], "reshape"),
            helper.make_node("Where", ["yes", "moved_state", "moved_state"], ["unused"], "where"),
        ]
        model.graph.node.extend(nodes)

    assert mixed(spoiled(move)) == []


def test_a_file_that_is_not_sorted_is_followed_too() -> None:
    def late(model: onnx.ModelProto) -> None:
        sum_up = helper.make_node("Add", ["positive", "hidden"], ["unused"], "sum")
        relu = helper.make_node("Relu", ["late_state"], ["positive"], "relu")
        cast = helper.make_node("Cast", ["hidden"], ["late_state"], "late_cast", to=TensorProto.FLOAT16)
        model.graph.node.extend([sum_up, relu, cast])

    assert [finding.where for finding in mixed(spoiled(late))] == ["sum"]


def test_an_operator_of_another_domain_is_not_judged_by_its_name() -> None:
    model = spoiled(faults.extra_node("Det", "com.microsoft"))
    assert [finding.rule for finding in lint(model)] == [Rule.FOREIGN_DOMAIN]


def test_what_tensorrt_does_not_have_is_legal_on_a_cpu() -> None:
    assert lint(spoiled(faults.extra_node("Det")), LintTarget.CPU, spec=int8_spec()) == ()


def test_the_real_parser_has_none_of_them_and_has_the_rest() -> None:
    trt: Any = pytest.importorskip("tensorrt_rtx", reason="not run: tensorrt_rtx is not installed")
    logger = log_of(trt.ILogger).native  # TensorRT registers the first of a process for good
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    standard = {known.name for known in onnx.defs.get_all_schemas_with_history() if not known.domain}
    assert standard >= MISSING_OPS
    refused = {name for name in standard if not parser.supports_operator(name)}
    operator_oriented = {"ConvInteger", "MatMulInteger", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul"}
    assert refused - operator_oriented - NOT_EVERYWHERE == MISSING_OPS
