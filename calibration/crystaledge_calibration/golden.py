"""Golden sequences of a bundle: frames, and the outputs of the training framework to compare with. Needs numpy only."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.bundle import Bundle
from crystaledge.engine.base import Engine
from crystaledge.errors import BundleError
from crystaledge.manifest.model import FileRole, GraphSpec
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge_calibration.drift import Drift, drift
from crystaledge_calibration.rollout import observed_inputs, roll_out_engine

Array = NDArray[np.float32]
_FRAMES, _INPUT, _OUTPUT = "frames", "input.", "output."


@dataclass(frozen=True, slots=True)
class Golden:
    """What a step graph is shown, and what it has to answer."""

    observed: Mapping[str, Array]
    """Inputs that are not state, by name, `(T, B, ...)`.

    Where the bundle keeps frames they are preprocessed here and now: the preprocessor is compared with training's too.
    """
    outputs: Mapping[str, Array]
    """By name, `(T, B, ...)`."""

    @property
    def shape(self) -> tuple[int, int]:
        """Steps and sequences."""
        first = next(iter(self.observed.values()))
        return first.shape[0], first.shape[1]


def golden_file(graph: GraphSpec) -> str:
    """Where a bundle keeps the golden sequences of a graph, or of the float graph it was quantized from."""
    return f"golden/{graph.derived_from or graph.name}.npz"


def read_golden(bundle: Bundle, graph: GraphSpec) -> Golden:
    """The golden sequences of a graph.

    Raises:
        BundleError: the bundle has none.
    """
    path = golden_file(graph)
    if all(entry.path != path or entry.role is not FileRole.GOLDEN for entry in bundle.manifest.files):
        msg = f"The bundle {bundle.path} has no golden sequences of {graph.name!r}; export it again."
        raise BundleError(msg)
    with np.load(io.BytesIO(bundle.contents[path]), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    outputs = {name[len(_OUTPUT) :]: array for name, array in arrays.items() if name.startswith(_OUTPUT)}
    observed = {name[len(_INPUT) :]: array for name, array in arrays.items() if name.startswith(_INPUT)}
    if _FRAMES in arrays:
        (name,) = observed_inputs(graph)
        observed[name] = _preprocessed(bundle, arrays[_FRAMES])
    return Golden(observed, outputs)


def _preprocessed(bundle: Bundle, frames: NDArray[np.uint8]) -> Array:
    preprocessor = Preprocessor(bundle.manifest.preprocessing)
    rows = np.empty((*frames.shape[:2], *preprocessor.row_shape), np.float32)
    for t, b in np.ndindex(frames.shape[:2]):
        preprocessor.into(rows[t, b], frames[t, b], ColorOrder.RGB)
    return rows


def replay_golden(bundle: Bundle, graph: GraphSpec, engine: Engine) -> tuple[Drift, ...]:
    """Closed-loop difference of an engine from the golden outputs, preprocessing included.

    Raises:
        BundleError: the bundle has no golden sequences.
    """
    golden = read_golden(bundle, graph)
    return drift(golden.outputs, roll_out_engine(engine, golden.observed))
