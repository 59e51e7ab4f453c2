"""ONNX Runtime on the CPU. Needs the extra `onnxruntime`."""

from __future__ import annotations

import onnxruntime as ort

from crystaledge.engine.base import Engine
from crystaledge.engine.bound_step import BoundStep
from crystaledge.engine.select import EngineRequest
from crystaledge.errors import ContractError, EngineError
from crystaledge.manifest.model import GraphSpec
from crystaledge.tensors import BATCH, TensorSpec

_ORT_FLOAT32 = "tensor(float)"


class OnnxRuntimeEngine(Engine):
    """Runs a graph in ONNX Runtime's CPU provider.

    Raises:
        ContractError: names, types or shapes of the file are not those that the manifest promises.
        EngineError: ONNX Runtime refuses the file.
    """

    name = "onnxruntime"

    def __init__(self, graph: GraphSpec, model: bytes, *, threads: int = 1) -> None:
        super().__init__(graph)
        self.session = make_session(model, threads=threads)
        _check_border(graph, graph.inputs, self.session.get_inputs(), "input")
        _check_border(graph, graph.outputs, self.session.get_outputs(), "output")

    def _bind(self, batch: int) -> BoundStep:
        return _BoundSession(self.session, self.graph, batch)


def open_onnxruntime(request: EngineRequest) -> OnnxRuntimeEngine:
    """The engine that `open_engine` is asked for."""
    return OnnxRuntimeEngine(request.graph, request.model, threads=request.options.threads)


def make_session(model: bytes, *, threads: int, optimize: bool = True) -> ort.InferenceSession:
    """A sequential CPU session with that many threads and no output of its own.

    Args:
        optimize: fuse operators; off where inner tensors are outputs too, which some fusions lose.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    if not optimize:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own exception types share no base but this
        msg = f"ONNX Runtime {ort.__version__} refuses the graph: {str(error).splitlines()[0]}"
        raise EngineError(msg) from error


class _BoundSession(BoundStep):
    def __init__(self, session: ort.InferenceSession, graph: GraphSpec, batch: int) -> None:
        super().__init__(graph, batch)
        self._session = session
        self._binding = session.io_binding()
        self._values = []  # an OrtValue over a numpy array does not keep the binding's memory alive by itself
        for name, array in self.inputs.items():
            value = ort.OrtValue.ortvalue_from_numpy(array)
            self._values.append(value)
            self._binding.bind_ortvalue_input(name, value)
        for name, array in self.outputs.items():
            value = ort.OrtValue.ortvalue_from_numpy(array)
            self._values.append(value)
            self._binding.bind_ortvalue_output(name, value)

    def run(self) -> None:
        try:
            self._session.run_with_iobinding(self._binding)
        except Exception as error:
            msg = f"ONNX Runtime failed while running the graph: {str(error).splitlines()[0]}"
            raise EngineError(msg) from error


def _check_border(graph: GraphSpec, specs: tuple[TensorSpec, ...], found: list[ort.NodeArg], side: str) -> None:
    if [s.name for s in specs] != [n.name for n in found]:
        msg = (
            f"Graph {graph.name!r} has the {side}s {[n.name for n in found]} in its file and "
            f"{[s.name for s in specs]} in the manifest; export the bundle again."
        )
        raise ContractError(msg)
    for spec, node in zip(specs, found, strict=True):
        symbolic = bool(node.shape) and not isinstance(node.shape[0], int)
        if node.type != _ORT_FLOAT32 or not symbolic or tuple(node.shape[1:]) != spec.row_shape:
            msg = (
                f"Graph {graph.name!r}: {side} {spec.name!r} is {node.type} {node.shape} in its file; the manifest "
                f"promises {spec.dtype.value} {[BATCH, *spec.row_shape]}."
            )
            raise ContractError(msg)
