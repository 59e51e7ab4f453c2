"""The people of the talking heads, each learnt from the first third of their clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from crystaledge.errors import DataError
from crystaledge.identity.gallery import Gallery
from crystaledge.sources.frame import Frame
from crystaledge.systems.mnemosyne_crystallizer import EnrolledState
from crystaledge.video.pipeline import VideoPipeline
from crystaledge_benchmarks.video.dense_look import DenseLook

_EVERY = 3
"""Frames that follow each other at once say the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """How one person's enrolment went."""

    person: str
    offered: int
    """Frames."""
    refused: int
    """Of them: those that show several faces, or none; the others are learnt from."""
    observations: int
    """0 where nobody could be learnt."""
    reason: str | None = None


def learn_all(
    pipeline: VideoPipeline, detect: DenseLook, people: Mapping[str, Sequence[Frame]]
) -> tuple[dict[str, EnrolledState], list[Enrolment]]:
    """States of those who could be learnt, and how it went with everybody."""
    states, told = {}, []
    for person, frames in people.items():
        offered = first_third(frames)[::_EVERY]
        alone = [frame for frame in offered if _shows_one(pipeline, detect, frame)]
        refused, reason = len(offered) - len(alone), None
        try:
            states[person] = pipeline.learn(alone)
        except DataError as error:
            reason = str(error)
        count = states[person].observations if person in states else 0
        told.append(Enrolment(person=person, offered=len(offered), refused=refused, observations=count, reason=reason))
    return states, told


def enroll_all(gallery: Gallery, states: Mapping[str, EnrolledState]) -> None:
    """Put everybody into a gallery."""
    for person, state in states.items():
        gallery.enroll(person, state.hidden, state.log_variance, state.observations)


def first_third(frames: Sequence[Frame]) -> Sequence[Frame]:
    """To learn from."""
    return frames[: max(len(frames) // 3, 1)]


def last_third(frames: Sequence[Frame]) -> Sequence[Frame]:
    """To recognise in."""
    return frames[len(frames) - max(len(frames) // 3, 1) :]


def _shows_one(pipeline: VideoPipeline, detect: DenseLook, frame: Frame) -> bool:
    """Whether enrolment would take the frame; see `VideoPipeline.learn`."""
    boxes = detect(frame).box_xyxy
    sizes = np.sqrt(np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0), axis=1))
    return int((sizes >= pipeline.options.looks.smallest_px).sum()) == 1
