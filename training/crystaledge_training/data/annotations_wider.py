"""WIDER FACE as its authors lay it out (Yang et al., WIDER FACE: A Face Detection Benchmark, CVPR 2016)."""

from __future__ import annotations

from pathlib import Path

from crystaledge.errors import DataError
from crystaledge_training.data.annotated import AnnotatedImage, BoxXyxy, Layout, Split, clamped_image
from crystaledge_training.data.annotation_files import finite, image_size_hw, malformed, path_below, read_lines, whole

CATEGORY = "face"

_FACE = "x y w h blur expression illumination invalid occlusion pose"
_FIELDS = len(_FACE.split())
_INVALID = _FACE.split().index("invalid")


def annotation_file(root: Path, split: Split) -> Path:
    """Where the boxes of a split stand."""
    return root / "wider_face_split" / f"wider_face_{split.value}_bbx_gt.txt"


def found_in(root: Path) -> bool:
    """Whether `root` holds the annotation file of either split."""
    return any(annotation_file(root, split).is_file() for split in Split)


def read(root: Path, split: Split, category: str | None) -> list[AnnotatedImage]:
    """Images of a split, in the order of the annotation file.

    Faces that are marked `invalid` are ignored ones; a face without width or height is left out.
    An image without a face (count 0) is followed by one line that stands for nothing.

    Raises:
        DataError: a malformed line, a missing image, or a category other than `face`.
    """
    if category not in (None, CATEGORY):
        msg = f"WIDER FACE in {root} has no category {category!r}; it has {CATEGORY!r} alone."
        raise DataError(msg)
    path = annotation_file(root, split)
    lines = read_lines(path)
    images: list[AnnotatedImage] = []
    row = 0
    while row < len(lines):
        if not lines[row]:
            row += 1
            continue
        image = _image_path(path, row, lines[row], root / f"WIDER_{split.value}" / "images")
        count = _count(path, row + 1, lines)
        faces = [_face(path, r, lines[r]) for r in range(row + 2, row + 2 + max(count, 1))][:count]
        images.append(
            clamped_image(image, image_size_hw(image), [box for box, _ in faces], [invalid for _, invalid in faces])
        )
        row += 2 + max(count, 1)
    return images


WIDER = Layout("WIDER FACE", "wider_face_split/wider_face_{train,val}_bbx_gt.txt", found_in, read)


def _image_path(path: Path, row: int, line: str, folder: Path) -> Path:
    try:
        return path_below(folder, line)
    except ValueError as error:
        raise malformed(path, f"line {row + 1}", line, "the name of an image") from error


def _count(path: Path, row: int, lines: list[str]) -> int:
    """Faces of an image; there are as many lines after it, and one where there is none."""
    line = lines[row] if row < len(lines) else ""
    try:
        count = whole(line)
    except ValueError:
        count = -1
    if count < 0:
        raise malformed(path, f"line {row + 1}", line, "the number of faces of the image before")
    if row + max(count, 1) >= len(lines):
        raise malformed(path, f"line {row + 1}", line, f"so many lines to follow, but the file has {len(lines)}")
    return count


def _face(path: Path, row: int, line: str) -> tuple[BoxXyxy, bool]:
    try:
        values = [finite(text) for text in line.split()]
    except ValueError:
        values = []
    if len(values) != _FIELDS:
        raise malformed(path, f"line {row + 1}", line, f"the numbers {_FACE}")
    x, y, width, height = values[:4]
    return (x, y, x + width, y + height), values[_INVALID] != 0
