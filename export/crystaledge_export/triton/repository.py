"""Writes a Triton model repository for one graph of a bundle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from crystaledge.bundle import Bundle
from crystaledge.files import folder_atomic
from crystaledge.manifest.model import GraphSpec
from crystaledge_export.triton.backend import TritonBackend
from crystaledge_export.triton.config import TritonOptions, config_text, initial_file
from crystaledge_export.triton.wrap import with_controls

CONFIG = "config.pbtxt"
_VERSION = "1"
_FILES = {TritonBackend.ONNXRUNTIME: "model.onnx", TritonBackend.TENSORRT: "model.plan"}
BuildPlan = Callable[[bytes], bytes]
"""From an ONNX file to a TensorRT engine of this device."""


@dataclass(frozen=True, slots=True)
class Repository:
    """What was written."""

    path: Path
    model: Path
    config: str


def write_repository(
    bundle: Bundle,
    graph: GraphSpec,
    options: TritonOptions,
    out: Path,
    *,
    build_plan: BuildPlan | None = None,
    force: bool = False,
) -> Repository:
    """Write `out/NAME/config.pbtxt`, `out/NAME/1/model...` and initial states.

    Args:
        build_plan: makes the engine, for the TensorRT backend.

    Raises:
        OutputExistsError: the model's folder exists and `force` is false.
    """
    model = with_controls(onnx.load_from_string(bundle.graph_bytes(graph)), graph, options.backend)
    data: bytes = model.SerializeToString(deterministic=True)
    if options.backend is TritonBackend.TENSORRT:
        assert build_plan is not None
        data = build_plan(data)
    text = config_text(graph, options)
    target = out / options.name
    with folder_atomic(target, force=force, marker=CONFIG) as folder:
        (folder / _VERSION).mkdir()
        (folder / _VERSION / _FILES[options.backend]).write_bytes(data)
        (folder / CONFIG).write_text(text, encoding="utf-8")
        for pair in graph.states:
            file = initial_file(pair)
            if file is not None:
                (folder / "initial_state").mkdir(exist_ok=True)
                np.full(pair.shape, pair.initial, np.float32).tofile(folder / "initial_state" / file)
    return Repository(target, target / _VERSION / _FILES[options.backend], text)
