"""Export description of Mnemosyne."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from crystaledge.identity.decision import strictest_everywhere
from crystaledge.liveness.result import NOT_COVERED
from crystaledge.manifest.model import BatchRange, identity_decision
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder, Preprocessing
from crystaledge.scene.scene import SceneConfig, film
from crystaledge.systems.mnemosyne_contract import (
    FACE,
    HIDDEN,
    HIDDEN_NEXT,
    LOG_VARIANCE,
    QUALITY,
    VELOCITY,
)
from crystaledge.tensors import BATCH, DType, ResetRule, StatePair, TensorSpec
from crystaledge_export.description import StepDescription, SystemExport
from crystaledge_training.checkpoint import Checkpoint
from crystaledge_training.mnemosyne.config import Variant
from crystaledge_training.mnemosyne.load import mnemosyne_config, mnemosyne_from_checkpoint
from crystaledge_training.mnemosyne.make_network import make_network
from crystaledge_training.parameters import parameter_count

BATCHES = BatchRange(min=1, max=64, buckets=(1, 2, 4, 8, 16, 32, 64))
IDLE_LIMIT_FRAMES = 150
"""Five seconds at 30 frames a second."""
_EXAMPLE_PEOPLE = 8
_EXAMPLE_SIDE_PX = 64

INTENDED_USE = """\
Research and evaluation of temporal face identity on edge devices, 1:1 verification and small galleries with the
consent of those enrolled.

Forbidden: watching people who have not consented, or in public; lists of wanted or unwanted people; decisions
about people without a person in the loop, or with a face as the only proof; telling age, sex, origin, health or
mood from embeddings; children. Not a protection against spoofing."""

LIMITS = (
    "There is no table by group: error rates differ between groups of people and were not measured by group, as the\n"
    "data does not tell them. Identities are embeddings of faces, and so personal data. A photograph held up to the\n"
    "camera is taken for the person, unless the runtime is asked to watch for still photographs (`run --liveness`).\n"
    f"Not covered, and so taken for the person in any case: {', '.join(NOT_COVERED)}."
)

_NAMED_BY_MISTAKE = (0.01, 0.1, 0.5)
"""Chances that a stranger is given a name, for which the size of a gallery is told."""


def describe(checkpoint: Checkpoint) -> StepDescription:
    """The crystallization step of a checkpoint, weights loaded, in inference mode."""
    network = mnemosyne_from_checkpoint(checkpoint)
    config, spec = mnemosyne_config(checkpoint), checkpoint.record.preprocessing
    return StepDescription(
        name="step",
        module=network,
        inputs=(_tensor(FACE, 3, *spec.size_hw), _tensor(HIDDEN, config.hidden)),
        outputs=(
            _tensor(HIDDEN_NEXT, config.hidden),
            _tensor(VELOCITY, 1),
            _tensor(LOG_VARIANCE, 1),
            _tensor(QUALITY, 1),
        ),
        states=(
            StatePair(
                input=HIDDEN,
                output=HIDDEN_NEXT,
                shape=(config.hidden,),
                dtype=DType.FLOAT32,
                initial=0.0,
                reset=ResetRule.NEW_TRACK,
                idle_limit_frames=IDLE_LIMIT_FRAMES,
            ),
        ),
        batch=BATCHES,
        frames=example_frames,
        observe=lambda frames: observe(spec, frames),
    )


def example_frames(steps: int, batch: int) -> NDArray[np.uint8]:
    """Drawn faces of the embedded scene, `(steps, batch, 64, 64, 3)`: no real person ships in a bundle.

    Up to eight people are drawn; further rows show the same films a step further on.
    """
    films = [film(SceneConfig(seed=11, side_px=_EXAMPLE_SIDE_PX), p) for p in range(min(batch, _EXAMPLE_PEOPLE))]
    drawn = np.stack([[next(shots).pixels for _ in range(steps)] for shots in films], axis=1)
    rows = [np.roll(drawn[:, row % len(films)], -(row // len(films)), axis=0) for row in range(batch)]
    return np.stack(rows, axis=1)


def observe(spec: Preprocessing, frames: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """Frames `(T, B, H, W, 3)` to faces `(T, B, 3, h, w)`."""
    preprocessor = Preprocessor(spec)
    faces = np.empty((*frames.shape[:2], *preprocessor.row_shape), np.float32)
    for t, b in np.ndindex(frames.shape[:2]):
        preprocessor.into(faces[t, b], frames[t, b], ColorOrder.RGB)
    return {FACE: faces}


def _tensor(name: str, *row_shape: int) -> TensorSpec:
    return TensorSpec(name=name, dtype=DType.FLOAT32, shape=(BATCH, *row_shape))


def network_facts(checkpoint: Checkpoint) -> tuple[int, str]:
    """Parameters, and sizes in words."""
    config = mnemosyne_config(checkpoint)
    sizes = f"{config.variant.value} network, encoding {config.encoding}, hidden {config.hidden}"
    if config.variant is Variant.PUBLISHED:
        sizes += f", quality gate on the {config.gate.value}"
    return parameter_count(make_network(config)), sizes


def decision_lines(checkpoint: Checkpoint) -> list[str]:
    """The operating points as a table."""
    if checkpoint.record.decision is None:
        return ["Calibrated on nothing."]
    decision = identity_decision(checkpoint.record.decision, where="The checkpoint")
    lines = [f"Calibrated on {decision.calibrated_on}."]
    lines += ["", "| observations | false-accept rate | threshold | true-accept rate there |", "|---|---|---|---|"]
    lines += [
        f"| {p.observations} | {p.false_accept_rate:g} | {p.threshold:.4f} | {p.true_accept_rate:.3f} |"
        for p in decision.operating_points
    ]
    return [*lines, "", gallery_line(strictest_everywhere(decision))]


def gallery_line(false_accept_rate: float) -> str:
    """How many people a gallery may hold, each comparison being as likely to go wrong as the others.

    Args:
        false_accept_rate: of a comparison, that the runtime decides at unless it is asked for another.
    """
    sizes = [int(math.log1p(-chance) / math.log1p(-false_accept_rate) + 1e-9) for chance in _NAMED_BY_MISTAKE]
    told = zip(sizes, _NAMED_BY_MISTAKE, strict=True)
    parts = ", ".join(f"with {size:,} people enrolled it is {chance:.0%}" for size, chance in told)
    return (
        f"Gallery: a search compares with everybody enrolled. At the default rate, {false_accept_rate:g} a comparison, "
        f"the verdict of a single frame gives a stranger a name with the chance 1 - (1 - {false_accept_rate:g})^N: "
        f"{parts}. What is committed has to outweigh ln N besides, which was measured with nine people. It is fit for "
        "tens of people who consent, not for hundreds."
    )


EXPORT = SystemExport(
    describe=lambda checkpoint: (describe(checkpoint),),
    intended_use=INTENDED_USE,
    network=network_facts,
    decisions=decision_lines,
    limits=LIMITS,
)
