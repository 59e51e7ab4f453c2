"""How much of a face moved in a way that no sheet can: what is left when a picture was laid over the reference."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from crystaledge.liveness.registration import Grey, Registered, SmoothRegistration, lifted

SIDE_PX = 96
"""Of the square crops that are compared."""
_CELLS = 12
_BLUR_PX = 1.0
"""Takes noise, which moves on its own, before anything is compared."""
_NOISE_ENERGY = 10.0
"""Per pixel, (grey levels per pixel)^2: where edges are weaker, a residual is noise rather than motion."""
_LEVELS = ((1, 10), (1, 8), (2, 6))
"""Order of the warp and most steps, at a quarter, a half and the whole size; 2 is a sheet that is tilted and bent."""
_SEEN_SHARE = 0.5
_LOST_PX2 = 1.5**2
"""Where half of all cells move more, nothing was laid over anything: a face turned away, or a hard shake."""


class FaceReference:
    """One look at a face, with which later ones are compared.

    Args:
        face: uint8 `(H, W, 3)`, a square crop in any colour order.
    """

    def __init__(self, face: NDArray[np.uint8]) -> None:
        pictures = _reduced(compared_grey(face))
        self._registrations = [
            SmoothRegistration(picture, order=order) for picture, (order, _) in zip(pictures, _LEVELS, strict=True)
        ]
        self._edges = self._registrations[-1].gradient_energy

    def unexplained_px2(self, face: NDArray[np.uint8]) -> float | None:
        """Squared displacement, in pixels of a crop of 96, that would explain what the warp of a sheet does not.

        It is the largest over the inner cells of 8 x 8 px of residual energy over gradient energy (the optical-flow
        constraint of Horn and Schunck, 1981, solved for the length). None where less than half can be compared, or the
        pictures could not be laid over each other.
        """
        laid = self._laid(face)
        cells = self._by_cell(laid)[1:-1, 1:-1]
        if laid.seen.mean() < _SEEN_SHARE or np.median(cells) > _LOST_PX2:
            return None
        return float(cells.max())

    def _laid(self, face: NDArray[np.uint8]) -> Registered:
        pictures = _reduced(compared_grey(face))
        laid: Registered | None = None
        for number, (picture, (order, steps)) in enumerate(zip(pictures, _LEVELS, strict=True)):
            registration = self._registrations[number]
            start = registration.start()
            if laid is not None:
                start = lifted(laid.warp, order=_LEVELS[number - 1][0], to_order=order, zoom=2.0)
            laid = registration.lay(picture, start, steps=steps)
        assert laid is not None
        return laid

    def _by_cell(self, laid: Registered) -> NDArray[np.float64]:
        residual = _cell_sums(laid.residual**2 * laid.seen)
        edges = _cell_sums((self._edges + _NOISE_ENERGY) * laid.seen)
        return residual / np.maximum(edges, 1.0)


def compared_grey(face: NDArray[np.uint8]) -> Grey:
    """The mean of the colours of a crop at 96 x 96 px, a little blurred."""
    small = cv2.resize(face, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    grey = small.mean(axis=2, dtype=np.float32)
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), _BLUR_PX), np.float32)


def _reduced(grey: Grey) -> list[Grey]:
    """The picture at a quarter, a half and whole."""
    pictures = [grey]
    for _ in range(len(_LEVELS) - 1):
        finer = pictures[0]
        side = len(finer) // 2
        half = finer.reshape(side, 2, side, 2).mean(axis=(1, 3), dtype=np.float32)
        pictures.insert(0, np.asarray(cv2.GaussianBlur(half, (0, 0), _BLUR_PX), np.float32))
    return pictures


def _cell_sums(values: NDArray[np.float32]) -> NDArray[np.float64]:
    step = SIDE_PX // _CELLS
    return np.asarray(values.reshape(_CELLS, step, _CELLS, step).sum(axis=(1, 3), dtype=np.float64))
