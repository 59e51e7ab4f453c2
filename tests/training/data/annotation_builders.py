"""Drawn data sets: a few grey images with boxes on whole pixels, and folders to write them in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import strategies as st
from PIL import Image

from crystaledge.errors import DataError
from crystaledge_training.data.annotated import Split
from crystaledge_training.data.annotations import read_annotations
from tests.support.messages import message_of

Corners = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Drawn:
    """What an image file and its annotations are to say."""

    name: str
    size_hw: tuple[int, int]
    boxes: tuple[Corners, ...] = ()
    """x1, y1, x2, y2 in pixels, half-open, inside the image."""
    ignored: tuple[bool, ...] = ()
    category: tuple[str, ...] = ()


@st.composite
def drawn_images(draw: st.DrawFn) -> list[Drawn]:
    """One to four images with up to four boxes each, of categories `cat` and `dog`."""
    images = []
    for number in range(draw(st.integers(1, 4))):
        height, width = draw(st.integers(2, 50)), draw(st.integers(2, 50))
        boxes = [_box(draw, height, width) for _ in range(draw(st.integers(0, 4)))]
        ignored = tuple(draw(st.booleans()) for _ in boxes)
        category = tuple(draw(st.sampled_from(["cat", "dog"])) for _ in boxes)
        images.append(Drawn(f"image{number}.png", (height, width), tuple(boxes), ignored, category))
    return images


def _box(draw: st.DrawFn, height: int, width: int) -> Corners:
    x1, y1 = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    return x1, y1, draw(st.integers(x1 + 1, width)), draw(st.integers(y1 + 1, height))


def write_images(folder: Path, images: Sequence[Drawn]) -> None:
    """Grey image files of the sizes drawn."""
    for image in images:
        path = folder / image.name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", image.size_hw[::-1], 128).save(path)


def assert_read_as_drawn(
    root: Path, images: Sequence[Drawn], *, category: str | None = None, with_ignored: bool = True
) -> None:
    """The training split of `root` is what was drawn, in its order."""
    found = read_annotations(root, split=Split.TRAIN, category=category)
    assert [image.path.name for image in found.images] == [Path(drawn.name).name for drawn in images]
    for image, drawn in zip(found.images, images, strict=True):
        kept = [row for row in range(len(drawn.boxes)) if category is None or drawn.category[row] == category]
        assert image.path.is_file()
        assert image.size_hw == drawn.size_hw
        assert image.box_xyxy.round(3).tolist() == [list(drawn.boxes[row]) for row in kept]
        assert image.ignored.tolist() == [with_ignored and drawn.ignored[row] for row in kept]


def refusal(root: Path, *, split: Split = Split.TRAIN, category: str | None = None) -> str:
    """The one line that a folder is refused with."""
    with pytest.raises(DataError) as raised:
        read_annotations(root, split=split, category=category)
    return message_of(raised)


def read_or_refused(root: Path, *, category: str | None = None) -> None:
    """Whatever a file holds, it is read or refused with one line, and nothing else happens."""
    try:
        read_annotations(root, split=Split.TRAIN, category=category)
    except DataError as error:
        assert len(str(error).splitlines()) == 1


@st.composite
def spoiled_text(draw: st.DrawFn, original: str) -> bytes:
    """A text of which one to three pieces are replaced by noise, by numbers, or by another piece of it."""
    data = original.encode()
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 12)))
        elsewhere = draw(st.integers(0, len(data)))
        piece = draw(
            st.binary(max_size=8)
            | st.text(max_size=6).map(lambda text: text.encode("utf-8", "surrogatepass"))
            | st.sampled_from([b"nan", b"-1", b"1e999", b"9" * 5000, b"1e300", b"../a", b"\n", b",", b'"', b"\0", b" "])
            | st.just(data[elsewhere : elsewhere + 12])
        )
        data = data[:start] + piece + data[end:]
    return data
