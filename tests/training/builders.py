"""Small things that several tests of this room are made of: drawn people, tiny networks, records."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import multivariate_normal
from torch import Tensor

from crystaledge.identity.spec import (
    IdentityDecision,
    LikelihoodFit,
    OperatingPoint,
    StoppingRules,
    unit_vector_scoring,
)
from crystaledge.identity.stopping import wald_thresholds
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder, Preprocessing
from crystaledge.scene.scene import SceneConfig, film
from crystaledge.system import System
from crystaledge_training.checkpoint import SCHEMA_VERSION, CheckpointRecord, TrainingProvenance
from crystaledge_training.data.frames import FrameStore
from crystaledge_training.mnemosyne.config import MnemosyneConfig, QualityGate
from crystaledge_training.mnemosyne.network import Mnemosyne
from crystaledge_training.mnemosyne.rollout import Trajectory

Array = NDArray[np.float64]
TINY_SPEC = Preprocessing(size_hw=(32, 32), center_share=0.8)
TINY_SIZES = MnemosyneConfig(encoding=12, hidden=8)
TINY_SCENE = SceneConfig(seed=3, side_px=40)


def draw_people(root: Path, counts: Sequence[int], *, suffix: str = ".png") -> Path:
    """`root/personNN/K.png`, `counts[i]` drawn faces of person i; grey ones where the suffix is .pgm."""
    for person, count in enumerate(counts):
        folder = root / f"person{person:02d}"
        folder.mkdir(parents=True)
        for number, shot in enumerate(islice(film(TINY_SCENE, person), count)):
            picture = shot.pixels[:, :, 1] if suffix == ".pgm" else shot.pixels[:, :, ::-1]
            assert cv2.imwrite(str(folder / f"{number}{suffix}"), picture)
    return root


def scene_store(counts: Sequence[int], spec: Preprocessing = TINY_SPEC) -> FrameStore:
    """The same faces as `draw_people`, resized, without a detour over files."""
    preprocessor = Preprocessor(spec)
    shots = [shot.pixels for person, count in enumerate(counts) for shot in islice(film(TINY_SCENE, person), count)]
    pixels = np.stack([preprocessor.resize(shot, ColorOrder.RGB).copy() for shot in shots])
    person = np.repeat(np.arange(len(counts)), counts)
    return FrameStore(pixels, person, tuple(f"person{p:02d}" for p in range(len(counts))))


def numbered_store(counts: Sequence[int]) -> FrameStore:
    """Frames of one pixel whose value is the row number, so that a frame says where it comes from."""
    rows = sum(counts)
    pixels = np.broadcast_to(np.arange(rows, dtype=np.uint8)[:, None, None, None], (rows, 1, 1, 3)).copy()
    return FrameStore(pixels, np.repeat(np.arange(len(counts)), counts), tuple(map(str, range(len(counts)))))


def tiny_network(
    seed: int = 0, *, gate: QualityGate = QualityGate.UPDATE, sizes: MnemosyneConfig = TINY_SIZES
) -> Mnemosyne:
    """A random network in inference mode; biases and batch-norm statistics are random too, so that all count."""
    generator = torch.Generator().manual_seed(seed)
    network = Mnemosyne(replace(sizes, gate=gate))
    for name, tensor in network.state_dict().items():
        if name.endswith(("running_var", ".1.weight")):  # of batch norm
            tensor.uniform_(0.5, 1.5, generator=generator)
        elif tensor.is_floating_point():
            # Wide enough for a GRU to leave its linear range, narrow enough not to saturate.
            reach = 0.2 if tensor.ndim == 1 else (3.0 / tensor[0].numel()) ** 0.5
            tensor.uniform_(-reach, reach, generator=generator)
    return network.eval()


def random_faces(count: int, *, side: int = 32, seed: int = 0) -> Tensor:
    """Noise in the range of normalised faces, `(count, 3, side, side)`."""
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 4.0 - 2.0


def naive_match_score(
    state_a: Array,
    log_variance_a: float,
    state_b: Array,
    log_variance_b: float,
    *,
    between: float | None = None,
    dimensions: float | None = None,
) -> float:
    """How much likelier two states are one person's than two people's, in nats, by Gaussian densities.

    Per dimension a person lies at N(0, between) and an identity around it with its own variance; of
    one person the two are correlated, of two people they are not. Densities have a part that depends
    on the values, which is summed over what there is, and one that does not, which counts once for
    each effective dimension. Both parameters default to those of `unit_vector_scoring`.
    """
    between = 0.5 / len(state_a) if between is None else between
    dimensions = float(len(state_a)) if dimensions is None else dimensions
    a, b = math.exp(log_variance_a), math.exp(log_variance_b)
    values = np.stack([state_a / np.linalg.norm(state_a), state_b / np.linalg.norm(state_b)], axis=1)
    one = multivariate_normal([0.0, 0.0], [[between + a, between], [between, between + b]])
    two = multivariate_normal([0.0, 0.0], [[between + a, 0.0], [0.0, between + b]])
    constant = float(one.logpdf([0.0, 0.0]) - two.logpdf([0.0, 0.0]))
    ratios = np.atleast_1d(one.logpdf(values) - two.logpdf(values))
    return float((ratios - constant).sum()) + dimensions * constant


def trajectory_of(
    hidden: Tensor,
    *,
    velocity: Tensor | None = None,
    log_variance: Tensor | None = None,
    encoding: Tensor | None = None,
    valid: Tensor | None = None,
) -> Trajectory:
    """A trajectory with chosen states `(T, S, H)`; the rest is plain where it is not given."""
    shape = hidden.shape[:2]
    return Trajectory(
        hidden,
        torch.full(shape, 0.5) if velocity is None else velocity,
        torch.zeros(shape) if log_variance is None else log_variance,
        torch.ones(shape),
        torch.ones(*shape, 3) if encoding is None else encoding,
        torch.ones(shape, dtype=torch.bool) if valid is None else valid,
    )


def sample_decision(
    *,
    dimensions: int = TINY_SIZES.hidden,
    threshold: float = 0.1,
    slope: float = 1.0,
    intercept: float = 0.0,
    velocity_threshold: float = 0.1,
    velocity_frames: int = 2,
) -> IdentityDecision:
    """Decision parameters with one operating point for one observation."""
    reject, accept = wald_thresholds(0.01, 0.05)
    return IdentityDecision(
        score=unit_vector_scoring(dimensions),
        dimensions=dimensions,
        operating_points=(
            OperatingPoint(observations=1, false_accept_rate=0.1, threshold=threshold, true_accept_rate=0.5),
        ),
        likelihood=(LikelihoodFit(observations=1, slope=slope, intercept=intercept),),
        stopping=StoppingRules(
            false_accept_rate=0.01,
            false_reject_rate=0.05,
            accept_llr=accept,
            reject_llr=reject,
            velocity_threshold=velocity_threshold,
            velocity_frames=velocity_frames,
        ),
        calibrated_on="nobody",
    )


def sample_record(network: Mnemosyne, *, decision: IdentityDecision | None = None) -> CheckpointRecord:
    """A record as `train` would write it, of no real training."""
    return CheckpointRecord(
        schema_version=SCHEMA_VERSION,
        system=System.MNEMOSYNE,
        network=network.config,
        preprocessing=TINY_SPEC,
        decision=decision,
        provenance=TrainingProvenance(
            package_version="0.0.0",
            torch_version="0.0.0",
            seed=1,
            epochs=4,
            best_epoch=2,
            training_seconds=1.5,
            data="drawn people",
            outside_data="none",
            people_trained=6,
            people_validated=4,
            licence="none",
        ),
        validation=(("validation/auc", 0.75),),
    )
