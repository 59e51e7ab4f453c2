"""YOLO's text files: one beside each image, one line a box, in fractions of the image."""

from __future__ import annotations

from pathlib import Path

import yaml  # type: ignore[import-untyped]

from crystaledge.errors import DataError
from crystaledge.sources.images import list_images
from crystaledge_training.data.annotated import AnnotatedImage, BoxXyxy, Layout, Split, clamped_image
from crystaledge_training.data.annotation_files import finite, image_size_hw, malformed, read_lines, read_text, whole

NAMES = "data.yaml"

_LINE = "class xc yc w h, in fractions of the image from 0 to 1"
_ROUNDING = 1e-3
"""How far beyond 0 to 1 a fraction may be, by rounding."""
_COCO_2017 = {"person": 0}
"""What is known without `data.yaml`, where the folders are called `train2017` and `val2017`."""


def found_in(root: Path) -> bool:
    """Whether `root` holds labels, and images of either split."""
    return (root / "labels").is_dir() and any(_folders(root, split) for split in Split)


def read(root: Path, split: Split, category: str | None) -> list[AnnotatedImage]:
    """Images of a split, in natural order of their names; one without a label file has no object.

    The category is a name in `data.yaml`; without that file it is a class number, or `person` where
    the folders are COCO's.

    Raises:
        DataError: no folder or several for the split, a malformed line, an image that cannot be read, or
            an unknown category.
    """
    folder = _folder(root, split)
    labels = root / "labels" / folder.name
    if not labels.is_dir():
        msg = f"{root} has images/{folder.name} without labels/{folder.name}; add it, if only as an empty folder."
        raise DataError(msg)
    wanted = None if category is None else _class_numbers(root, folder.name, category)
    return [_image(path, labels / f"{path.stem}.txt", wanted) for path in list_images(folder)]


YOLO = Layout("YOLO", "images/{train,val}* and labels/{train,val}*", found_in, read)


def _folders(root: Path, split: Split) -> list[Path]:
    return sorted(path for path in (root / "images").glob(f"{split.value}*") if path.is_dir())


def _folder(root: Path, split: Split) -> Path:
    found = _folders(root, split)
    if len(found) != 1:
        names = [folder.name for folder in found]
        msg = f"{root / 'images'} holds {names or 'nothing'} for split {split.value!r}; expected one folder."
        raise DataError(msg)
    return found[0]


def _image(path: Path, label: Path, wanted: set[int] | None) -> AnnotatedImage:
    size_hw = image_size_hw(path)
    boxes: list[BoxXyxy] = []
    for row, line in enumerate(read_lines(label) if label.is_file() else []):
        if not line:
            continue
        try:
            number, box = _object(line, size_hw)
        except ValueError as error:
            raise malformed(label, f"line {row + 1}", line, _LINE) from error
        if wanted is None or number in wanted:
            boxes.append(box)
    return clamped_image(path, size_hw, boxes, [False] * len(boxes))


def _object(line: str, size_hw: tuple[int, int]) -> tuple[int, BoxXyxy]:
    number, *fractions = line.split()
    x, y, w, h = (finite(text) for text in fractions)
    if whole(number) < 0 or not all(-_ROUNDING <= value <= 1.0 + _ROUNDING for value in (x, y, w, h)):
        msg = "out of range"
        raise ValueError(msg)
    height, width = size_hw
    return whole(number), ((x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height)


def _class_numbers(root: Path, folder: str, category: str) -> set[int]:
    path = root / NAMES
    if path.is_file():
        names = _names(path)
        known = sorted(set(names.values()))
        found = {number for number, name in names.items() if name == category}
    else:
        coco = _COCO_2017 if folder.endswith("2017") else {}
        known = ["class numbers", *coco]
        found = {int(category)} if category.isdecimal() else {coco[category]} if category in coco else set()
    if not found:
        msg = f"{root} has no category {category!r}; {NAMES if path.is_file() else f'without {NAMES} it'} has {known}."
        raise DataError(msg)
    return found


def _names(path: Path) -> dict[int, str]:
    """Class names by number, from a list or a mapping."""
    try:
        content = yaml.load(read_text(path), Loader=yaml.BaseLoader)  # texts alone: a class may be called `no`
        names = content["names"]
        pairs = enumerate(names) if isinstance(names, list) else names.items()
        return {whole(number): str(name) for number, name in pairs}
    except (yaml.YAMLError, RecursionError, AttributeError, KeyError, TypeError, ValueError) as error:
        msg = f"{path} has no readable entry 'names'; expected a list of class names, or a mapping from class numbers."
        raise DataError(msg) from error
