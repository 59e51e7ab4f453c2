"""YOLO's text files: round trip, missing files, class names, and lines that cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge_training.data.annotated import Split
from crystaledge_training.data.annotations import read_annotations
from tests.training.data.annotation_builders import (
    Drawn,
    assert_read_as_drawn,
    drawn_images,
    read_or_refused,
    refusal,
    spoiled_text,
    write_images,
)

CAT_AND_DOG = "names:\n  0: cat\n  1: dog\n"
TWO = Drawn("a.png", (30, 40), ((5, 6, 12, 14), (20, 10, 40, 30)), (False, False), ("cat", "dog"))


def lines_of(image: Drawn) -> str:
    """The label file of a drawn image."""
    height, width = image.size_hw
    return "".join(
        f"{['cat', 'dog'].index(category)} {(x1 + x2) / 2 / width:.9f} {(y1 + y2) / 2 / height:.9f} "
        f"{(x2 - x1) / width:.9f} {(y2 - y1) / height:.9f}\n"
        for (x1, y1, x2, y2), category in zip(image.boxes, image.category, strict=True)
    )


def write(root: Path, images: Sequence[Drawn], *, folder: str = "train", names: str | None = CAT_AND_DOG) -> Path:
    """A data set of drawn images; those without boxes get no label file."""
    write_images(root / "images" / folder, images)
    labels = root / "labels" / folder
    labels.mkdir(parents=True, exist_ok=True)
    for image in images:
        label = (labels / image.name).with_suffix(".txt")
        label.unlink(missing_ok=True)
        if image.boxes:
            label.write_text(lines_of(image))
    if names is not None:
        (root / "data.yaml").write_text(names)
    return root


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that property-based tests write again and again."""
    return tmp_path_factory.mktemp("yolo")


@given(images=drawn_images())
def test_what_was_written_is_read(scratch: Path, images: list[Drawn]) -> None:
    for old in (scratch / "images").glob("train/*"):
        old.unlink()
    write(scratch, images)
    for category in (None, "cat", "dog"):
        assert_read_as_drawn(scratch, images, category=category, with_ignored=False)


@given(data=spoiled_text(lines_of(TWO)) | st.binary(max_size=60))
def test_spoiled_labels_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    root = write(tmp_path_factory.getbasetemp() / "yolo_labels", [TWO])
    (root / "labels" / "train" / "a.txt").write_bytes(data)
    read_or_refused(root)


@given(data=spoiled_text(CAT_AND_DOG) | st.binary(max_size=60))
def test_spoiled_names_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    root = write(tmp_path_factory.getbasetemp() / "yolo_names", [TWO])
    (root / "data.yaml").write_bytes(data)
    read_or_refused(root, category="dog")


def test_images_are_in_natural_order(tmp_path: Path) -> None:
    write(tmp_path, [Drawn(f"{number}.png", (5, 5)) for number in (10, 2, 1)])
    found = read_annotations(tmp_path, split=Split.TRAIN)
    assert [image.path.name for image in found.images] == ["1.png", "2.png", "10.png"]


@pytest.mark.parametrize(
    "names", ["names: [cat, dog]", "names:\n- cat\n- dog\n", CAT_AND_DOG, "names: {1: dog, 0: cat}"]
)
def test_names_are_a_list_or_a_mapping(tmp_path: Path, names: str) -> None:
    assert_read_as_drawn(write(tmp_path, [TWO], names=names), [TWO], category="dog", with_ignored=False)


def test_a_name_stays_what_is_written(tmp_path: Path) -> None:
    write(tmp_path, [TWO], names="names: [yes, no]")
    assert len(read_annotations(tmp_path, split=Split.TRAIN, category="no").images[0].box_xyxy) == 1


@pytest.mark.parametrize(
    ("folder", "category"), [("train2017", "person"), ("train2017", "0"), ("train", "0"), ("train_faces", "0")]
)
def test_without_names_a_class_number_is_a_category(tmp_path: Path, folder: str, category: str) -> None:
    write(tmp_path, [TWO], folder=folder, names=None)
    found = read_annotations(tmp_path, split=Split.TRAIN, category=category)
    assert found.images[0].box_xyxy.round(3).tolist() == [[5, 6, 12, 14]]


@pytest.mark.parametrize(
    ("folder", "names", "category", "expected"),
    [
        pytest.param("train", None, "person", "has ['class numbers']", id="person-outside-coco"),
        pytest.param("train2017", None, "cat", "has ['class numbers', 'person']", id="cat-in-coco"),
        pytest.param("train", CAT_AND_DOG, "0", "data.yaml has ['cat', 'dog']", id="number-beside-names"),
        pytest.param("train", "names: 5", "cat", "no readable entry 'names'", id="names-a-number"),
        pytest.param("train", "path: x", "cat", "no readable entry 'names'", id="no-names"),
        pytest.param("train", "names: {a: cat}", "cat", "no readable entry 'names'", id="no-number"),
        pytest.param("train", "names: [cat", "cat", "no readable entry 'names'", id="no-yaml"),
        pytest.param("train", "", "cat", "no readable entry 'names'", id="empty"),
    ],
)
def test_an_unknown_category_is_refused(
    tmp_path: Path, folder: str, names: str | None, category: str, expected: str
) -> None:
    assert expected in refusal(write(tmp_path, [TWO], folder=folder, names=names), category=category)


@pytest.mark.parametrize(
    "line",
    [
        "0 0.5 0.5 0.1",
        "0 0.5 0.5 0.1 0.1 0.9",
        "cat 0.5 0.5 0.1 0.1",
        "-1 0.5 0.5 0.1 0.1",
        "0 20 15 7 8",
        "0 0 nan 1 1",
    ],
)
def test_a_line_that_cannot_be_is_refused(tmp_path: Path, line: str) -> None:
    write(tmp_path, [TWO])
    (tmp_path / "labels" / "train" / "a.txt").write_text(f"\n{lines_of(TWO)}{line}\n")
    message = refusal(tmp_path)
    assert f"a.txt, line 4: {line!r}; expected class xc yc w h" in message


def test_a_rounded_fraction_may_be_a_little_beyond_1(tmp_path: Path) -> None:
    write(tmp_path, [TWO])
    (tmp_path / "labels" / "train" / "a.txt").write_text("0 0.5 0.5 1.0005 1.0\n1 0.5 0.5 0 0.5\n")
    assert read_annotations(tmp_path, split=Split.TRAIN).images[0].box_xyxy.tolist() == [[0, 0, 40, 30]]


def test_folders_are_told_apart_by_split(tmp_path: Path) -> None:
    write(tmp_path, [TWO])
    assert "holds nothing for split 'val'" in refusal(tmp_path, split=Split.VALIDATION)
    write(tmp_path, [TWO], folder="train2")
    assert "holds ['train', 'train2'] for split 'train'" in refusal(tmp_path)


def test_a_split_without_a_folder_of_labels_is_refused(tmp_path: Path) -> None:
    write(tmp_path, [TWO])
    write_images(tmp_path / "images" / "val", [TWO])
    assert "has images/val without labels/val" in refusal(tmp_path, split=Split.VALIDATION)


def test_a_broken_image_is_refused(tmp_path: Path) -> None:
    write(tmp_path, [TWO])
    (tmp_path / "images" / "train" / "a.png").write_bytes(b"no image")
    assert "it is no image" in refusal(tmp_path)
