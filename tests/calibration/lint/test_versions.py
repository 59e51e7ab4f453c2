"""Opset and IR: what a parser reads beyond its documentation, and what it would misread."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import NodeProto, helper

from crystaledge_calibration.choices import LintTarget
from crystaledge_calibration.lint.findings import Finding, Rule, Severity
from tests.calibration.lint.builders import find, float_findings, float_model, insert, set_constant

OLD = (LintTarget.JETPACK_5_1, LintTarget.JETPACK_6_0)
NEW = tuple(target for target in LintTarget if target not in OLD)


def opset_18(*, pool: str = "GlobalAveragePool") -> onnx.ModelProto:
    """A float step at opset 18 that pools without ReduceMean, or with another operator."""
    model = float_model(opset=18)
    if pool != "ReduceMean":
        kept = find(model, "pool")
        kept.CopyFrom(helper.make_node(pool, ["features"], ["pooled_map"], "pool"))
        insert(model, "gemm_input", [helper.make_node("Flatten", ["pooled_map"], ["pooled"], "flatten")])
    return model


def with_node(model: onnx.ModelProto, node: NodeProto) -> onnx.ModelProto:
    """The model with a node that reads the features and that nothing reads."""
    node.name = "extra"
    model.graph.node.append(node)
    return model


def only(findings: tuple[Finding, ...]) -> Finding:
    """The one finding."""
    assert len(findings) == 1, findings
    return findings[0]


@pytest.mark.parametrize("target", NEW)
def test_opset_18_is_clean_where_it_is_documented(target: LintTarget) -> None:
    assert float_findings(opset_18(pool="ReduceMean"), target) == ()


@pytest.mark.parametrize("target", OLD)
def test_opset_18_is_a_warning_where_every_node_means_the_same(target: LintTarget) -> None:
    found = only(float_findings(opset_18(), target))
    assert (found.rule, found.severity, found.where) == (Rule.OPSET, Severity.WARNING, "the file")
    assert "opset 18; the parser documents 17" in found.message


@pytest.mark.parametrize("target", OLD)
def test_axes_as_an_input_are_ignored_by_tensorrt_8(target: LintTarget) -> None:
    found = only(float_findings(opset_18(pool="ReduceMean"), target))
    assert (found.rule, found.severity, found.where) == (Rule.OPSET, Severity.ERROR, "pool")
    assert "'axes' as an input" in found.message and "the batch too" in found.message
    assert "GlobalAveragePool" in found.cure


def test_reducing_everything_means_the_same() -> None:
    node = helper.make_node("ReduceMean", ["features"], ["unused"], keepdims=0, noop_with_empty_axes=0)
    assert only(float_findings(with_node(opset_18(), node), OLD[0])).severity is Severity.WARNING


def test_an_attribute_that_says_something_new_is_an_error() -> None:
    node = helper.make_node("ReduceMean", ["features"], ["unused"], noop_with_empty_axes=1)
    found = only(float_findings(with_node(opset_18(), node), OLD[0]))
    assert (found.severity, found.where) == (Severity.ERROR, "extra")
    assert "'noop_with_empty_axes', which is new" in found.message


def test_an_operator_that_did_not_exist_is_an_error() -> None:
    found = only(float_findings(with_node(opset_18(), helper.make_node("Mish", ["features"], ["unused"])), OLD[1]))
    assert (found.severity, found.where) == (Severity.ERROR, "extra")
    assert "Mish is an operator of opset 18" in found.message


@pytest.mark.parametrize(("outputs", "even"), [(2, True), (3, True), (6, True), (4, False)])
def test_an_even_split_by_number_is_what_older_parsers_do_anyway(outputs: int, even: bool) -> None:
    names = [f"unused_{index}" for index in range(outputs)]
    node = helper.make_node("Split", ["from_face"], names, axis=-1, num_outputs=outputs)
    found = only(float_findings(with_node(opset_18(), node), OLD[0]))
    assert found.severity is (Severity.WARNING if even else Severity.ERROR)
    assert ("'num_outputs'" in found.message) is not even


@pytest.mark.parametrize(("tensor", "axis"), [("features", 1), ("from_face", 0), ("from_hidden", 1), ("sum", -1)])
def test_a_split_of_unknown_length_is_not_trusted(tensor: str, axis: int) -> None:
    node = helper.make_node("Split", [tensor], ["unused_0", "unused_1"], axis=axis, num_outputs=2)
    model = opset_18()
    insert(model, "tanh", [helper.make_node("MatMul", ["from_face", "from_hidden"], ["sum"], "no_weight")])
    assert only(float_findings(with_node(model, node), OLD[0])).severity is Severity.ERROR


def test_an_attribute_whose_value_stands_elsewhere_says_something() -> None:
    node = helper.make_node("ReduceMean", ["features"], ["unused"], noop_with_empty_axes=0)
    node.attribute[0].ref_attr_name = "of_a_function"
    assert only(float_findings(with_node(opset_18(), node), OLD[0])).severity is Severity.ERROR


def test_a_new_attribute_without_default_says_something() -> None:
    node = helper.make_node("Resize", ["features", "", "scales"], ["unused"], axes=[2, 3])
    model = opset_18()
    set_constant(model, "scales", np.array([2, 2], np.float32))
    assert "'axes', which is new" in only(float_findings(with_node(model, node), OLD[0])).message


def test_a_split_by_lengths_means_the_same() -> None:
    model = opset_18()
    set_constant(model, "lengths", np.array([4, 2], np.int64))
    node = helper.make_node("Split", ["from_face", "lengths"], ["unused_0", "unused_1"], axis=-1)
    assert only(float_findings(with_node(model, node), OLD[0])).severity is Severity.WARNING


def test_a_changed_meaning_behind_the_same_inputs_is_an_error() -> None:
    model = opset_18()
    model.opset_import[0].version = 21
    set_constant(model, "ones", np.ones(4, np.float32))
    node = helper.make_node("GroupNormalization", ["features", "ones", "ones"], ["unused"], num_groups=2)
    found = only(float_findings(with_node(model, node), LintTarget.JETPACK_6_2))
    assert "per channel since opset 21" in found.message
    assert float_findings(model, LintTarget.JETPACK_7_2) == ()


def test_onnx_runtime_rejects_what_it_does_not_know() -> None:
    model = opset_18()
    model.opset_import[0].version = 27
    found = only(float_findings(model, LintTarget.CPU))
    assert (found.rule, found.severity) == (Rule.OPSET, Severity.ERROR)
    assert "opset 27" in found.message and "more than 26" in found.message


def test_a_file_without_opset_is_an_error() -> None:
    model = float_model()
    model.opset_import[0].domain = "com.microsoft"
    found = only(float_findings(model, LintTarget.JETPACK_6_2))
    assert (found.rule, found.severity) == (Rule.OPSET, Severity.ERROR)


def test_foreign_imports_that_no_node_uses_do_no_harm() -> None:
    model = float_model()
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    assert float_findings(model, LintTarget.JETPACK_6_2) == ()


@pytest.mark.parametrize(
    ("target", "version", "severity"),
    [
        (LintTarget.JETPACK_5_1, 9, Severity.WARNING),
        (LintTarget.JETPACK_6_2, 10, None),
        (LintTarget.JETPACK_6_2, 11, Severity.WARNING),
        (LintTarget.TENSORRT_RTX, 13, None),
        (LintTarget.CPU, 13, None),
        (LintTarget.CPU, 14, Severity.ERROR),
        (LintTarget.CPU, 0, Severity.ERROR),
        (LintTarget.JETPACK_6_2, 0, Severity.ERROR),
    ],
)
def test_the_ir_version(target: LintTarget, version: int, severity: Severity | None) -> None:
    model = float_model()
    model.ir_version = version
    found = float_findings(model, target) if version else float_findings_without_ir(model, target)
    assert [(f.rule, f.severity) for f in found] == ([] if severity is None else [(Rule.IR_VERSION, severity)])


def float_findings_without_ir(model: onnx.ModelProto, target: LintTarget) -> tuple[Finding, ...]:
    """A manifest cannot say IR 0, so its own finding is left out."""
    return tuple(f for f in float_findings(model, target) if f.rule is not Rule.BORDER)
