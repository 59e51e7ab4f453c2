"""Lays a picture over another by a smooth warp: what a sheet can do, however it is held and bent. Needs OpenCV."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float32]

_DAMPING = 1e-3
_OUTSIDE_PX = 1.5
"""Nearer to the border than this, neither a pixel nor its gradient is known."""
_INLIER_SPREADS = 3.0
_INLIER_GREY = 1.0
"""Grey levels by which every pixel may be off."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A picture laid over the reference."""

    warp: NDArray[np.float32]
    """`(2 B,)`: coefficients of the displacement in x, then in y, in pixels."""
    residual: Grey
    """`(S, S)` grey levels: the warped picture less the reference, with the light evened out."""
    seen: NDArray[np.bool_]
    """`(S, S)`: where both are known."""


def monomials(size: int, order: int) -> NDArray[np.float32]:
    """Powers `x^i y^j` with `i + j <= order`, x and y in [-1, 1]: `(size * size, B)`, in the order of `exponents`."""
    place = ((np.arange(size, dtype=np.float32) - (size - 1) / 2) * (2.0 / size)).astype(np.float32)
    y, x = np.meshgrid(place, place, indexing="ij")
    return np.stack([(x**i * y**j).ravel() for i, j in exponents(order)], axis=1)


def exponents(order: int) -> list[tuple[int, int]]:
    """(i, j) of every monomial."""
    return [(i, j) for i in range(order + 1) for j in range(order + 1 - i)]


def lifted(warp: NDArray[np.float32], *, order: int, to_order: int, zoom: float) -> NDArray[np.float32]:
    """The same warp as one of a higher order, in a picture that is `zoom` times larger."""
    low, high = exponents(order), exponents(to_order)
    places = [high.index(each) for each in low]
    coefficients = np.zeros((2, len(high)), np.float32)
    coefficients[:, places] = zoom * warp.reshape(2, -1)
    return coefficients.ravel()


class SmoothRegistration:
    """Gauss-Newton with the mean of both pictures' gradients (Malis, ICRA 2004: ESM), pixels that fit badly weighted
    down (Cauchy), and light that may change by a factor and a ramp.

    Args:
        reference: `(S, S)`.
        order: of the polynomial; 1 is affine, 2 covers tilt and bending of a sheet to second order.
    """

    def __init__(self, reference: Grey, *, order: int) -> None:
        size = len(reference)
        self._reference = reference
        self._gradient = _gradients(reference)
        self._basis = monomials(size, order)
        light = np.concatenate([reference.reshape(-1, 1) / 128.0, monomials(size, 1)], axis=1)
        moves = 2 * self._basis.shape[1]
        self._jacobian = np.concatenate([np.empty((size * size, moves), np.float32), light], axis=1)
        self._y, self._x = np.mgrid[:size, :size].astype(np.float32)
        self._inner = np.zeros((size, size), bool)
        self._inner[2:-2, 2:-2] = True

    @property
    def gradient_energy(self) -> Grey:
        """Squared gradient of the reference, `(S, S)`, in (grey levels per pixel)^2."""
        x, y = self._gradient
        return x * x + y * y

    def start(self) -> NDArray[np.float32]:
        """The warp that moves nothing."""
        return np.zeros(2 * self._basis.shape[1], np.float32)

    def lay(self, picture: Grey, start: NDArray[np.float32], *, steps: int, tolerance_px: float = 0.02) -> Registered:
        """Find the warp in at most so many steps."""
        warp = start
        moved, seen = self._warped(picture, warp)
        weights = seen.astype(np.float32)
        for _ in range(steps):
            change, residual = self._step(moved, weights)
            warp = warp - change
            moved, seen = self._warped(picture, warp)
            weights = _trust(residual, seen)  # of the place before this step: near enough, and half the work
            if np.abs(change).max() < tolerance_px:
                break
        _, residual = self._step(moved, weights)
        return Registered(warp, residual, seen)

    def _warped(self, picture: Grey, warp: NDArray[np.float32]) -> tuple[Grey, NDArray[np.bool_]]:
        size = len(picture)
        shift = (self._basis @ warp.reshape(2, -1).T).reshape(size, size, 2)
        x, y = self._x + shift[..., 0], self._y + shift[..., 1]
        last = size - 1 - _OUTSIDE_PX
        seen = self._inner & (x > _OUTSIDE_PX) & (x < last) & (y > _OUTSIDE_PX) & (y < last)
        moved = cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved, np.float32), seen

    def _step(self, moved: Grey, weights: Grey) -> tuple[NDArray[np.float32], Grey]:
        """Change of the warp, and what is left of each pixel when the light is evened out."""
        jacobian, count = self._jacobian, self._basis.shape[1]
        for number, (mine, other) in enumerate(zip(self._gradient, _gradients(moved), strict=True)):
            slope = ((mine + other) / 2).reshape(-1, 1)
            np.multiply(slope, self._basis, out=jacobian[:, number * count : (number + 1) * count])
        error = moved - self._reference
        weighted = jacobian * weights.reshape(-1, 1)
        normal = weighted.T @ jacobian
        diagonal = np.diag_indices(len(normal))
        normal[diagonal] = normal[diagonal] * (1 + _DAMPING) + _DAMPING
        solved = np.linalg.solve(normal, weighted.T @ error.ravel()).astype(np.float32)
        light = (jacobian[:, 2 * count :] @ solved[2 * count :]).reshape(error.shape)
        return solved[: 2 * count], error - light


def _gradients(picture: Grey) -> tuple[Grey, Grey]:
    x, y = (cv2.Sobel(picture, cv2.CV_32F, *axes, scale=1 / 8) for axes in ((1, 0), (0, 1)))
    return np.asarray(x, np.float32), np.asarray(y, np.float32)


def _trust(residual: Grey, seen: NDArray[np.bool_]) -> Grey:
    """Weights of pixels, 0 where one of the pictures is not known."""
    spread = _INLIER_SPREADS * float(np.median(np.abs(residual))) + _INLIER_GREY
    weights: Grey = (seen / (1.0 + (residual / np.float32(spread)) ** 2)).astype(np.float32)
    return weights
