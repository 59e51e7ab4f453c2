"""Golden sequences find a graph that is not the one they were made with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnx import numpy_helper

from crystaledge.bundle import Bundle
from crystaledge.engine.onnxruntime_engine import OnnxRuntimeEngine
from crystaledge.errors import BundleError
from crystaledge_calibration.drift import worst_of
from crystaledge_calibration.golden import replay_golden


def test_an_untouched_bundle_reproduces_its_golden_outputs(bundle_path: Path) -> None:
    bundle = Bundle.open(bundle_path)
    graph = bundle.graph()
    drifts = replay_golden(bundle, graph, OnnxRuntimeEngine(graph, bundle.graph_bytes(graph)))
    assert {d.tensor for d in drifts} == {spec.name for spec in graph.outputs}
    assert worst_of(drifts).worst <= 1e-5
    assert all(len(d.max_abs) == 16 for d in drifts)


def test_a_changed_weight_shows(bundle_path: Path) -> None:
    bundle = Bundle.open(bundle_path)
    graph = bundle.graph()
    model = onnx.load_from_string(bundle.graph_bytes(graph))
    weight = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * 1.01, weight.name))
    engine = OnnxRuntimeEngine(graph, model.SerializeToString())
    assert worst_of(replay_golden(bundle, graph, engine)).worst > 1e-4


def test_a_bundle_without_goldens_is_refused(bundle_path: Path) -> None:
    bundle = Bundle.open(bundle_path)
    bare = replace(bundle, manifest=replace(bundle.manifest, files=bundle.manifest.files[:1]))
    graph = bare.graph()
    with pytest.raises(BundleError, match="golden"):
        replay_golden(bare, graph, OnnxRuntimeEngine(graph, bare.graph_bytes(graph)))
