"""ONNX Runtime keeps the engine contract, and adds nothing to what a plain session computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from crystaledge.bundle import Bundle
from crystaledge.engine.base import Engine
from crystaledge.engine.onnxruntime_engine import OnnxRuntimeEngine
from crystaledge.engine.select import Backend, EngineOptions, open_engine
from crystaledge.manifest.model import GraphSpec
from tests.support.engine_contract import EngineContract


class TestOnnxRuntimeEngine(EngineContract):
    """The contract of every engine."""

    def make(self, graph: GraphSpec, model: bytes) -> Engine:
        return OnnxRuntimeEngine(graph, model)


@pytest.mark.parametrize("batch", [1, 2, 7, 64])
def test_the_exported_graph_gives_what_a_plain_session_gives(bundle_path: Path, batch: int) -> None:
    bundle = Bundle.open(bundle_path)
    graph = bundle.graph()
    random = np.random.default_rng(0)
    feeds = {spec.name: random.normal(size=(batch, *spec.row_shape)).astype(np.float32) for spec in graph.inputs}
    session = ort.InferenceSession(bundle.graph_bytes(graph), providers=["CPUExecutionProvider"])
    found = open_engine(bundle, graph).run(feeds)
    for spec, expected in zip(graph.outputs, session.run(None, feeds), strict=True):
        np.testing.assert_allclose(found[spec.name], expected, atol=1e-6, err_msg=spec.name)


def test_the_backend_is_chosen_by_name(tiny_bundle_path: Path) -> None:
    bundle = Bundle.open(tiny_bundle_path)
    engine = open_engine(bundle, bundle.graph(), EngineOptions(backend=Backend.ONNXRUNTIME, threads=2))
    assert isinstance(engine, OnnxRuntimeEngine)
    assert engine.name == Backend.ONNXRUNTIME.value
    assert engine.session.get_session_options().intra_op_num_threads == 2
