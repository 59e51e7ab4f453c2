"""What cameras may show, and whether a detector's cached maps are what a whole pass over the held image gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from crystaledge.detection.camera_view import CameraView
from crystaledge.detection.detector import IMAGE, Detector, Look
from crystaledge.preprocessing.preprocessor import normalisation_table
from tests.runtime.detection.networks import engine, frame, spec_of, texture

Array = NDArray[np.float32]
Image = NDArray[np.uint8]
Size = tuple[int, int]

MOVES = ("still", "patch", "blink", "pixel", "noise", "pan", "cut", "light")
SIZES = ((128, 128), (96, 160))


@dataclass(frozen=True, slots=True)
class Event:
    """What one camera shows next."""

    move: str
    seed: int
    boxes: int = 0
    """So many tracks claim to explain the movement."""


@dataclass(slots=True)
class Camera:
    """Turns events into frames."""

    name: str
    size_hw: Size
    image: Image = field(init=False)
    patch_yx: Size = (30, 30)

    def __post_init__(self) -> None:
        self.image = texture(self.size_hw, len(self.name))

    def show(self, event: Event) -> Image:
        random = np.random.default_rng(event.seed)
        match event.move:
            case "patch":
                self._move_patch(random)
            case "blink":
                self._invert(*self._border(random), side=int(random.integers(1, 9)))
            case "pixel":
                self._invert(*(int(random.integers(0, size)) for size in self.size_hw), side=1)
            case "pan":
                self.image = np.roll(self.image, tuple(random.integers(-3, 4, 2)), axis=(0, 1))
            case "cut":
                self.image = texture(self.size_hw, event.seed + 1000)
            case "light":
                self.image = np.clip(self.image.astype(int) + random.integers(-20, 21), 0, 255).astype(np.uint8)
            case "noise":
                noisy = self.image + random.normal(0.0, 2.0, self.image.shape)
                return np.rint(noisy).clip(0, 255).astype(np.uint8)
        return self.image

    def boxes(self, event: Event) -> Array:
        """Where tracks say their faces are: around the patch, and anywhere."""
        random = np.random.default_rng(event.seed + 7)
        y, x = self.patch_yx
        boxes = [[x - 4, y - 4, x + 16, y + 16]]
        for _ in range(event.boxes):
            left, top = random.uniform(-20, max(self.size_hw), 2)
            boxes.append([left, top, left + random.uniform(4, 60), top + random.uniform(4, 60)])
        return np.array(boxes[: event.boxes], np.float32).reshape(-1, 4)

    def _move_patch(self, random: np.random.Generator) -> None:
        self._paint(self.patch_yx, np.full((12, 12, 3), 128, np.uint8))
        shift = random.integers(-9, 10, 2)
        y, x = np.clip(np.add(self.patch_yx, shift), 0, np.subtract(self.size_hw, 12))
        self.patch_yx = int(y), int(x)
        self._paint(self.patch_yx, random.integers(0, 256, (12, 12, 3), dtype=np.uint8))

    def _paint(self, place: Size, pixels: Image) -> None:
        self.image[place[0] : place[0] + 12, place[1] : place[1] + 12] = pixels

    def _border(self, random: np.random.Generator) -> Size:
        """A place on a side of the image, half of the time in a corner."""
        places = [int(random.integers(0, size)) for size in self.size_hw]
        for axis in {int(random.integers(0, 2)), int(random.integers(0, 2))}:
            places[axis] = int(random.choice([0, self.size_hw[axis] - 1]))
        return places[0], places[1]

    def _invert(self, y: int, x: int, *, side: int) -> None:
        part = self.image[y : y + side, x : x + side]
        part[...] = np.where(part < 128, 255, 0)


EVENTS = st.builds(Event, st.sampled_from(MOVES), st.integers(0, 10_000), st.integers(0, 3))


def play(detector: Detector, stories: Sequence[Sequence[Event]]) -> Iterator[dict[str, Look]]:
    """Shows every camera's story at once, a frame of each at a time."""
    cameras = [Camera("c" * (number + 1), detector.size_hw) for number in range(len(stories))]
    for events in zip(*stories, strict=True):
        shown = [frame(c.show(event), c.name) for c, event in zip(cameras, events, strict=True)]
        boxes = [c.boxes(event) for c, event in zip(cameras, events, strict=True)]
        looks = detector.look(shown, boxes)
        yield {c.name: look for c, look in zip(cameras, looks, strict=True)}


def difference(view: CameraView, size_hw: Size) -> float:
    """The largest difference between the cached maps and whole passes over the held image, stale cells left out."""
    return max(
        float((np.abs(octave.maps[name] - values) * ~octave.stale).max())
        for octave, maps in zip(view.octaves, dense_maps(view, size_hw), strict=True)
        for name, values in maps.items()
    )


def dense_maps(view: CameraView, size_hw: Size) -> Iterator[dict[str, Array]]:
    """The maps of every octave from nothing but the pixels that are held."""
    table = normalisation_table(spec_of(size_hw))
    image = np.stack([table[channel][view.held.pixels[..., channel]] for channel in range(3)]).astype(np.float64)
    for _ in view.octaves:
        maps = engine((image.shape[1], image.shape[2])).run({IMAGE: image[None].astype(np.float32)})
        yield {name: values[0] for name, values in maps.items()}
        image = image.reshape(3, image.shape[1] // 2, 2, image.shape[2] // 2, 2).mean(axis=(2, 4))
