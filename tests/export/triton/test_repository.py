"""The model repository, read with Triton's own protobuf and held against the manifest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from crystaledge.bundle import Bundle
from crystaledge.cli.main import main
from crystaledge.errors import OutputExistsError
from crystaledge.manifest.model import GraphSpec
from crystaledge_export.triton.backend import TritonBackend
from crystaledge_export.triton.config import TritonOptions, config_text
from crystaledge_export.triton.repository import write_repository
from tests.support.bundles import write_tiny_bundle

OPTIONS = TritonOptions(name="tiny", backend=TritonBackend.ONNXRUNTIME, frames_per_second=20.0)
KINDS = {"TYPE_FP32": 11, "TYPE_INT64": 9}


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_tiny_bundle(tmp_path / "tiny.bundle")


def parsed(text: str) -> Any:
    return text_format.Parse(text, model_config_pb2.ModelConfig())


def tensors(found: Any) -> dict[str, tuple[int, ...]]:
    return {one.name: tuple(one.dims) for one in found}


@pytest.mark.parametrize("backend", TritonBackend)
def test_the_configuration_says_what_the_manifest_says(bundle: Bundle, backend: TritonBackend) -> None:
    graph = bundle.graph()
    config = parsed(config_text(graph, replace(OPTIONS, backend=backend)))
    states = {pair.input for pair in graph.states}
    assert config.name == "tiny" and config.max_batch_size == graph.batch.max
    assert (config.backend, config.platform) == (
        ("onnxruntime", "") if backend is TritonBackend.ONNXRUNTIME else ("", "tensorrt_plan")
    )
    assert tensors(config.input) == {s.name: s.row_shape for s in graph.inputs if s.name not in states}
    assert tensors(config.output) == {s.name: s.row_shape for s in graph.outputs} | {"track": (1,)}
    track = "TYPE_INT64" if backend is TritonBackend.ONNXRUNTIME else "TYPE_INT32"
    assert model_config_pb2.DataType.Name(config.output[-1].data_type) == track
    batching = config.sequence_batching
    assert tuple(batching.oldest.preferred_batch_size) == (graph.batch.max,)
    assert batching.max_sequence_idle_microseconds == graph.states[0].idle_limit_frames * 50_000
    kind = model_config_pb2.ModelSequenceBatching.Control.Kind
    kinds = {one.name: [kind.Name(control.kind) for control in one.control] for one in batching.control_input}
    assert kinds == {
        "START": ["CONTROL_SEQUENCE_START"],
        "READY": ["CONTROL_SEQUENCE_READY"],
        "CORRID": ["CONTROL_SEQUENCE_CORRID"],
    }


def test_every_state_is_declared_with_its_initial_value(bundle: Bundle) -> None:
    graph = bundle.graph()
    (state,) = parsed(config_text(graph, OPTIONS)).sequence_batching.state
    (pair,) = graph.states
    assert (state.input_name, state.output_name, tuple(state.dims)) == (pair.input, pair.output, pair.shape)
    (initial,) = state.initial_state
    assert initial.WhichOneof("state_data") == "zero_data" and initial.zero_data
    assert tuple(initial.dims) == pair.shape and state.data_type == initial.data_type == KINDS["TYPE_FP32"]


def starting_at(graph: GraphSpec, value: float) -> GraphSpec:
    return replace(graph, states=tuple(replace(pair, initial=value) for pair in graph.states))


def test_an_initial_value_other_than_zero_lies_in_a_file(bundle: Bundle, tmp_path: Path) -> None:
    graph = starting_at(bundle.graph(), 0.5)
    written = write_repository(bundle, graph, OPTIONS, tmp_path / "models")
    (state,) = parsed(written.config).sequence_batching.state
    (initial,) = state.initial_state
    assert initial.WhichOneof("state_data") == "data_file"
    values = np.fromfile(written.path / "initial_state" / initial.data_file, np.float32)
    assert values.tolist() == [0.5] * graph.states[0].shape[0]


def test_configuration_and_file_have_the_same_tensors(bundle: Bundle, tmp_path: Path) -> None:
    written = write_repository(bundle, bundle.graph(), OPTIONS, tmp_path / "models")
    config, model = parsed(written.config), onnx.load(written.model)
    assert written.model == tmp_path / "models" / "tiny" / "1" / "model.onnx"
    batching = config.sequence_batching
    inputs = {
        *tensors(config.input),
        *(c.name for c in batching.control_input),
        *(s.input_name for s in batching.state),
    }
    assert inputs == {value.name for value in model.graph.input}
    assert set(tensors(config.output)) == {value.name for value in model.graph.output}


def test_an_engine_is_built_from_the_wrapped_graph(bundle: Bundle, tmp_path: Path) -> None:
    seen: list[bytes] = []

    def build(model: bytes) -> bytes:
        seen.append(model)
        return b"plan"

    options = replace(OPTIONS, backend=TritonBackend.TENSORRT)
    written = write_repository(bundle, bundle.graph(), options, tmp_path / "models", build_plan=build)
    assert written.model.name == "model.plan" and written.model.read_bytes() == b"plan"
    assert "START" in {value.name for value in onnx.load_from_string(seen[0]).graph.input}


def test_a_model_that_is_there_is_kept_unless_forced(bundle: Bundle, tmp_path: Path) -> None:
    write_repository(bundle, bundle.graph(), OPTIONS, tmp_path / "models")
    with pytest.raises(OutputExistsError):
        write_repository(bundle, bundle.graph(), OPTIONS, tmp_path / "models")
    write_repository(bundle, bundle.graph(), OPTIONS, tmp_path / "models", force=True)


def test_the_command_writes_it(bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["triton", str(bundle.path), "--out", str(tmp_path / "models"), "--name", "faces"]) == 0
    assert "1 state declared" in capsys.readouterr().out
    assert parsed((tmp_path / "models/faces/config.pbtxt").read_text()).name == "faces"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--name", "a b"], "is no name of a model"),
        (["--backend", "tensorrt"], "needs TensorRT's Python package"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    assert main(["triton", str(bundle.path), "--out", str(tmp_path / "models"), *arguments]) == 2
    told = capsys.readouterr().err
    assert expected in told and len(told.splitlines()) == 1
    assert not (tmp_path / "models").exists()
