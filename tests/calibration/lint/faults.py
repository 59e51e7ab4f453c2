"""Ways to spoil the clean graph, one rule at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from tests.calibration.lint.builders import (
    Change,
    find,
    insert,
    insert_pair,
    pair,
    set_axis,
    set_constant,
    weights,
)


def constant(name: str, value: NDArray[Any]) -> Change:
    """Replace an initializer."""
    return lambda model: set_constant(model, name, value)


def scale(tensor: str, value: float) -> Change:
    """Replace the scale of an activation."""
    return constant(f"{tensor}_scale", np.array(value, np.float32))


def axis(tensor: str, value: int | None) -> Change:
    """Set or remove the axis of a pair."""
    return lambda model: set_axis(model, tensor, value)


def read(node: str, index: int, tensor: str) -> Change:
    """Let a node read another tensor."""

    def change(model: onnx.ModelProto) -> None:
        find(model, node).input[index] = tensor

    return change


def pair_before(tensor: str, reader: str) -> Change:
    """Put Q/DQ between a tensor and a node."""
    return lambda model: insert_pair(model, tensor, reader)


def remove(name: str) -> Change:
    """Remove a node."""
    return lambda model: model.graph.node.remove(find(model, name))


def extra_node(op_type: str, domain: str = "") -> Change:
    """Add a node that reads the features and that nothing reads."""
    return lambda model: model.graph.node.append(
        helper.make_node(op_type, ["features"], ["unused"], "extra", domain=domain)
    )


def rename_output(model: onnx.ModelProto) -> None:
    """One output has another name."""
    model.graph.output[3].name = "q"
    find(model, "sigmoid_quality").output[0] = "q"
    find(model, "mul_taken").input[0] = "q"


def swap_inputs(model: onnx.ModelProto) -> None:
    """The inputs are there in another order."""
    face, hidden = model.graph.input[0], model.graph.input[1]
    swapped = [onnx.ValueInfoProto.FromString(v.SerializeToString()) for v in (hidden, face)]
    del model.graph.input[:]
    model.graph.input.extend(swapped)


def freeze_batch(model: onnx.ModelProto) -> None:
    """Only one batch size works."""
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def other_shape(model: onnx.ModelProto) -> None:
    """Not the size that the manifest says."""
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 9


def half_precision_border(model: onnx.ModelProto) -> None:
    """The state crosses the border in 16 bits."""
    model.graph.input[1].type.tensor_type.elem_type = TensorProto.FLOAT16


def opset_16(model: onnx.ModelProto) -> None:
    """Not the opset that the manifest says."""
    model.opset_import[0].version = 16


def make_twice(model: onnx.ModelProto) -> None:
    """Two nodes make one tensor."""
    model.graph.node.append(helper.make_node("Relu", ["features"], ["pooled"], "relu_twice"))


def cycle(model: onnx.ModelProto) -> None:
    """A node reads what is made from its own output."""
    find(model, "relu_stem").input[0] = "features"
    model.graph.node.remove(find(model, "conv_stem"))


def unsorted(model: onnx.ModelProto) -> None:
    """A maker stands after its reader."""
    late = find(model, "conv_stem")
    moved = onnx.NodeProto.FromString(late.SerializeToString())
    model.graph.node.remove(late)
    model.graph.node.append(moved)


def truncate_bias(model: onnx.ModelProto) -> None:
    """The bytes of a tensor are too few."""
    tensor = next(t for t in model.graph.initializer if t.name == "b_stem")
    tensor.raw_data = tensor.raw_data[:-3]


def external_bias(model: onnx.ModelProto) -> None:
    """A tensor lies in another file."""
    tensor = next(t for t in model.graph.initializer if t.name == "b_stem")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/hostname")


def branch(*, quantized: bool) -> Change:
    """Add an If that reads the features in its branches."""

    def change(model: onnx.ModelProto) -> None:
        value = helper.make_tensor_value_info("inside", TensorProto.FLOAT, None)
        inner = [helper.make_node("Relu", ["features"], ["inside"])]
        if quantized:
            inner = [*pair("features"), helper.make_node("Relu", ["features_d"], ["inside"])]
        graph = helper.make_graph(inner, "then", [], [value])
        set_constant(model, "condition", np.array(True))
        model.graph.node.append(
            helper.make_node("If", ["condition"], ["unused"], "branch", then_branch=graph, else_branch=graph)
        )

    return change


def no_zero_point(model: onnx.ModelProto) -> None:
    """A DQ leaves its zero point out."""
    del find(model, "face_DQ").input[2:]


def one_dead_channel(model: onnx.ModelProto) -> None:
    """One channel of a weight was all zeros."""
    set_constant(model, "w_stem_scale", np.array([0.1, 0.0, 0.1, 0.1], np.float32))


def computed_scale(model: onnx.ModelProto) -> None:
    """The scale of an activation is computed when the graph runs."""
    insert(model, "face_Q", [helper.make_node("Abs", ["face_scale"], ["made_scale"], "abs")])
    for half in ("face_Q", "face_DQ"):
        find(model, half).input[1] = "made_scale"


def int32_bias(model: onnx.ModelProto) -> None:
    """A bias is stored as int32 behind a DQ."""
    set_constant(model, "b_stem_int", np.arange(4, dtype=np.int32))
    set_constant(model, "b_stem_scale", np.full(4, 1e-4, np.float32))
    set_constant(model, "b_stem_zero", np.zeros(4, np.int32))
    inputs = ["b_stem_int", "b_stem_scale", "b_stem_zero"]
    insert(model, "conv_stem", [helper.make_node("DequantizeLinear", inputs, ["b_stem_d"], "b_stem_DQ", axis=0)])
    find(model, "conv_stem").input[2] = "b_stem_d"


def gemm_not_transposed(model: onnx.ModelProto) -> None:
    """A Gemm without transB has its output channels on axis 1."""
    node = find(model, "gemm_input")
    del node.attribute[:]
    set_constant(model, "w_input", weights()["w_input"].T.copy())
    set_constant(model, "w_input_scale", np.full(4, 0.01, np.float32))
    set_constant(model, "w_input_zero", np.zeros(4, np.int8))


def conv_transpose(model: onnx.ModelProto) -> None:
    """A ConvTranspose has its output channels on axis 1."""
    find(model, "conv_block").op_type = "ConvTranspose"


def three_scales(model: onnx.ModelProto) -> None:
    """Fewer scales than channels."""
    set_constant(model, "w_stem_scale", np.full(3, 0.01, np.float32))
    set_constant(model, "w_stem_zero", np.zeros(3, np.int8))


def blocked_scales(model: onnx.ModelProto) -> None:
    """Scales in blocks, as opset 21 allows for four bits."""
    set_constant(model, "w_input_scale", np.full((6, 2), 0.01, np.float32))
    set_constant(model, "w_input_zero", np.zeros((6, 2), np.int8))


def int8_stem(model: onnx.ModelProto) -> None:
    """One weight is stored as int8 behind a DQ alone."""
    model.graph.node.remove(find(model, "w_stem_Q"))
    set_constant(model, "w_stem_q", np.ones(weights()["w_stem"].shape, np.int8))


def three_activation_scales(model: onnx.ModelProto) -> None:
    """An activation has a scale per channel."""
    set_constant(model, "face_scale", np.full(3, 0.01, np.float32))
    set_constant(model, "face_zero", np.zeros(3, np.int8))
    set_axis(model, "face", 1)


def extra_quantize(*, read: bool) -> Change:
    """A Q that no DQ reads, and that something else reads or nothing does."""

    def change(model: onnx.ModelProto) -> None:
        inputs = ["features", "face_scale", "face_zero"]
        model.graph.node.append(helper.make_node("QuantizeLinear", inputs, ["eight_bits"], "extra"))
        if read:
            model.graph.node.append(helper.make_node("Cast", ["eight_bits"], ["unused"], "reader", to=1))

    return change


def dequantize_alone(model: onnx.ModelProto) -> None:
    """A DQ of an activation that no Q made."""
    cast = helper.make_node("Cast", ["features"], ["eight_bits"], "cast", to=TensorProto.INT8)
    inputs = ["eight_bits", "face_scale", "face_zero"]
    model.graph.node.extend([cast, helper.make_node("DequantizeLinear", inputs, ["unused"], "extra")])


def other_scale(model: onnx.ModelProto) -> None:
    """Q and DQ of a pair have two scales."""
    set_constant(model, "other", np.array(0.5, np.float32))
    find(model, "face_DQ").input[1] = "other"


def other_zero_point(model: onnx.ModelProto) -> None:
    """Q and DQ of a pair have two zero points."""
    set_constant(model, "other", np.array(5, np.int8))
    find(model, "face_DQ").input[2] = "other"


def other_type(model: onnx.ModelProto) -> None:
    """Q and DQ of a pair have two types."""
    set_constant(model, "other", np.array(0, np.uint8))
    find(model, "face_DQ").input[2] = "other"


def other_axis(model: onnx.ModelProto) -> None:
    """Q and DQ of a pair with many scales have two axes."""
    find(model, "face_DQ").attribute[0].i = 2


def state_unread(model: onnx.ModelProto) -> None:
    """The state input was left behind by the exporter."""
    set_constant(model, "frozen", np.zeros((1, 6), np.float32))
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            if name == "hidden":
                node.input[index] = "frozen"


def state_read_in_vain(model: onnx.ModelProto) -> None:
    """The state input is read by a node that leads nowhere."""
    state_unread(model)
    model.graph.node.append(helper.make_node("Relu", ["hidden"], ["unused"], "in_vain"))


def state_forgotten(model: onnx.ModelProto) -> None:
    """The state input leads to an output, and not to the next state."""
    state_unread(model)
    model.graph.node.remove(find(model, "matmul_log_variance"))
    inputs = ["hidden", "w_log_variance"]
    model.graph.node.append(helper.make_node("MatMul", inputs, ["log_variance"], "from_old_state"))


def state_copied(model: onnx.ModelProto) -> None:
    """The next state is the state."""
    find(model, "add_next").output[0] = "unused"
    insert(model, "hidden_next_Q", [helper.make_node("Identity", ["hidden"], ["hidden_next"], "copy")])


def state_negated(model: onnx.ModelProto) -> None:
    """The next state is made from the state alone, but is another one."""
    find(model, "add_next").output[0] = "unused"
    insert(model, "hidden_next_Q", [helper.make_node("Neg", ["hidden"], ["hidden_next"], "negate")])


def state_output(*, identity: bool) -> Change:
    """The next state leaves the graph through a DQ, as it is or through an Identity."""

    def change(model: onnx.ModelProto) -> None:
        find(model, "add_next").output[0] = "blended"
        find(model, "matmul_log_variance").input[0] = "blended"
        insert_pair(model, "blended", "hidden_next_Q")
        if identity:
            node = helper.make_node("Identity", ["blended_d"], ["hidden_next"], "copy")
            insert(model, "hidden_next_Q", [node])
        else:
            find(model, "blended_DQ").output[0] = "hidden_next"

    return change


def behind_reshape(tensor: str, value: float) -> Change:
    """The Q of a tensor reads it behind a Reshape, and has this scale."""

    def change(model: onnx.ModelProto) -> None:
        set_constant(model, "shape", np.array([-1, 6], np.int64))
        insert(model, f"{tensor}_Q", [helper.make_node("Reshape", [tensor, "shape"], ["moved_only"], "reshape")])
        find(model, f"{tensor}_Q").input[0] = "moved_only"
        scale(tensor, value)(model)

    return change


def half_weight(model: onnx.ModelProto) -> None:
    """A weight is stored in 16 bits, and what it is multiplied with is not."""
    set_constant(model, "w_log_variance", weights()["w_log_variance"].astype(np.float16))


def half_output(model: onnx.ModelProto) -> None:
    """An output is made in 16 bits."""
    find(model, "matmul_log_variance").output[0] = "whole"
    cast = helper.make_node("Cast", ["whole"], ["log_variance"], "to_half", to=TensorProto.FLOAT16)
    model.graph.node.append(cast)


def half_island(model: onnx.ModelProto) -> None:
    """A product in 16 bits with a Cast on either side, as it has to be."""
    half_weight(model)
    node = find(model, "matmul_log_variance")
    node.input[0], node.output[0] = "state_half", "variance_half"
    make, whole = helper.make_node, TensorProto.FLOAT
    insert(model, node.name, [make("Cast", ["hidden_next"], ["state_half"], "to_half", to=TensorProto.FLOAT16)])
    model.graph.node.append(make("Cast", ["variance_half"], ["log_variance"], "to_whole", to=whole))
