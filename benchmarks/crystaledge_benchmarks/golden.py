"""Replays a bundle's golden sequences: frames in, float outputs of the training framework to compare with."""

from __future__ import annotations

import io

import numpy as np

from crystaledge.bundle import Bundle
from crystaledge.engine.base import Engine
from crystaledge.errors import BundleError
from crystaledge.manifest.model import FileRole, GraphSpec
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge_calibration.drift import Drift, drift
from crystaledge_calibration.rollout import observed_inputs, roll_out_engine

_FRAMES, _OUTPUT = "frames", "output."


def replay_golden(bundle: Bundle, graph: GraphSpec, engine: Engine) -> tuple[Drift, ...]:
    """Closed-loop difference of an engine from the golden outputs, preprocessing included.

    Raises:
        BundleError: the bundle has no golden sequences.
    """
    paths = [entry.path for entry in bundle.manifest.files if entry.role is FileRole.GOLDEN]
    if not paths:
        msg = f"The bundle {bundle.path} has no golden sequences; export it again."
        raise BundleError(msg)
    with np.load(io.BytesIO(bundle.contents[paths[0]]), allow_pickle=False) as file:
        frames = file[_FRAMES]
        reference = {name[len(_OUTPUT) :]: file[name] for name in file.files if name.startswith(_OUTPUT)}
    preprocessor = Preprocessor(bundle.manifest.preprocessing)
    faces = np.empty((*frames.shape[:2], *preprocessor.row_shape), np.float32)
    for t, b in np.ndindex(frames.shape[:2]):
        preprocessor.into(faces[t, b], frames[t, b], ColorOrder.RGB)
    (observed,) = observed_inputs(graph)
    return drift(reference, roll_out_engine(engine, {observed: faces}))
