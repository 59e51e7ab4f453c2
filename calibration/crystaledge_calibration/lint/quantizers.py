"""QuantizeLinear and DequantizeLinear as the rules see them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from crystaledge_calibration.lint.graph_view import GraphView, Node


class Kind(Enum):
    """Which half of a pair; the values are ONNX's names."""

    QUANTIZE = "QuantizeLinear"
    DEQUANTIZE = "DequantizeLinear"


QUANTIZING_OPS = frozenset(kind.value for kind in Kind)
ONNX_DEFAULT_AXIS = 1
_TO_A_WEIGHT = QUANTIZING_OPS | {"Identity", "Transpose", "Reshape", "Cast"}


@dataclass(frozen=True, slots=True, eq=False)
class Quantizer:
    """A QuantizeLinear or DequantizeLinear node with its constants."""

    node: Node
    kind: Kind
    scale: NDArray[np.float64] | None
    """None where it is not a readable constant."""
    zero_point: NDArray[Any] | None
    """None where it is left out, or not a readable constant."""
    element_type: int | None
    """Of the quantized side, a value of `onnx.TensorProto.DataType`; None where the file does not tell."""
    of_constant: bool
    """Whether it works on a weight or a bias rather than on an activation."""

    repeats: bool
    """A DQ with the very constants and axis of the Q that it reads: what is wrong with them is said of the Q."""

    @property
    def has_zero_point(self) -> bool:
        """Whether the third input is given."""
        return bool(self.node.input(2))

    @property
    def per_channel(self) -> bool:
        """Whether it has more than one scale."""
        return self.scale is not None and self.scale.size > 1

    @property
    def axis(self) -> int:
        """Axis of the scales as ONNX reads it; may be negative."""
        return self.node.integer("axis", ONNX_DEFAULT_AXIS)


def quantizers_of(view: GraphView) -> tuple[Quantizer, ...]:
    """Every Q and DQ of the main graph in its order, whatever their domain."""
    return tuple(_quantizer(view, node) for node in view.nodes if node.op_type in QUANTIZING_OPS)


def _quantizer(view: GraphView, node: Node) -> Quantizer:
    zero_point = view.constants.get(node.input(2))
    source = view.origin(node.input(0), through=_TO_A_WEIGHT)
    return Quantizer(
        node=node,
        kind=Kind(node.op_type),
        scale=_scale(view, node.input(1)),
        zero_point=None if zero_point is None else zero_point.value,
        element_type=_element_type(view, node),
        of_constant=source in view.constants,
        repeats=_repeats(view, node),
    )


def _repeats(view: GraphView, node: Node) -> bool:
    maker = view.maker(node.input(0))
    if maker is None or node.op_type != Kind.DEQUANTIZE.value or maker.op_type != Kind.QUANTIZE.value:
        return False
    return maker.inputs[1:] == node.inputs[1:] and maker.attribute("axis") == node.attribute("axis")


def _scale(view: GraphView, name: str) -> NDArray[np.float64] | None:
    constant = view.constants.get(name)
    if constant is None or constant.value is None or constant.value.dtype.kind in "OSUbc":
        return None
    return constant.value.astype(np.float64)


def _element_type(view: GraphView, node: Node) -> int | None:
    if node.input(2):
        zero_point = view.constants.get(node.input(2))
        return None if zero_point is None else zero_point.element_type
    if node.op_type == Kind.QUANTIZE.value:
        return node.integer("output_dtype", 0) or TensorProto.UINT8  # what ONNX says of a Q without zero point
    constant = view.constants.get(node.input(0))
    if constant is not None:
        return constant.element_type
    maker = view.maker(node.input(0))
    return _element_type(view, maker) if maker is not None and maker.op_type == Kind.QUANTIZE.value else None
