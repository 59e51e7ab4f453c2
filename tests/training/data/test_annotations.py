"""Which layout a folder has; and the real sets, counted."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from crystaledge_training.data.annotated import Split
from crystaledge_training.data.annotations import LAYOUTS, layout_of, read_annotations
from tests.training.data.annotation_builders import refusal

MARKS = {
    "CSV": "labels.csv",
    "WIDER FACE": "wider_face_split/wider_face_val_bbx_gt.txt",
    "COCO": "annotations/instances_mini_val.json",
    "YOLO": "images/train2017/a.png",
}


def mark(root: Path, layout: str) -> None:
    """What a folder is known to have this layout by."""
    path = root / MARKS[layout]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    if layout == "YOLO":
        (root / "labels").mkdir()


@pytest.mark.parametrize("layout", MARKS)
def test_each_layout_is_known_by_its_mark(tmp_path: Path, layout: str) -> None:
    mark(tmp_path, layout)
    assert layout_of(tmp_path).name == layout


def test_every_layout_has_a_mark_here() -> None:
    assert [layout.name for layout in LAYOUTS] == list(MARKS)


@pytest.mark.parametrize(("first", "second"), list(combinations(MARKS, 2)))
def test_two_layouts_in_one_folder_are_refused(tmp_path: Path, first: str, second: str) -> None:
    mark(tmp_path, first)
    mark(tmp_path, second)
    message = refusal(tmp_path)
    assert first in message and second in message and "keep one of them" in message


@pytest.mark.parametrize("made", [True, False], ids=["empty", "absent"])
def test_a_folder_without_annotations_is_refused_with_what_is_known(tmp_path: Path, made: bool) -> None:
    root = tmp_path if made else tmp_path / "absent"
    message = refusal(root)
    assert "holds no annotations that are known here" in message
    assert all(f"{layout.name}: {layout.expected}" in message for layout in LAYOUTS)


def test_images_with_labels_left_out_are_no_layout(tmp_path: Path) -> None:
    (tmp_path / "images" / "train2017").mkdir(parents=True)
    assert "holds no annotations" in refusal(tmp_path)


def real(data_dir: Path, name: str) -> Path:
    """A real set, or the reason why there is none."""
    if not (data_dir / name).is_dir():
        pytest.skip(f"real data is absent: there is no folder {data_dir / name}")
    return data_dir / name


@pytest.mark.parametrize(
    ("name", "split", "category", "images", "boxes", "empty"),
    [
        ("face_detection", Split.TRAIN, None, 523, 2459, 0),
        ("face_detection", Split.VALIDATION, None, 130, 579, 0),
        ("face_detection", Split.TRAIN, "with_mask", 523, 2014, 50),
        ("face_detection", Split.VALIDATION, "with_mask", 130, 454, 16),
        ("coco128", Split.TRAIN, None, 128, 929, 2),
        ("coco128", Split.VALIDATION, None, 128, 898, 0),
        ("coco128", Split.TRAIN, "person", 128, 254, 67),
        ("coco128", Split.VALIDATION, "person", 128, 350, 55),
    ],
)
def test_real_sets_are_read_whole(
    data_dir: Path, name: str, split: Split, category: str | None, images: int, boxes: int, empty: int
) -> None:
    found = read_annotations(real(data_dir, name), split=split, category=category)
    counts = [len(image.box_xyxy) for image in found.images]
    assert (len(counts), sum(counts), counts.count(0)) == (images, boxes, empty)
    assert len({image.path for image in found.images}) == images
    assert found.description.startswith(f"folder {name!r} (")
    assert f"{split.value}: {images} images, {boxes} boxes" in found.description
