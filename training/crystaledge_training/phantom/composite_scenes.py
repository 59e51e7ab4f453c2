"""Training pictures without end: faces of known place on backgrounds without faces.

Faces are LFW-like crops, in which the face always lies at `FACE_IN_CROP`; each is cut out softly, turned, lit,
sometimes masked or covered, and blended into a cut of a background. Patches of background are blended in by the very
same scissors, so that the seam says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from crystaledge.scene.person import draw_person
from crystaledge.scene.render import Pose, render_face
from crystaledge.sources.images import read_image
from crystaledge.systems.mnemosyne_contract import FACE_IN_CROP
from crystaledge_training.phantom.picture import Boxes, Picture, Pixels, clipped, cut, mirrored

_CACHED_BACKGROUNDS = 400
_FACE_PX = (6.5, 60.0)
_MOST_FACES = 5
_DECOYS = 0.3
"""Share of pasted things that are no face."""
_DRAWN = 0.08
"""Share of faces that are drawn, so that the embedded scene, which shows nobody, is seen as well."""
_MASKED = 0.45
_COVERED = 0.15
_WHOLE_CROP = 0.25
"""Share of faces that keep the surroundings they were photographed in."""


class CompositeScenes:
    """Faces pasted on backgrounds.

    Args:
        faces: files of square crops with the face at `FACE_IN_CROP`.
        backgrounds: image files that show no face.
        size_px: side of the square pictures.
    """

    def __init__(self, faces: Sequence[Path], backgrounds: Sequence[Path], *, size_px: int) -> None:
        self._faces, self._backgrounds = faces, backgrounds
        self._size = size_px
        self._background = lru_cache(maxsize=_CACHED_BACKGROUNDS)(_rgb)

    def draw(self, random: np.random.Generator) -> Picture:
        """One picture; the same for the same state of `random`."""
        pixels = self.scenery(random, self._size)
        boxes: list[NDArray[np.float32]] = []
        for _ in range(random.integers(1, _MOST_FACES + 1)):
            side, place = self._free_place(random, boxes)
            if place is None:
                continue
            decoy = random.random() < _DECOYS
            patch = self.scenery(random, 128) if decoy else self.face(random)
            turn = 0.0 if decoy else float(random.normal(0.0, 9.0))
            box = _paste(pixels, patch, place, side, turn_deg=turn, random=random)
            if not decoy:
                boxes.append(box)
        found: Boxes = np.array(boxes, np.float32).reshape(-1, 4)
        picture = clipped(Picture(pixels, found, np.ones(len(found), np.int64)))
        return mirrored(picture) if random.random() < 0.5 else picture

    def scenery(self, random: np.random.Generator, side: int) -> Pixels:
        """A square cut of a background, or a smooth texture."""
        if random.random() < 0.12:
            return _texture(random, side)
        image = self._background(self._backgrounds[int(random.integers(len(self._backgrounds)))])
        height, width = image.shape[:2]
        scale = float(side / min(height, width) * np.exp(random.uniform(0.0, 1.3)))
        reach = side / scale / 2
        centre = random.uniform(reach, max(width - reach, reach)), random.uniform(reach, max(height - reach, reach))
        bare = Picture(image, np.empty((0, 4), np.float32), np.empty(0, np.int64))
        return cut(bare, centre_xy=centre, scale=scale, size_hw=(side, side)).pixels.copy()

    def _free_place(
        self, random: np.random.Generator, boxes: Sequence[NDArray[np.float32]]
    ) -> tuple[float, tuple[float, float] | None]:
        """Side of the crop in pixels, and its centre, away from the faces that are there."""
        face = float(np.exp(random.uniform(*np.log(_FACE_PX))))
        side = face / _face_share()
        for _ in range(8):
            x, y = random.uniform(0.0, self._size, 2).tolist()
            if all(
                max(abs(x - b[[0, 2]].mean()), abs(y - b[[1, 3]].mean())) > 0.7 * (face + b[2] - b[0]) for b in boxes
            ):
                return side, (x, y)
        return side, None

    def face(self, random: np.random.Generator) -> Pixels:
        """A crop of a face, lit, sometimes masked or covered."""
        if random.random() < _DRAWN:
            return _drawn_face(random)
        crop = _rgb(self._faces[int(random.integers(len(self._faces)))]).copy()
        if random.random() < _MASKED:
            _put_on_mask(crop, random)
        if random.random() < _COVERED:
            _cover(crop, random)
        gain = random.uniform(0.55, 1.25) * (1.0 + random.uniform(-0.08, 0.08, 3))
        return np.clip(crop * gain + random.uniform(-12, 12), 0, 255).astype(np.uint8)

    @property
    def face_share(self) -> float:
        """Size of the face over the side of its crop."""
        return _face_share()

    @staticmethod
    def paste(
        pixels: Pixels, patch: Pixels, centre_xy: tuple[float, float], side: float, *, seed: int
    ) -> NDArray[np.float32]:
        """Blend a patch into `pixels`, with the same scissors for the same seed, and return the box of its face."""
        return _paste(pixels, patch, centre_xy, side, turn_deg=0.0, random=np.random.default_rng(seed))


def _paste(
    pixels: Pixels,
    patch: Pixels,
    centre_xy: tuple[float, float],
    side: float,
    *,
    turn_deg: float,
    random: np.random.Generator,
) -> NDArray[np.float32]:
    """Blend a square patch into `pixels` and return the box that its face has there."""
    if side < 0.7 * len(patch):
        small = max(2, round(side))
        patch = cv2.resize(patch, (small, small), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    source = len(patch)
    matrix = cv2.getRotationMatrix2D((source / 2, source / 2), turn_deg, side / source)
    matrix = matrix + np.array([[0.0, 0.0, centre_xy[0] - source / 2], [0.0, 0.0, centre_xy[1] - source / 2]])
    size = pixels.shape[1], pixels.shape[0]
    warped = cv2.warpAffine(patch, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.warpAffine(_scissors(source, random), matrix, size)[:, :, None]
    pixels[...] = (pixels + mask * (warped.astype(np.float32) - pixels)).round().astype(np.uint8)
    x1, y1, x2, y2 = (source * share for share in FACE_IN_CROP)
    middle = matrix @ np.array([(x1 + x2) / 2, (y1 + y2) / 2, 1.0])
    half = np.array([x2 - x1, y2 - y1]) * side / source / 2
    return np.concatenate([middle - half, middle + half]).astype(np.float32)


def _scissors(side: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Weights `(side, side)` of a patch: a soft ellipse around the head, or nearly the whole crop."""
    axis = (np.arange(side, dtype=np.float32) + 0.5) / side
    x, y = axis[None, :] - 0.5, axis[:, None] - 0.53
    if random.random() < _WHOLE_CROP:
        radius = np.maximum(np.abs(x), np.abs(y - 0.03)) / 0.49
    else:
        radius = np.sqrt((x / random.uniform(0.37, 0.44)) ** 2 + (y / random.uniform(0.46, 0.5)) ** 2)
    weights: NDArray[np.float32] = np.clip((1.0 - radius) * random.uniform(6.0, 14.0), 0.0, 1.0).astype(np.float32)
    return weights


