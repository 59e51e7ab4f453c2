"""config.pbtxt: the contract of a bundle's manifest in Triton's words (model_config.proto)."""

from __future__ import annotations

from dataclasses import dataclass

from crystaledge.manifest.model import GraphSpec
from crystaledge.tensors import StatePair
from crystaledge_export.triton.backend import TritonBackend, track_type
from crystaledge_export.triton.wrap import CORRID, READY, START, TRACK


@dataclass(frozen=True, slots=True, kw_only=True)
class TritonOptions:
    """How a model is served."""

    name: str
    backend: TritonBackend
    frames_per_second: float = 30.0
    """Turns the idle limit of a state, which counts frames, into the server's microseconds."""
    candidate_sequences: int = 1024
    """Tracks that the server keeps the state of at once."""
    queue_delay_us: int = 1000
    """How long a frame may wait for others to share its batch."""


_PLATFORM = {
    TritonBackend.ONNXRUNTIME: 'backend: "onnxruntime"',
    TritonBackend.TENSORRT: 'platform: "tensorrt_plan"',
}
_INSTANCES = {TritonBackend.ONNXRUNTIME: "KIND_CPU", TritonBackend.TENSORRT: "KIND_GPU"}


def config_text(graph: GraphSpec, options: TritonOptions) -> str:
    """The file's text.

    States are pairs by name, each with its initial value declared: what Triton is not told to
    initialise is whatever its memory held before.
    """
    states = {pair.input for pair in graph.states}
    inputs = [_tensor(spec.name, "TYPE_FP32", spec.row_shape) for spec in graph.inputs if spec.name not in states]
    outputs = [_tensor(spec.name, "TYPE_FP32", spec.row_shape) for spec in graph.outputs]
    outputs.append(_tensor(TRACK, track_type(options.backend).triton, (1,)))
    return "\n".join(
        [
            f'name: "{options.name}"',
            _PLATFORM[options.backend],
            f"max_batch_size: {graph.batch.max}",
            _block("input", inputs),
            _block("output", outputs),
            _sequence_batching(graph, options),
            f"instance_group [ {{ count: 1 kind: {_INSTANCES[options.backend]} }} ]",
            "",
        ]
    )


def initial_file(pair: StatePair) -> str | None:
    """Name of the file with a state's initial value; None where that is zero, which needs none."""
    return None if pair.initial == 0.0 else f"{pair.input}.initial"


def _sequence_batching(graph: GraphSpec, options: TritonOptions) -> str:
    idle_frames = min((pair.idle_limit_frames for pair in graph.states), default=1)
    idle_us = round(idle_frames / options.frames_per_second * 1e6)
    controls = [
        _control(START, "kind: CONTROL_SEQUENCE_START bool_false_true: [ false, true ]"),
        _control(READY, "kind: CONTROL_SEQUENCE_READY bool_false_true: [ false, true ]"),
        _control(CORRID, f"kind: CONTROL_SEQUENCE_CORRID data_type: {track_type(options.backend).triton}"),
    ]
    oldest = (
        f"  oldest {{ max_candidate_sequences: {options.candidate_sequences} "
        f"preferred_batch_size: [ {graph.batch.max} ] "  # a smaller one would be run at once, and nothing would wait
        f"max_queue_delay_microseconds: {options.queue_delay_us} }}"
    )
    return "\n".join(
        [
            "sequence_batching {",
            f"  max_sequence_idle_microseconds: {idle_us}",
            oldest,
            _block("  control_input", controls),
            _block("  state", [_state(pair) for pair in graph.states]),
            "}",
        ]
    )


def _state(pair: StatePair) -> str:
    file = initial_file(pair)
    data = "zero_data: true" if file is None else f'data_file: "{file}"'
    return (
        f'input_name: "{pair.input}" output_name: "{pair.output}" data_type: TYPE_FP32 dims: {_dims(pair.shape)} '
        f'initial_state {{ name: "fresh" data_type: TYPE_FP32 dims: {_dims(pair.shape)} {data} }}'
    )


def _control(name: str, text: str) -> str:
    return f'name: "{name}" control [ {{ {text} }} ]'


def _tensor(name: str, kind: str, shape: tuple[int, ...]) -> str:
    return f'name: "{name}" data_type: {kind} dims: {_dims(shape)}'


def _dims(shape: tuple[int, ...]) -> str:
    return f"[ {', '.join(map(str, shape))} ]"


def _block(name: str, entries: list[str]) -> str:
    return "\n".join([f"{name} [", ",\n".join(f"    {{ {entry} }}" for entry in entries), "  ]"])
