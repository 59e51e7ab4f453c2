"""Box annotations in any of the layouts known here: finds out which one a folder has, and reads it."""

from __future__ import annotations

from pathlib import Path

from crystaledge.errors import DataError
from crystaledge_training.data.annotated import AnnotatedImage, AnnotatedSet, Layout, Split
from crystaledge_training.data.annotation_files import is_file
from crystaledge_training.data.annotations_coco import COCO
from crystaledge_training.data.annotations_csv import CSV
from crystaledge_training.data.annotations_wider import WIDER
from crystaledge_training.data.annotations_yolo import YOLO

__all__ = ["LAYOUTS", "AnnotatedImage", "AnnotatedSet", "Split", "layout_of", "read_annotations"]

LAYOUTS = (CSV, WIDER, COCO, YOLO)


def read_annotations(root: Path, *, split: Split, category: str | None = None) -> AnnotatedSet:
    """All images of one split, with the boxes of one category.

    Args:
        category: name of the objects wanted; None takes all boxes, whatever they are of. Images without
            such an object are kept.

    Raises:
        DataError: no layout or two are there, a file is missing or malformed, the split has no image, or
            nothing is called `category`.
    """
    layout = layout_of(root)
    images = layout.read(root, split, category)
    if not images:
        msg = f"{root} ({layout.name}) has no image of split {split.value!r}; give a folder that holds this split."
        raise DataError(msg)
    _require_files(root, images)
    return AnnotatedSet(root, tuple(images), _describe(root, layout, split, category, images))


def layout_of(root: Path) -> Layout:
    """The one layout that a folder has.

    Raises:
        DataError: none or several.
    """
    found = [layout for layout in LAYOUTS if layout.found_in(root)]
    if len(found) == 1:
        return found[0]
    if found:
        names = " and ".join(layout.name for layout in found)
        msg = f"{root} holds annotations of {names}; keep one of them, since they may contradict each other."
    else:
        known = "; ".join(f"{layout.name}: {layout.expected}" for layout in LAYOUTS)
        msg = f"{root} holds no annotations that are known here; expected one of {known}."
    raise DataError(msg)


def _require_files(root: Path, images: list[AnnotatedImage]) -> None:
    missing = [image.path for image in images if not is_file(image.path)]
    if missing:
        msg = (
            f"{root} lacks {len(missing)} of {len(images)} annotated images, first {str(missing[0])!r}; "
            "add them, or remove their annotations."
        )
        raise DataError(msg)


def _describe(root: Path, layout: Layout, split: Split, category: str | None, images: list[AnnotatedImage]) -> str:
    boxes = sum(len(image.ignored) for image in images)
    ignored = sum(int(image.ignored.sum()) for image in images)
    of = "" if category is None else f" of {category!r}"
    counted = f"{len(images)} images, {boxes} boxes{of}, {ignored} of them ignored"
    return f"folder {root.name!r} ({layout.name}), {split.value}: {counted}"
