"""Scenes with ground truth, and what a face detector makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crystaledge_benchmarks.tracking.paths import FPS, FRAME_WH, Array, Kind, Paths, Random, paths_of, times

FACE_ASPECT = 1.25
"""Height of a face by its width."""
EMBEDDING_DIMS = 64
EMBEDDING_NOISE = 0.9
"""Length of the noise on an embedding of length 1, for a face in full view."""
VISIBLE_SHARE = 0.25
"""Less of a face is no ground truth and never detected."""


@dataclass(frozen=True, slots=True)
class Scene:
    """D detections and G ground-truth boxes, both sorted by frame."""

    time_s: Array
    """`(T,)`."""
    det_frame: NDArray[np.int64]
    det_box: NDArray[np.float32]
    """`(D, 4)` x1, y1, x2, y2."""
    det_score: NDArray[np.float32]
    det_embedding: Array
    """`(D, 64)`, of length 1."""
    gt_frame: NDArray[np.int64]
    gt_person: NDArray[np.int64]
    gt_box: NDArray[np.float32]

    def save(self, path: Path) -> None:
        """Write what peers may know, and the ground truth; not the embeddings."""
        names = ("time_s", "det_frame", "det_box", "det_score", "gt_frame", "gt_person", "gt_box")
        np.savez(path, **{name: getattr(self, name) for name in names})


@dataclass(frozen=True, slots=True)
class Seen:
    """Detections of one frame."""

    boxes: Array
    scores: Array
    embeddings: Array


def scene_of(kind: Kind, seed: int) -> Scene:
    """The scene of a kind and a seed; the same on every machine with the same numpy."""
    random = np.random.default_rng([list(Kind).index(kind), seed])
    paths = paths_of(kind, random)
    boxes, share = _boxes(paths), visible_share(paths)
    kept = _arrivals(random) if kind is Kind.DROPPED else np.arange(len(times()))
    people = random.normal(size=(len(boxes), EMBEDDING_DIMS))
    people /= np.linalg.norm(people, axis=1, keepdims=True)
    asleep, alarms = _bursts(random, len(boxes)), _lasting_alarms(random)
    seen = [_detect(random, boxes[:, t], share[:, t], asleep[:, t], alarms[t], people) for t in kept]
    frame, person = np.nonzero(share[:, kept].T >= VISIBLE_SHARE)
    return Scene(
        time_s=times()[kept],
        det_frame=np.repeat(np.arange(len(kept)), [len(s.scores) for s in seen]),
        det_box=np.concatenate([s.boxes for s in seen]).astype(np.float32),
        det_score=np.concatenate([s.scores for s in seen]).astype(np.float32),
        det_embedding=np.concatenate([s.embeddings for s in seen]),
        gt_frame=frame,
        gt_person=person,
        gt_box=boxes[person, kept[frame]].astype(np.float32),
    )


def _boxes(paths: Paths) -> Array:
    """Boxes `(P, T, 4)` of whole faces."""
    half = np.stack([paths.width, paths.width * FACE_ASPECT], axis=-1) / 2
    return np.concatenate([paths.centre - half, paths.centre + half], axis=-1)


def visible_share(paths: Paths) -> Array:
    """Share of each face `(P, T)` that is in the picture and not behind a nearer face or a pillar."""
    boxes = _boxes(paths)
    # Measured on 10 x 10 points of each face.
    steps = (np.arange(10) + 0.5) / 10
    spots = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    share = np.empty(boxes.shape[:2])
    for person, box in enumerate(boxes):
        points = box[:, None, :2] + spots * (box[:, None, 2:] - box[:, None, :2])
        shown = ((points >= 0) & (points < FRAME_WH)).all(axis=-1)
        is_nearer = paths.width > paths.width[person]
        for other, nearer in zip(boxes, is_nearer, strict=True):
            shown &= ~(_inside(points, other[:, None]) & nearer[:, None])
        for pillar in paths.pillars:
            shown &= ~_inside(points, pillar)
        share[person] = shown.mean(axis=1)
    return share


def _inside(points: Array, box: Array) -> NDArray[np.bool_]:
    is_inside = (points >= box[..., :2]) & (points < box[..., 2:])
    return is_inside[..., 0] & is_inside[..., 1]


def _detect(
    random: Random, boxes: Array, share: Array, asleep: NDArray[np.bool_], alarms: Array, people: Array
) -> Seen:
    """A detector: hidden faces are missed or score low, boxes jitter, and there are false alarms."""
    chance = 0.98 * np.clip((share - 0.15) / 0.45, 0.0, 1.0) ** 0.5
    found = np.flatnonzero((share >= VISIBLE_SHARE) & ~asleep & (random.random(len(share)) < chance))
    scores = np.clip(0.32 + 0.58 * share[found] + random.normal(0, 0.06, len(found)), 0.05, 0.99)
    worse = 1.0 + 1.5 * (1.0 - share[found, None])
    embeddings = people[found] + random.normal(size=(len(found), EMBEDDING_DIMS)) * (
        EMBEDDING_NOISE * worse / EMBEDDING_DIMS**0.5
    )
    false = np.concatenate([alarms, _short_alarms(random)])
    strange = random.normal(size=(len(false), EMBEDDING_DIMS))
    both = np.concatenate([embeddings, strange])
    return Seen(
        np.concatenate([_jittered(random, boxes[found], worse), _jittered(random, false[:, :4], 1.0)]),
        np.concatenate([scores, false[:, 4]]),
        both / np.linalg.norm(both, axis=1, keepdims=True),
    )


def _jittered(random: Random, boxes: Array, worse: Array | float) -> Array:
    """Boxes with noise of 4 % of their size on the centre and 5 % on the size, times `worse`."""
    size = boxes[:, 2:] - boxes[:, :2]
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 + random.normal(size=size.shape) * 0.04 * size * worse
    half = size / 2 * np.exp(random.normal(size=size.shape) * 0.05 * worse)
    return np.concatenate([centre - half, centre + half], axis=1)


def _bursts(random: Random, people: int) -> NDArray[np.bool_]:
    """Frames `(P, T)` in which a face looks away: about one in ten seconds, 2 to 10 frames long."""
    asleep = np.zeros((people, len(times())), np.bool_)
    for person, frame in zip(*np.nonzero(random.random(asleep.shape) < 0.1 / FPS), strict=True):
        asleep[person, frame : frame + random.integers(2, 11)] = True
    return asleep


def _lasting_alarms(random: Random) -> list[Array]:
    """False alarms that stay for 2 to 15 frames, one in three seconds: box and score `(K, 5)` of each frame."""
    alarms: list[list[Array]] = [[] for _ in times()]
    for frame in np.flatnonzero(random.random(len(times())) < 0.33 / FPS):
        box = _somewhere(random)
        for later in alarms[frame : frame + random.integers(2, 16)]:
            later.append(np.append(box, np.clip(random.normal(0.55, 0.1), 0.05, 0.99)))
    return [np.array(a).reshape(-1, 5) for a in alarms]


def _short_alarms(random: Random) -> Array:
    """False alarms of one frame, one in six frames."""
    count = random.poisson(1 / 6)
    boxes = np.array([_somewhere(random) for _ in range(count)]).reshape(-1, 4)
    return np.concatenate([boxes, random.uniform(0.15, 0.75, (count, 1))], axis=1)


def _somewhere(random: Random) -> Array:
    width = random.uniform(40, 120)
    corner = random.uniform(0, 1, 2) * (FRAME_WH - width * np.array([1.0, FACE_ASPECT]))
    return np.concatenate([corner, corner + width * np.array([1.0, FACE_ASPECT])])


def _arrivals(random: Random) -> NDArray[np.int64]:
    """Frames that arrive: every fifteenth or so begins a pause of 1 to 10 frames."""
    lost = np.zeros(len(times()), np.bool_)
    for frame in np.flatnonzero(random.random(len(lost)) < 1 / 15):
        lost[frame : frame + random.integers(1, 11)] = True
    lost[0] = False
    return np.flatnonzero(~lost)
