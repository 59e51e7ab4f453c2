"""For every rule a graph that breaks it, and shows that finding and no other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from crystaledge_calibration.choices import LintTarget
from crystaledge_calibration.lint.findings import Rule, Severity
from tests.calibration.lint import faults
from tests.calibration.lint.builders import (
    Change,
    float_findings,
    float_model,
    float_spec,
    lint,
    set_constant,
    spoiled,
)

ERROR, WARNING = Severity.ERROR, Severity.WARNING


@dataclass(frozen=True)
class Fault:
    """A change to the clean graph, and the one finding that it has to give."""

    rule: Rule
    severity: Severity
    where: str
    change: Change
    says: str = ""
    target: LintTarget = LintTarget.JETPACK_6_2


CPU, JETPACK_6_0 = LintTarget.CPU, LintTarget.JETPACK_6_0

FAULTS = (
    Fault(Rule.BORDER, ERROR, "the file", faults.rename_output, "outputs are hidden_next, velocity, log_variance, q"),
    Fault(Rule.BORDER, ERROR, "the file", faults.swap_inputs, "inputs are hidden, face"),
    Fault(Rule.BORDER, ERROR, "face", faults.freeze_batch, "batch must be symbolic"),
    Fault(Rule.BORDER, ERROR, "face", faults.other_shape, "the manifest says"),
    Fault(Rule.BORDER, ERROR, "hidden", faults.half_precision_border, "is float16"),
    Fault(Rule.BORDER, ERROR, "the file", faults.opset_16, "the manifest says opset 17, IR 8"),
    Fault(Rule.WIRING, ERROR, "add_moved", faults.remove("gemm_input"), "'from_face', which nothing makes"),
    Fault(Rule.WIRING, ERROR, "velocity", faults.remove("sigmoid_velocity"), "Nothing makes this output"),
    Fault(Rule.WIRING, ERROR, "relu_twice", faults.make_twice, "exists already"),
    Fault(Rule.WIRING, ERROR, "relu_stem", faults.cycle, "made from its output"),
    Fault(Rule.WIRING, WARNING, "relu_stem", faults.unsorted, "made by a later node"),
    Fault(Rule.UNREADABLE_TENSOR, ERROR, "b_stem", faults.truncate_bias, "do not fit its shape"),
    Fault(Rule.UNREADABLE_TENSOR, ERROR, "b_stem", faults.external_bias, "in another file"),
    Fault(Rule.SUBGRAPH, WARNING, "branch", faults.branch(quantized=False), "by their names alone"),
    Fault(Rule.SUBGRAPH, ERROR, "branch", faults.branch(quantized=True), "which are not judged"),
    Fault(Rule.UNKNOWN_OP, ERROR, "extra", faults.extra_node("Gelu"), "no operator 'Gelu' at opset 17"),
    Fault(Rule.FORBIDDEN_OP, ERROR, "extra", faults.extra_node("QLinearConv"), "QLinearConv is not read"),
    Fault(Rule.FORBIDDEN_OP, ERROR, "extra", faults.extra_node("QLinearMatMul")),
    Fault(Rule.FORBIDDEN_OP, ERROR, "extra", faults.extra_node("QLinearAdd", "com.microsoft")),
    Fault(Rule.FORBIDDEN_OP, ERROR, "extra", faults.extra_node("DynamicQuantizeLinear")),
    Fault(Rule.FORBIDDEN_OP, ERROR, "extra", faults.extra_node("ConvInteger")),
    Fault(Rule.FORBIDDEN_OP, ERROR, "extra", faults.extra_node("MatMulInteger")),
    Fault(Rule.MISSING_OP, ERROR, "extra", faults.extra_node("Det"), "Det is a standard operator that TensorRT"),
    Fault(Rule.MISSING_OP, ERROR, "extra", faults.extra_node("Unique"), target=LintTarget.TENSORRT_RTX),
    Fault(Rule.FOREIGN_DOMAIN, ERROR, "extra", faults.extra_node("Gelu", "com.microsoft"), "a target refuses it"),
    Fault(Rule.FOREIGN_DOMAIN, WARNING, "extra", faults.extra_node("Gelu", "com.microsoft"), "portable", CPU),
    Fault(Rule.FOREIGN_DOMAIN, ERROR, "extra", faults.extra_node("Gelu", "house"), "a target refuses it", CPU),
    Fault(Rule.RECURRENT_OP, ERROR, "extra", faults.extra_node("GRU"), "GRU has no INT8 form"),
    Fault(Rule.RECURRENT_OP, ERROR, "extra", faults.extra_node("LSTM"), target=CPU),
    Fault(Rule.RECURRENT_OP, ERROR, "extra", faults.extra_node("RNN")),
    Fault(Rule.MIXED_TYPES, ERROR, "matmul_log_variance", faults.half_weight, "'w_log_variance' as float16"),
    Fault(Rule.MIXED_TYPES, ERROR, "matmul_log_variance", faults.half_weight, "in one type", CPU),
    Fault(Rule.MIXED_TYPES, ERROR, "log_variance", faults.half_output, "This output is made as float16"),
    Fault(Rule.ZERO_POINT, ERROR, "face_Q", faults.constant("face_zero", np.array(-3, np.int8)), "zero point is -3"),
    Fault(Rule.ZERO_POINT, ERROR, "w_stem_Q", faults.constant("w_stem_zero", np.zeros(1, np.int8)), "4 scales and 1"),
    Fault(Rule.ZERO_POINT_MISSING, ERROR, "face_DQ", faults.no_zero_point, "demands one", JETPACK_6_0),
    Fault(Rule.UNSIGNED, ERROR, "face_Q", faults.constant("face_zero", np.array(0, np.uint8)), "to uint8"),
    Fault(Rule.ELEMENT_TYPE, ERROR, "face_Q", faults.constant("face_zero", np.array(0, np.int16)), "to int16"),
    Fault(Rule.ELEMENT_TYPE, WARNING, "face_Q", faults.constant("face_zero", np.array(0, np.uint16)), "uint16", CPU),
    Fault(Rule.SCALE_VALUE, ERROR, "face_Q", faults.scale("face", 0.0), "a scale of 0"),
    Fault(Rule.SCALE_VALUE, ERROR, "face_Q", faults.scale("face", -0.1), "a scale of -0.1"),
    Fault(Rule.SCALE_VALUE, ERROR, "pooled_Q", faults.scale("pooled", np.inf), "a scale of inf"),
    Fault(Rule.SCALE_VALUE, ERROR, "pooled_Q", faults.scale("pooled", np.nan), "a scale of nan", CPU),
    Fault(Rule.SCALE_VALUE, ERROR, "w_stem_Q", faults.one_dead_channel, "a scale of 0"),
    Fault(Rule.SCALE_NOT_CONSTANT, ERROR, "face_Q", faults.computed_scale, "'made_scale' is computed"),
    Fault(Rule.INT32_BIAS, ERROR, "b_stem_DQ", faults.int32_bias, "int32 constant"),
    Fault(Rule.WEIGHT_AXIS, ERROR, "w_block_Q", faults.axis("w_block", 1), "axis 1; the output channels of Conv"),
    Fault(Rule.WEIGHT_AXIS, ERROR, "w_input_Q", faults.axis("w_input", 1), "of Gemm 'gemm_input' are on 0"),
    Fault(Rule.WEIGHT_AXIS, ERROR, "w_input_Q", faults.gemm_not_transposed, "of Gemm 'gemm_input' are on 1"),
    Fault(Rule.WEIGHT_AXIS, ERROR, "w_recurrent_Q", faults.axis("w_recurrent", 0), "of MatMul 'matmul_recurrent'"),
    Fault(Rule.WEIGHT_AXIS, ERROR, "w_block_Q", faults.conv_transpose, "of ConvTranspose 'conv_block' are on 1", CPU),
    Fault(Rule.WEIGHT_AXIS, ERROR, "w_stem_Q", faults.three_scales, "3 scales for the 4 output channels"),
    Fault(Rule.WEIGHT_AXIS, ERROR, "w_recurrent_Q", faults.axis("w_recurrent", None), "TensorRT's parser reads 0"),
    Fault(Rule.WEIGHT_AXIS, ERROR, "w_input_Q", faults.blocked_scales, "expected a row"),
    Fault(Rule.INT8_CONSTANT, WARNING, "w_stem_DQ", faults.int8_stem, "stored as int8", JETPACK_6_0),
    Fault(Rule.ACTIVATION_PER_CHANNEL, ERROR, "face_Q", faults.three_activation_scales, "3 scales for an activation"),
    Fault(Rule.ACTIVATION_PER_CHANNEL, WARNING, "face_Q", faults.three_activation_scales, target=CPU),
    Fault(Rule.UNPAIRED, ERROR, "extra", faults.extra_quantize(read=False), "No DequantizeLinear reads it"),
    Fault(Rule.UNPAIRED, ERROR, "extra", faults.extra_quantize(read=True), "Cast 'reader' reads eight bits"),
    Fault(Rule.UNPAIRED, ERROR, "extra", faults.dequantize_alone, "no QuantizeLinear made"),
    Fault(Rule.PAIR_DIFFERS, ERROR, "face_DQ", faults.other_scale, "'face_Q' in scale"),
    Fault(Rule.PAIR_DIFFERS, ERROR, "face_DQ", faults.other_zero_point, "'face_Q' in zero point", CPU),
    Fault(Rule.PAIR_DIFFERS, ERROR, "face_DQ", faults.other_type, "'face_Q' in type", CPU),
    Fault(Rule.HALF_QUANTIZED, WARNING, "conv_block", faults.read("conv_block", 1, "w_block"), "Its weight has no"),
    Fault(Rule.HALF_QUANTIZED, WARNING, "conv_stem", faults.read("conv_stem", 0, "face"), "Its data has no", CPU),
    Fault(Rule.GATE, WARNING, "sigmoid_quality", faults.pair_before("raw_quality", "sigmoid_quality"), "Sigmoid reads"),
    Fault(Rule.GATE, WARNING, "tanh", faults.pair_before("moved", "tanh"), "Tanh reads"),
    Fault(Rule.FUSION, WARNING, "stem_Q", faults.pair_before("stem", "relu_stem"), "Conv 'conv_stem' from Relu"),
    Fault(Rule.RESIDUAL_ADD, WARNING, "residual", faults.read("residual", 1, "stem_relu"), "skip branch is float"),
    Fault(Rule.RESIDUAL_ADD, WARNING, "residual", faults.pair_before("block", "residual"), "both of its branches"),
    Fault(Rule.STATE_UNUSED, ERROR, "hidden", faults.state_unread, "No node reads"),
    Fault(Rule.STATE_UNUSED, ERROR, "hidden", faults.state_read_in_vain, "no output depends"),
    Fault(Rule.STATE_UNUSED, WARNING, "hidden", faults.state_forgotten, "forgotten after one step", CPU),
    Fault(Rule.STATE_COPIED, ERROR, "hidden_next", faults.state_copied, "'hidden' unchanged"),
    Fault(Rule.STATE_OUTPUT, ERROR, "hidden_next", faults.state_output(identity=False), "makes this state"),
    Fault(Rule.STATE_OUTPUT, ERROR, "hidden_next", faults.state_output(identity=True), "makes this state", CPU),
    Fault(Rule.STATE_CARRIED, ERROR, "hidden_Q", faults.read("sub_change", 1, "hidden_d"), "Sub 'sub_change' carries"),
    Fault(Rule.STATE_CARRIED, ERROR, "hidden_Q", faults.read("add_next", 0, "hidden_d"), target=CPU),
    Fault(Rule.STATE_CARRIED, ERROR, "change_Q", faults.pair_before("change", "mul_taken"), "Mul 'mul_taken' carries"),
    Fault(Rule.STATE_SCALE, ERROR, "hidden_Q", faults.scale("hidden", 1.0), "exactly 1"),
    Fault(Rule.STATE_SCALE, ERROR, "hidden_Q", faults.scale("hidden", 0.0), "positive and finite", CPU),
    Fault(Rule.STATE_SCALE, ERROR, "hidden_Q", faults.scale("hidden", np.nan), "positive and finite"),
    Fault(Rule.STATE_SCALE, ERROR, "hidden_Q", faults.scale("hidden", 7e-9), "was constant"),
    Fault(Rule.STATE_SCALE, ERROR, "hidden_next_Q", faults.scale("hidden_next", 1.0), "exactly 1"),
    Fault(Rule.STATE_SCALE, ERROR, "hidden_Q", faults.behind_reshape("hidden", 1.0), "exactly 1"),
    Fault(Rule.STATE_SCALE, WARNING, "hidden_Q", faults.scale("hidden", 0.5), "spans 63.5"),
)
ELSEWHERE = frozenset({Rule.OPSET, Rule.IR_VERSION, Rule.NOT_QUANTIZED, Rule.FLOAT_QUANTIZED})
"""Rules that other tests of this folder break."""


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.rule.value}-{fault.target.value}-{fault.where}")
def test_a_planted_fault_is_found_alone(fault: Fault) -> None:
    found = lint(spoiled(fault.change), fault.target)
    assert [(f.rule, f.severity, f.where) for f in found] == [(fault.rule, fault.severity, fault.where)]
    assert fault.says in found[0].message
    assert found[0].cure
    assert "\n" not in found[0].message + found[0].cure


def test_every_rule_has_a_planted_fault() -> None:
    assert {fault.rule for fault in FAULTS} | ELSEWHERE == set(Rule)


def test_a_graph_declared_int8_has_quantizers() -> None:
    for target in (LintTarget.JETPACK_6_2, LintTarget.CPU):
        found = lint(float_model(), target)
        assert [(f.rule, f.severity) for f in found] == [(Rule.NOT_QUANTIZED, ERROR)]


def test_a_graph_declared_float_has_none() -> None:
    for target in (LintTarget.JETPACK_6_2, LintTarget.CPU):
        found = lint(spoiled(), target, spec=float_spec())
        assert [(f.rule, f.severity) for f in found] == [(Rule.FLOAT_QUANTIZED, ERROR)]


def test_a_gru_is_only_slow_in_a_float_graph() -> None:
    model = float_model()
    faults.extra_node("GRU")(model)
    found = float_findings(model, LintTarget.JETPACK_6_2)
    assert [(f.rule, f.severity) for f in found] == [(Rule.RECURRENT_OP, WARNING)]


def test_a_state_may_be_quantized_where_products_read_it() -> None:
    # The recurrent MatMul reads hidden_d while the blend reads hidden: as the clean graph has it.
    model = spoiled()
    assert any("hidden_d" in node.input for node in model.graph.node)
    assert lint(model) == ()


def test_a_delayed_state_is_no_copy() -> None:
    model = spoiled(faults.state_negated)
    assert [f.rule for f in lint(model)] == []


@pytest.mark.parametrize(
    "change",
    [
        faults.constant("face_zero", np.array(-3, np.int8)),
        faults.constant("face_zero", np.array(128, np.uint8)),
        faults.int32_bias,
        faults.computed_scale,
        faults.pair_before("stem", "relu_stem"),
        faults.pair_before("moved", "tanh"),
        faults.axis("w_recurrent", None),
    ],
)
def test_what_only_tensorrt_refuses_is_legal_on_a_cpu(change: Change) -> None:
    assert lint(spoiled(change)) != ()
    assert lint(spoiled(change), LintTarget.CPU) == ()


def test_a_pair_on_two_axes_differs() -> None:
    found = lint(spoiled(faults.three_activation_scales, faults.other_axis), CPU)
    (differing,) = [f for f in found if f.rule is Rule.PAIR_DIFFERS]
    assert (differing.severity, differing.where) == (ERROR, "face_DQ")
    assert differing.message.endswith("in axis.")


def test_int8_weights_without_zero_point_are_not_for_tensorrt_8() -> None:
    def drop(model: onnx.ModelProto) -> None:
        faults.int8_stem(model)
        del next(n for n in model.graph.node if n.name == "w_stem_DQ").input[2:]

    found = lint(spoiled(drop), JETPACK_6_0)
    assert [(f.rule, f.where) for f in found] == [
        (Rule.ZERO_POINT_MISSING, "w_stem_DQ"),
        (Rule.INT8_CONSTANT, "w_stem_DQ"),
    ]
    assert lint(spoiled(drop)) == ()


def test_a_quantizer_without_zero_point_is_unsigned_by_onnx() -> None:
    def drop(model: onnx.ModelProto) -> None:
        for node in model.graph.node:
            if node.name in ("face_Q", "face_DQ"):
                del node.input[2:]

    found = lint(spoiled(drop))
    assert [(f.rule, f.where) for f in found] == [(Rule.UNSIGNED, "face_Q")]
    assert "by ONNX means uint8" in found[0].message


def test_a_scale_in_a_constant_node_is_a_constant() -> None:
    def as_node(model: onnx.ModelProto) -> None:
        value = helper.make_tensor("value", TensorProto.FLOAT, [], [1.0])
        model.graph.node.insert(0, helper.make_node("Constant", [], ["hidden_scale"], "constant", value=value))
        kept = [tensor for tensor in model.graph.initializer if tensor.name != "hidden_scale"]
        del model.graph.initializer[:]
        model.graph.initializer.extend(kept)

    assert [f.rule for f in lint(spoiled(as_node))] == [Rule.STATE_SCALE]


def test_a_weight_that_is_integer_already_may_pass_q_with_scale_one() -> None:
    # TensorRT 8's way to bring weights of one's own: Q with scale 1, DQ with the real scale.
    def bring(model: onnx.ModelProto) -> None:
        set_constant(model, "ones", np.ones(4, np.float32))
        next(n for n in model.graph.node if n.name == "w_stem_Q").input[1] = "ones"

    assert lint(spoiled(bring)) == ()
