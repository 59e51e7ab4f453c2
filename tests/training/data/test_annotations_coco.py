"""COCO instances: round trip, crowds, categories, folders, and entries that cannot be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge_training.data.annotated import Split
from crystaledge_training.data.annotations import read_annotations
from tests.support.json_mutation import JSON_VALUES, spoiled
from tests.training.data.annotation_builders import (
    Drawn,
    assert_read_as_drawn,
    drawn_images,
    read_or_refused,
    refusal,
    spoiled_text,
    write_images,
)

IDS = {"cat": 17, "dog": 18}
FACES = Drawn("a.png", (30, 40), ((5, 6, 12, 14), (20, 10, 40, 30)), (False, True), ("cat", "dog"))


def coco_of(images: Sequence[Drawn]) -> dict[str, Any]:
    """Instances of drawn images, annotations in the reverse order of their images."""
    content: dict[str, Any] = {
        "images": [
            {"id": 2**60 + n, "file_name": i.name, "height": i.size_hw[0], "width": i.size_hw[1]}
            for n, i in enumerate(images)
        ],
        "categories": [{"id": number, "name": name} for name, number in IDS.items()],
        "annotations": [],
    }
    for number, image in reversed(list(enumerate(images))):
        content["annotations"] += [
            {"image_id": 2**60 + number, "category_id": IDS[c], "bbox": [x1, y1, x2 - x1, y2 - y1], "iscrowd": int(i)}
            for (x1, y1, x2, y2), i, c in zip(image.boxes, image.ignored, image.category, strict=True)
        ]
    return content


def write(root: Path, content: object, name: str = "instances_train2017.json") -> Path:
    (root / "annotations").mkdir(exist_ok=True)
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    (root / "annotations" / name).write_bytes(data)
    return root


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that property-based tests write again and again."""
    return tmp_path_factory.mktemp("coco")


@given(images=drawn_images())
def test_what_was_written_is_read(scratch: Path, images: list[Drawn]) -> None:
    write_images(scratch / "train2017", images)
    write(scratch, coco_of(images))
    for category in (None, "cat", "dog"):
        assert_read_as_drawn(scratch, images, category=category)


@given(content=spoiled(coco_of([FACES, Drawn("b.png", (5, 5))])))
def test_spoiled_values_are_read_or_refused(scratch: Path, content: object) -> None:
    write_images(scratch / "train2017", [FACES, Drawn("b.png", (5, 5))])
    read_or_refused(write(scratch, content))


@given(data=spoiled_text(json.dumps(coco_of([FACES]))) | st.binary(max_size=50))
def test_spoiled_files_are_read_or_refused(scratch: Path, data: bytes) -> None:
    write_images(scratch / "train2017", [FACES])
    read_or_refused(write(scratch, data))


@given(content=JSON_VALUES)
def test_other_json_is_refused(scratch: Path, content: object) -> None:
    assert "expected" in refusal(write(scratch, content))


@pytest.mark.parametrize("folder", ["train2017", "images/train2017", "images", "."])
def test_images_are_found_where_they_commonly_lie(tmp_path: Path, folder: str) -> None:
    write_images(tmp_path / folder, [FACES])
    assert_read_as_drawn(write(tmp_path, coco_of([FACES])), [FACES])


def test_a_box_without_area_is_left_out(tmp_path: Path) -> None:
    write_images(tmp_path / "train2017", [FACES])
    content = coco_of([FACES])
    content["annotations"][0]["bbox"] = [5, 6, 0, 9]
    found = read_annotations(write(tmp_path, content), split=Split.TRAIN)
    assert found.images[0].box_xyxy.tolist() == [[20, 10, 40, 30]]
    assert found.images[0].ignored.tolist() == [True]


def test_the_official_file_is_taken_among_several(tmp_path: Path) -> None:
    write_images(tmp_path / "train2017", [FACES])
    write(tmp_path, {"images": []}, "instances_minitrain.json")
    assert_read_as_drawn(write(tmp_path, coco_of([FACES])), [FACES])


def test_any_one_file_of_a_split_is_taken(tmp_path: Path) -> None:
    write_images(tmp_path / "faces_train", [FACES])
    assert_read_as_drawn(write(tmp_path, coco_of([FACES]), "instances_faces_train.json"), [FACES])
    assert "holds nothing for split 'val'; expected one file" in refusal(tmp_path, split=Split.VALIDATION)


def test_two_files_of_a_split_are_refused(tmp_path: Path) -> None:
    write(tmp_path, {}, "instances_a_train.json")
    message = refusal(write(tmp_path, {}, "instances_b_train.json"))
    assert "['instances_a_train.json', 'instances_b_train.json'] for split 'train'" in message


def test_an_unknown_category_is_refused(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, coco_of([FACES])), category="face")
    assert "no category 'face'; it has ['cat', 'dog']" in message


@pytest.mark.parametrize(
    ("part", "change", "expected"),
    [
        pytest.param("images", {"file_name": "../a.png"}, "images[0]: ", id="escape"),
        pytest.param("images", {"height": "x"}, "expected an id, file_name, width and height", id="height"),
        pytest.param("images", {"height": 0}, "is said to be 40 x 0 px", id="no-height"),
        pytest.param("images", {"width": 10**400}, "px; expected sides of 1 to 1000000 px", id="huge"),
        pytest.param("annotations", {"bbox": [1, 2, 3]}, "annotations[0]: ", id="three-numbers"),
        pytest.param("annotations", {"bbox": [1, 2, 3, float("nan")]}, "annotations[0]: ", id="nan"),
        pytest.param("annotations", {"image_id": 5}, "expected image_id of an image", id="unknown-image"),
    ],
)
def test_entries_that_cannot_be_are_refused(
    tmp_path: Path, part: str, change: dict[str, object], expected: str
) -> None:
    write_images(tmp_path / "train2017", [FACES])
    content = coco_of([FACES])
    content[part][0].update(change)
    assert expected in refusal(write(tmp_path, content))


def test_an_id_that_comes_twice_is_refused(tmp_path: Path) -> None:
    content = coco_of([FACES])
    content["images"] *= 2
    assert "images[1]: " in refusal(write(tmp_path, content))


@pytest.mark.parametrize("data", [b"{", b"[" * 100_000, b"9" * 5000], ids=["cut", "deep", "long-number"])
def test_what_is_no_json_is_refused(tmp_path: Path, data: bytes) -> None:
    assert "is no JSON (" in refusal(write(tmp_path, data))
