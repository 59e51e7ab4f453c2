"""COCO's instances (Lin et al., Microsoft COCO, ECCV 2014), and what is written like them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crystaledge.errors import DataError
from crystaledge_training.data.annotated import AnnotatedImage, BoxXyxy, Layout, Split, clamped_image
from crystaledge_training.data.annotation_files import finite, is_file, malformed, path_below, read_text, whole

FOLDER = "annotations"


@dataclass(slots=True)
class _Image:
    """What the file says about one image."""

    path: Path
    size_hw: tuple[int, int]
    boxes: list[BoxXyxy] = field(default_factory=list)
    crowd: list[bool] = field(default_factory=list)


def found_in(root: Path) -> bool:
    """Whether `root` holds instances of either split."""
    return any(_candidates(root, split) for split in Split)


def annotation_file(root: Path, split: Split) -> Path:
    """The file of a split: `instances_train2017.json`, or else the only `instances_*train*.json`.

    Raises:
        DataError: there is none, or several to choose from.
    """
    found = _candidates(root, split)
    official = [path for path in found if path.name == f"instances_{split.value}2017.json"]
    chosen = official or found
    if len(chosen) != 1:
        names = [path.name for path in chosen]
        msg = f"{root / FOLDER} holds {names or 'nothing'} for split {split.value!r}; expected one file."
        raise DataError(msg)
    return chosen[0]


def read(root: Path, split: Split, category: str | None) -> list[AnnotatedImage]:
    """Images of a split, in the order of the file; crowds are ignored boxes, those without area are left out.

    Of `instances_train2017.json` the images lie in `train2017`, `images/train2017`, `images` or `root`
    itself: the first of these that holds the first image.

    Raises:
        DataError: no file or several for the split, a malformed entry, or an unknown category.
    """
    path = annotation_file(root, split)
    content = _parse(path)
    wanted = _category_ids(path, content, category)
    images = _images(root, path, content)
    for number, entry in enumerate(_entries(path, content, "annotations")):
        try:
            _add(images, entry, wanted)
        except (KeyError, TypeError, ValueError) as error:
            expected = "image_id of an image, category_id, bbox [x, y, width, height]"
            raise malformed(path, f"annotations[{number}]", entry, expected) from error
    return [clamped_image(i.path, i.size_hw, i.boxes, i.crowd) for i in images.values()]


COCO = Layout("COCO", "annotations/instances_*{train,val}*.json", found_in, read)


def _candidates(root: Path, split: Split) -> list[Path]:
    return sorted((root / FOLDER).glob(f"instances_*{split.value}*.json"))


def _parse(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        msg = f"{path} is no JSON ({reason}); expected COCO instances."
        raise DataError(msg) from error
    if not isinstance(content, dict):
        raise malformed(path, "top level", type(content).__name__, "an object with images, annotations, categories")
    return content


def _entries(path: Path, content: dict[str, Any], key: str) -> list[Any]:
    entries = content.get(key)
    if not isinstance(entries, list):
        raise malformed(path, f"entry {key!r}", type(entries).__name__, "a list")
    return entries


def _category_ids(path: Path, content: dict[str, Any], category: str | None) -> set[int] | None:
    if category is None:
        return None
    ids: dict[str, set[int]] = {}
    for number, entry in enumerate(_entries(path, content, "categories")):
        try:
            ids.setdefault(str(entry["name"]), set()).add(whole(entry["id"]))
        except (KeyError, TypeError, ValueError) as error:
            raise malformed(path, f"categories[{number}]", entry, "an id and a name") from error
    if category not in ids:
        msg = f"{path} has no category {category!r}; it has {sorted(ids)}."
        raise DataError(msg)
    return ids[category]


def _images(root: Path, path: Path, content: dict[str, Any]) -> dict[int, _Image]:
    images: dict[int, _Image] = {}
    folder: Path | None = None
    for number, entry in enumerate(_entries(path, content, "images")):
        try:
            folder = folder or _image_folder(root, path, entry["file_name"])
            file, size_hw = path_below(folder, entry["file_name"]), (whole(entry["height"]), whole(entry["width"]))
            known = images.setdefault(whole(entry["id"]), _Image(file, size_hw))
        except (KeyError, TypeError, ValueError) as error:
            raise malformed(path, f"images[{number}]", entry, "an id, file_name, width and height") from error
        if known.path is not file:
            raise malformed(path, f"images[{number}]", entry, "an id that no image before has")
    return images


def _image_folder(root: Path, path: Path, first: str) -> Path:
    name = path.stem.removeprefix("instances_")
    folders = (root / name, root / "images" / name, root / "images", root)
    return next((folder for folder in folders if is_file(path_below(folder, first))), folders[0])


def _add(images: dict[int, _Image], entry: Any, wanted: set[int] | None) -> None:
    image, category_id = images[whole(entry["image_id"])], whole(entry["category_id"])
    x, y, width, height = (finite(value) for value in entry["bbox"])
    if wanted is None or category_id in wanted:
        image.boxes.append((x, y, x + width, y + height))
        image.crowd.append(bool(entry.get("iscrowd", 0)))
