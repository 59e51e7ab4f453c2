"""One line a box: `labels.csv` beside a folder `images`."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from crystaledge.errors import DataError
from crystaledge_training.data.annotated import AnnotatedImage, BoxXyxy, Layout, Split, clamped_image
from crystaledge_training.data.annotation_files import finite, malformed, path_below, read_text, whole

LABELS = "labels.csv"
CORNERS = ("xmin", "ymin", "xmax", "ymax")
COLUMNS = ("image", "split", "width", "height", *CORNERS, "class")
SPLITS = ("train", "val", "test")

_ROW = "image, split (train, val or test), width, height, xmin, ymin, xmax, ymax, class"


@dataclass(slots=True)
class _Image:
    """What the lines so far say about one image."""

    path: Path
    split: str
    size_hw: tuple[int, int]
    boxes: list[tuple[BoxXyxy, str]] = field(default_factory=list)


def found_in(root: Path) -> bool:
    """Whether `root` holds `labels.csv`."""
    return (root / LABELS).is_file()


def read(root: Path, split: Split, category: str | None) -> list[AnnotatedImage]:
    """Images of a split, in the order in which they first appear.

    Corners are whole-pixel indices counted from 0, both inclusive: the box of one pixel has
    `xmin == xmax`. A line whose corners are empty makes its image known without giving it a box.

    Raises:
        DataError: a malformed line, an image with two splits or sizes, or no box of the category.
    """
    images: dict[str, _Image] = {}
    for line, row in _rows(root / LABELS):
        try:
            _add(images, row, root / "images")
        except ValueError as error:
            found = ",".join(row[column] or "" for column in COLUMNS)
            raise malformed(root / LABELS, f"line {line} ({error})", found, _ROW) from error
    _require_category(root / LABELS, images, category)
    return [_finished(image, category) for image in images.values() if image.split == split.value]


CSV = Layout("CSV", f"{LABELS} beside images/", found_in, read)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(StringIO(read_text(path), newline=""), strict=True)
    try:
        if not set(COLUMNS) <= set(reader.fieldnames or ()):
            raise malformed(path, "line 1", ",".join(reader.fieldnames or ()), f"the columns {','.join(COLUMNS)}")
        for row in reader:
            if None in row or None in row.values():
                raise malformed(path, f"line {reader.line_num}", row["image"], "as many fields as columns")
            yield reader.line_num, row
    except csv.Error as error:
        msg = f"{path}, line {reader.reader.line_num}: {error}; expected comma-separated values."
        raise DataError(msg) from error


def _add(images: dict[str, _Image], row: dict[str, str], folder: Path) -> None:
    name, split, size_hw = row["image"], row["split"], (whole(row["height"]), whole(row["width"]))
    if split not in SPLITS:
        msg = "unknown split"
        raise ValueError(msg)
    image = images.setdefault(name, _Image(path_below(folder, name), split, size_hw))
    if (image.split, image.size_hw) != (split, size_hw):
        msg = "earlier lines give this image another split or size"
        raise ValueError(msg)
    if any(row[corner].strip() for corner in CORNERS):
        image.boxes.append((_half_open(row), row["class"]))


def _half_open(row: dict[str, str]) -> BoxXyxy:
    x1, y1, x2, y2 = (finite(row[corner]) for corner in CORNERS)
    if x2 < x1 or y2 < y1:
        msg = "corners out of order"
        raise ValueError(msg)
    return x1, y1, x2 + 1.0, y2 + 1.0


def _require_category(path: Path, images: dict[str, _Image], category: str | None) -> None:
    known = {name for image in images.values() for _, name in image.boxes}
    if category is not None and category not in known:
        msg = f"{path} has no box of class {category!r}; it has {sorted(known)}."
        raise DataError(msg)


def _finished(image: _Image, category: str | None) -> AnnotatedImage:
    boxes = [box for box, name in image.boxes if category in (None, name)]
    return clamped_image(image.path, image.size_hw, boxes, [False] * len(boxes))
