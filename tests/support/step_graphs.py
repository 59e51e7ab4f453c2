"""A stateful step graph that is made in milliseconds, and the same step in plain numpy.

The tests of the runtime need a graph with Mnemosyne's border, not Mnemosyne's accuracy.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[np.float32]

SIDE = 8
HIDDEN = 6
OPSET = 18
IR_VERSION = 10


def tiny_weights() -> dict[str, Array]:
    """Weights of the tiny step, always the same."""
    random = np.random.default_rng(3)
    shapes = {
        "recurrent": (HIDDEN, HIDDEN),
        "input": (3, HIDDEN),
        "velocity": (HIDDEN, 1),
        "log_variance": (HIDDEN, 1),
        "quality": (3, 1),
    }
    return {name: random.normal(0.0, 0.6, shape).astype(np.float32) for name, shape in shapes.items()}


def tiny_step(face: Array, hidden: Array) -> dict[str, Array]:
    """What the tiny graph computes, `(B, 3, 8, 8)` and `(B, 6)`, written down a second time."""
    weights = tiny_weights()
    pooled = face.mean(axis=(2, 3))
    following = np.tanh(hidden @ weights["recurrent"] + pooled @ weights["input"])
    return {
        "hidden_next": following,
        "velocity": _sigmoid(following @ weights["velocity"]),
        "log_variance": following @ weights["log_variance"],
        "quality": _sigmoid(pooled @ weights["quality"]),
    }


def tiny_step_model(*, batch: str | int = "batch", face_type: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """The tiny step as ONNX.

    Args:
        batch: first axis of every input and output; a number makes the graph static.
        face_type: element type that the input `face` is declared with.
    """
    nodes = [
        helper.make_node("Cast", ["face"], ["face_float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["face_float", "axes"], ["pooled"], keepdims=0),
        helper.make_node("MatMul", ["hidden", "w_recurrent"], ["from_hidden"]),
        helper.make_node("MatMul", ["pooled", "w_input"], ["from_face"]),
        helper.make_node("Add", ["from_hidden", "from_face"], ["moved"]),
        helper.make_node("Tanh", ["moved"], ["hidden_next"]),
        helper.make_node("MatMul", ["hidden_next", "w_velocity"], ["raw_velocity"]),
        helper.make_node("Sigmoid", ["raw_velocity"], ["velocity"]),
        helper.make_node("MatMul", ["hidden_next", "w_log_variance"], ["log_variance"]),
        helper.make_node("MatMul", ["pooled", "w_quality"], ["raw_quality"]),
        helper.make_node("Sigmoid", ["raw_quality"], ["quality"]),
    ]
    initializers = [numpy_helper.from_array(np.array([2, 3], np.int64), "axes")]
    initializers += [numpy_helper.from_array(value, f"w_{name}") for name, value in tiny_weights().items()]
    inputs = [
        helper.make_tensor_value_info("face", face_type, [batch, 3, SIDE, SIDE]),
        helper.make_tensor_value_info("hidden", TensorProto.FLOAT, [batch, HIDDEN]),
    ]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, width])
        for name, width in (("hidden_next", HIDDEN), ("velocity", 1), ("log_variance", 1), ("quality", 1))
    ]
    graph = helper.make_graph(nodes, "step", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def tiny_step_bytes() -> bytes:
    """The tiny step as it lies in a bundle."""
    data: bytes = tiny_step_model().SerializeToString(deterministic=True)
    return data


def _sigmoid(x: Array) -> Array:
    return (1.0 / (1.0 + np.exp(-x))).astype(np.float32)
