"""ONNX graphs written down node by node."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tests.support.step_graphs import IR_VERSION, OPSET

Border = Sequence[tuple[str, Sequence[int]]]
"""Names and shapes without the batch."""


class OnnxGraph:
    """Collects nodes; each call adds one and gives the name of its output."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[TensorProto] = []

    def __call__(self, kind: str, *inputs: str, out: str | None = None, **attributes: Any) -> str:
        name = out or f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def array(self, values: NDArray[Any]) -> str:
        """A constant."""
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(values, name))
        return name

    def number(self, value: float) -> str:
        """A scalar."""
        return self.array(np.array(value, np.float32))

    def whole(self, values: Sequence[int]) -> str:
        """Axes, starts and sizes."""
        return self.array(np.array(values, np.int64))

    def split(self, value: str, parts: int, names: Iterable[str]) -> list[str]:
        """One output for each channel of axis 1."""
        outputs = list(names)
        self._nodes.append(helper.make_node("Split", [value], outputs, axis=1, num_outputs=parts))
        return outputs

    def model(self, name: str, inputs: Border, outputs: Border) -> onnx.ModelProto:
        """The whole; every tensor on its border is float32 with a batch."""

        def border(values: Border) -> list[onnx.ValueInfoProto]:
            return [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", *shape]) for n, shape in values]

        graph = helper.make_graph(self._nodes, name, border(inputs), border(outputs), self._constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
