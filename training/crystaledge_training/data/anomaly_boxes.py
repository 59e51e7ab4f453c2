"""Boxes on defect images: one line a box in `labels.csv`, as DeepPCB's were put down."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path

from crystaledge.errors import DataError
from crystaledge_training.data.annotated import BoxXyxy
from crystaledge_training.data.annotation_files import finite, malformed, read_text

LABELS = "labels.csv"
COLUMNS = ("image", "xmin", "ymin", "xmax", "ymax")


def read_boxes(path: Path) -> Mapping[str, tuple[BoxXyxy, ...]]:
    """Boxes by file name of their image: x1, y1, x2, y2 in pixels, half-open. Other columns are not looked at.

    Raises:
        DataError: a column is missing, or a line is malformed.
    """
    boxes: dict[str, tuple[BoxXyxy, ...]] = {}
    for line, row in _rows(path):
        try:
            box = _box(row)
        except ValueError as error:
            found = ",".join(row[column] or "" for column in COLUMNS)
            raise malformed(path, f"line {line} ({error})", found, ",".join(COLUMNS)) from error
        boxes[row["image"]] = (*boxes.get(row["image"], ()), box)
    return boxes


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


def _box(row: dict[str, str]) -> BoxXyxy:
    x1, y1, x2, y2 = (finite(row[corner]) for corner in COLUMNS[1:])
    if not (x1 < x2 and y1 < y2):
        msg = "corners out of order"
        raise ValueError(msg)
    return x1, y1, x2, y2
