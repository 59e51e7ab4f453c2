"""Scenes that ask a gate different questions, made from one place: a clip, or the drawn crowd."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Sized
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crystaledge.scene.crowd import CrowdConfig
from crystaledge.sources.frame import Frame

Pixels = NDArray[np.uint8]

ACTIVE, STILL, FLICKER, PAN, CORNER = "active", "still", "flicker", "pan", "corner"
FRAMES_PER_S = 15.0
_NOISE = 2.0
"""Standard deviation of the sensor, grey levels."""
_GAIN = 0.1
_PAN_PX = 4
"""Of the window, a frame."""
_CORNER, _BLINK_FRAMES = 8, 5
"""The corner's sides are an eighth of the frame's; it changes every fifth frame."""
_FIELDS = 16
_TILES = 3
"""A side of the large frame over that of the film's: 1080 lines where those have 360."""
CROWD = CrowdConfig(people=4, size_hw=(360, 640), frames_per_s=FRAMES_PER_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What scenes are made of."""

    name: str
    film: Sequence[Frame]
    """As it is."""
    still: Frame
    """One frame of it."""
    wide: Frame
    """A larger frame that a window moves over: nine frames of the film side by side."""


def place_of(name: str, film: Sequence[Frame], look: Callable[[Frame], Sized]) -> Place:
    """A place as a film shows it; the still frame is that of nine in which most faces are seen.

    Args:
        look: finds faces.
    """
    nine = [film[int((place + 0.5) * len(film) / _TILES**2)] for place in range(_TILES**2)]
    rows = [np.concatenate([f.pixels for f in nine[row::_TILES]], axis=1) for row in range(_TILES)]
    wide = replace(nine[0], pixels=np.concatenate(rows, axis=0))
    return Place(name=name, film=film, still=max(nine, key=lambda frame: len(look(frame))), wide=wide)


def scenes_of(place: Place, frames: int) -> dict[str, Callable[[], Iterator[Frame]]]:
    """Each scene by name; equal every time that it is made."""
    return {
        ACTIVE: lambda: iter(place.film[:frames]),
        STILL: lambda: _filmed(place.still, frames, lambda pixels, index: pixels),
        FLICKER: lambda: _filmed(place.still, frames, _flickering),
        PAN: lambda: _panned(place, frames),
        CORNER: lambda: _filmed(place.still, frames, _blinking),
    }


def _filmed(frame: Frame, frames: int, change: Callable[[Pixels, int], Pixels]) -> Iterator[Frame]:
    """One frame over and over, changed and with a sensor's noise."""
    noise = _noise_fields(frame.pixels.shape)
    random = np.random.default_rng(2)
    for index in range(frames):
        grain = np.roll(noise[index % _FIELDS], random.integers(0, 64, 2), axis=(0, 1))
        seen = np.clip(change(frame.pixels, index) + grain, 0, 255).astype(np.uint8)
        yield replace(frame, pixels=seen, index=index, time_s=index / FRAMES_PER_S)


def _noise_fields(shape: tuple[int, ...]) -> NDArray[np.int16]:
    random = np.random.default_rng(1)
    return np.stack([np.rint(random.normal(0.0, _NOISE, shape)).astype(np.int16) for _ in range(_FIELDS)])


def _flickering(pixels: Pixels, index: int) -> Pixels:
    """The lamps are another each frame."""
    gain = 1.0 + np.random.default_rng((3, index)).uniform(-_GAIN, _GAIN)
    lit: Pixels = np.clip(np.rint(pixels * np.float32(gain)), 0, 255).astype(np.uint8)
    return lit


def _blinking(pixels: Pixels, index: int) -> Pixels:
    """A lamp or a clock in the corner."""
    if index // _BLINK_FRAMES % 2 == 0:
        return pixels
    changed = pixels.copy()
    corner = changed[: pixels.shape[0] // _CORNER, : pixels.shape[1] // _CORNER]
    corner[...] = 255 - corner
    return changed


def _panned(place: Place, frames: int) -> Iterator[Frame]:
    """A window as large as the place's frames moves to and fro over the large frame."""
    limits = place.wide.pixels.shape[:2]
    height, width = (limit // _TILES for limit in limits)
    room, top = limits[1] - width, (limits[0] - height) // 3
    noise = _noise_fields((height, width, 3))
    for index in range(frames):
        way = index * _PAN_PX % (2 * room) if room else 0
        left = min(way, 2 * room - way)
        seen = place.wide.pixels[top : top + height, left : left + width] + noise[index % _FIELDS]
        pixels = np.clip(seen, 0, 255).astype(np.uint8)
        yield replace(place.wide, pixels=pixels, index=index, time_s=index / FRAMES_PER_S)