def _drawn_face(random: np.random.Generator) -> Pixels:
    """A face of the embedded scene, which lies in its crop as a photographed one does."""
    turn, tilt, mouth = random.uniform(-0.9, 0.9), random.normal(0.0, 0.1), random.uniform(0.0, 1.0)
    pose = Pose(
        turn=float(turn), tilt_rad=float(tilt), mouth_open=float(mouth), scale=float(random.uniform(0.95, 1.05))
    )
    grounds = random.uniform(60.0, 200.0, 3).tolist()
    person = draw_person(int(random.integers(1_000_000, 2_000_000)))  # those of demos and tests have small numbers
    drawn = render_face(person, pose, side=128, background=(grounds[0], grounds[1], grounds[2]))
    return np.clip(drawn, 0, 255).astype(np.uint8)


def _put_on_mask(crop: Pixels, random: np.random.Generator) -> None:
    """Paint a face mask from the bridge of the nose to below the chin."""
    side = len(crop)
    top, bottom = random.uniform(0.52, 0.62), random.uniform(0.9, 0.99)
    half_top, half_low = random.uniform(0.28, 0.36), random.uniform(0.12, 0.24)
    corners = [(0.5 - half_top, top + 0.05), (0.5, top), (0.5 + half_top, top + 0.05)]
    corners += [(0.5 + half_top * 0.95, 0.78), (0.5 + half_low, bottom), (0.5 - half_low, bottom)]
    corners += [(0.5 - half_top * 0.95, 0.78)]
    shape = (np.array(corners) * side).round().astype(np.int32)
    light = random.uniform(20, 250)
    tint = np.clip(light + random.normal(0.0, 25.0, 3), 0, 255)
    painted = crop.copy()
    cv2.fillPoly(painted, [shape], tint.tolist(), lineType=cv2.LINE_AA)
    for y in np.linspace(top + 0.08, bottom - 0.08, 4) * side:  # folds
        left, right = round((0.5 - half_low) * side), round((0.5 + half_low) * side)
        cv2.line(painted, (left, round(y)), (right, round(y)), (tint * 0.9).tolist(), 1, cv2.LINE_AA)
    shade = np.linspace(random.uniform(0.7, 1.0), random.uniform(0.7, 1.0), side)[None, :, None]
    crop[...] = np.where(painted != crop, painted * shade, crop).astype(np.uint8)


def _cover(crop: Pixels, random: np.random.Generator) -> None:
    """Put something before a part of the face."""
    side = len(crop)
    centre = (random.uniform(0.1, 0.9, 2) * side).astype(int).tolist()
    axes = (random.uniform(0.1, 0.3, 2) * side).astype(int).tolist()
    colour = random.uniform(0, 255, 3).tolist()
    cv2.ellipse(crop, centre, axes, float(random.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)


def _texture(random: np.random.Generator, side: int) -> Pixels:
    """Smooth noise of a random grain and colour."""
    cells = int(random.integers(2, 20))
    noise = random.normal(0.0, random.uniform(5, 50), (cells, cells, 3)) + random.uniform(0, 255, 3)
    coarse = np.clip(noise, 0, 255).astype(np.uint8)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC).astype(np.uint8, copy=False)


def _face_share() -> float:
    x1, y1, x2, y2 = FACE_IN_CROP
    return float(np.sqrt((x2 - x1) * (y2 - y1)))


def _rgb(path: Path) -> Pixels:
    return np.ascontiguousarray(read_image(path)[:, :, ::-1])
