"""`lint_graph`: order, borders with broken bytes, and files that were changed at random."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from crystaledge.errors import InputError
from crystaledge_calibration.choices import LintTarget
from crystaledge_calibration.errors import UnreadableGraphError
from crystaledge_calibration.lint.findings import Finding, Severity, is_legal
from crystaledge_calibration.lint.lint import lint_graph
from tests.calibration.lint import faults
from tests.calibration.lint.builders import clean_model, float_model, int8_spec, lint, spoiled
from tests.support.messages import message_of

CLEAN = clean_model().SerializeToString()
MODELS = {"int8": CLEAN, "float": float_model(opset=18).SerializeToString()}
OPERATORS = ("Identity", "Add", "Split", "QuantizeLinear", "DequantizeLinear", "Constant", "Gemm", "GRU", "If", "")


def test_errors_come_before_warnings() -> None:
    model = spoiled(faults.read("residual", 1, "stem_relu"), faults.scale("hidden", 1.0))
    found = lint(model)
    assert [f.severity for f in found] == [Severity.ERROR, Severity.WARNING]
    assert not is_legal(found) and is_legal(found[1:]) and is_legal(())


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"not an ONNX file", id="text"),
        pytest.param(CLEAN[: len(CLEAN) // 2], id="truncated"),
        pytest.param(onnx.ModelProto(ir_version=8).SerializeToString(), id="no-graph"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(100), id="picture"),
    ],
)
def test_bytes_that_are_no_graph_are_one_error(data: bytes) -> None:
    with pytest.raises(UnreadableGraphError, match="is not a readable ONNX file") as raised:
        lint_graph(data, int8_spec(), LintTarget.JETPACK_6_2)
    assert int8_spec().file in message_of(raised)
    assert issubclass(UnreadableGraphError, InputError)


def test_a_graph_of_nothing_is_judged() -> None:
    model = onnx.ModelProto()
    model.graph.name = "empty"
    assert not is_legal(lint(model))


@given(st.data())
def test_a_changed_graph_gives_findings(data: st.DataObject) -> None:
    model = onnx.ModelProto.FromString(MODELS[data.draw(st.sampled_from(sorted(MODELS)))])
    for _ in range(data.draw(st.integers(1, 4))):
        data.draw(st.sampled_from(CHANGES))(model, data)
    judged(model.SerializeToString(), data.draw(st.sampled_from(LintTarget)))


@given(st.data())
def test_changed_bytes_give_findings_or_one_error(data: st.DataObject) -> None:
    spoilt = bytearray(MODELS[data.draw(st.sampled_from(sorted(MODELS)))])
    for _ in range(data.draw(st.integers(1, 8))):
        spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    length = data.draw(st.just(len(spoilt)) | st.integers(0, len(spoilt)))
    judged(bytes(spoilt[:length]), data.draw(st.sampled_from(LintTarget)))


def judged(data: bytes, target: LintTarget) -> None:
    """Lint bytes of any kind; what comes is findings, or one error of one line."""
    try:
        found = lint_graph(data, int8_spec(), target)
    except UnreadableGraphError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert all(isinstance(finding, Finding) and finding.message and finding.cure for finding in found)


def _tensors(model: onnx.ModelProto) -> list[str]:
    made = {name for node in model.graph.node for name in (*node.input, *node.output)}
    return sorted({*made, "", "elsewhere"})


def _node(model: onnx.ModelProto, data: st.DataObject) -> onnx.NodeProto:
    # A change before may have removed most nodes.
    nodes = list(model.graph.node) or [model.graph.node.add(op_type="Relu")]
    node: onnx.NodeProto = nodes[data.draw(st.integers(0, len(nodes) - 1))]
    return node


def _remove_node(model: onnx.ModelProto, data: st.DataObject) -> None:
    model.graph.node.remove(_node(model, data))


def _other_operator(model: onnx.ModelProto, data: st.DataObject) -> None:
    node = _node(model, data)
    node.op_type = data.draw(st.sampled_from(OPERATORS))
    node.domain = data.draw(st.sampled_from(["", "ai.onnx", "com.microsoft"]))


def _rewire(model: onnx.ModelProto, data: st.DataObject) -> None:
    node = _node(model, data)
    ends = node.input if data.draw(st.booleans()) else node.output
    names = st.lists(st.sampled_from(_tensors(model)), max_size=4)
    chosen = data.draw(names)
    del ends[:]
    ends.extend(chosen)


def _other_attribute(model: onnx.ModelProto, data: st.DataObject) -> None:
    node = _node(model, data)
    name = data.draw(st.sampled_from(["axis", "transB", "num_outputs", "output_dtype", "axes", "value"]))
    value = data.draw(st.integers(-(2**40), 2**40) | st.floats(width=32) | st.just([1, 2]) | st.just("text"))
    for old in [a for a in node.attribute if a.name == name]:
        node.attribute.remove(old)
    node.attribute.append(helper.make_attribute(name, value))


def _other_tensor(model: onnx.ModelProto, data: st.DataObject) -> None:
    tensor = model.graph.initializer[data.draw(st.integers(0, len(model.graph.initializer) - 1))]
    change = data.draw(st.sampled_from(["dims", "type", "bytes", "name", "values"]))
    if change == "dims":
        sizes = data.draw(st.lists(st.integers(-2, 2**33), max_size=4))
        del tensor.dims[:]
        tensor.dims.extend(sizes)
    elif change == "type":
        tensor.data_type = data.draw(st.integers(0, 30))
    elif change == "bytes":
        tensor.raw_data = data.draw(st.binary(max_size=40))
    elif change == "name":
        tensor.name = data.draw(st.sampled_from(_tensors(model)))
    else:
        count = int(np.prod(tensor.dims)) if len(tensor.dims) else 1
        value = data.draw(st.sampled_from([0.0, 1.0, -1.0, np.nan, np.inf, 1e-30, 3e38]))
        tensor.CopyFrom(onnx.numpy_helper.from_array(np.full(min(max(count, 0), 8), value, np.float32), tensor.name))


def _other_border(model: onnx.ModelProto, data: st.DataObject) -> None:
    values = list(model.graph.input) + list(model.graph.output)
    value = values[data.draw(st.integers(0, len(values) - 1))]
    if data.draw(st.booleans()):
        value.name = data.draw(st.sampled_from(_tensors(model)))
    else:
        value.ClearField("type")


def _other_versions(model: onnx.ModelProto, data: st.DataObject) -> None:
    model.ir_version = data.draw(st.integers(-1, 2**40))
    del model.opset_import[:]
    for version in data.draw(st.lists(st.integers(-1, 60) | st.just(2**40), max_size=2)):
        model.opset_import.append(helper.make_opsetid("", version))


CHANGES: tuple[Callable[[onnx.ModelProto, st.DataObject], None], ...] = (
    _remove_node,
    _other_operator,
    _rewire,
    _other_attribute,
    _other_tensor,
    _other_border,
    _other_versions,
)
