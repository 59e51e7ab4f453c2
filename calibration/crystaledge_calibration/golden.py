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
_FRAMES, _OUTPUT = "frames", "output."


@dataclass(frozen=True, slots=True)
class Golden:
    """What a step graph is shown, and what it has to answer."""

    faces: Array
    """`(T, B, 3, h, w)`, preprocessed here and now: the preprocessor is compared with training's too."""
    outputs: Mapping[str, Array]
    """By name, `(T, B, ...)`."""


def read_golden(bundle: Bundle) -> Golden:
    """The golden sequences.

    Raises:
        BundleError: the bundle has none.
    """
    paths = [entry.path for entry in bundle.manifest.files if entry.role is FileRole.GOLDEN]
    if not paths:
        msg = f"The bundle {bundle.path} has no golden sequences; export it again."
        raise BundleError(msg)
    with np.load(io.BytesIO(bundle.contents[paths[0]]), allow_pickle=False) as file:
        frames = file[_FRAMES]
        outputs = {name[len(_OUTPUT) :]: file[name] for name in file.files if name.startswith(_OUTPUT)}
    preprocessor = Preprocessor(bundle.manifest.preprocessing)
    faces = np.empty((*frames.shape[:2], *preprocessor.row_shape), np.float32)
    for t, b in np.ndindex(frames.shape[:2]):
        preprocessor.into(faces[t, b], frames[t, b], ColorOrder.RGB)
    return Golden(faces, outputs)


def replay_golden(bundle: Bundle, graph: GraphSpec, engine: Engine) -> tuple[Drift, ...]:
    """Closed-loop difference of an engine from the golden outputs, preprocessing included.

    Raises:
        BundleError: the bundle has no golden sequences.
    """
    golden = read_golden(bundle)
    (observed,) = observed_inputs(graph)
    return drift(golden.outputs, roll_out_engine(engine, {observed: golden.faces}))
