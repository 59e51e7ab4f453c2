"""WIDER FACE's own files: round trip, dummy lines, invalid faces, and lines that cannot be."""

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

NAME = "0--Parade/a.png"
NO_FACE = "0 0 0 0 0 0 0 0 0 0"


def wider_of(images: Sequence[Drawn]) -> str:
    """The file of drawn images; the attributes around `invalid` are never 0, so that none is taken for it."""
    lines = []
    for image in images:
        faces = [
            f"{x1} {y1} {x2 - x1} {y2 - y1} 2 1 1 {int(ignored)} 2 1"
            for (x1, y1, x2, y2), ignored in zip(image.boxes, image.ignored, strict=True)
        ]
        lines += [image.name, str(len(faces)), *(faces or [NO_FACE])]
    return "\n".join([*lines, ""])


def write(root: Path, text: str | bytes, split: str = "train") -> Path:
    folder = root / "wider_face_split"
    folder.mkdir(exist_ok=True)
    (folder / f"wider_face_{split}_bbx_gt.txt").write_bytes(text.encode() if isinstance(text, str) else text)
    return root


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that property-based tests write again and again."""
    return tmp_path_factory.mktemp("wider")


@given(images=drawn_images())
def test_what_was_written_is_read(scratch: Path, images: list[Drawn]) -> None:
    images = [Drawn(f"0--Parade/{i.name}", i.size_hw, i.boxes, i.ignored, i.category) for i in images]
    write_images(scratch / "WIDER_train" / "images", images)
    write(scratch, wider_of(images))
    assert_read_as_drawn(scratch, images)


@given(data=st.data(), images=drawn_images())
def test_spoiled_files_are_read_or_refused(scratch: Path, data: st.DataObject, images: list[Drawn]) -> None:
    write_images(scratch / "WIDER_train" / "images", images)
    read_or_refused(write(scratch, data.draw(spoiled_text(wider_of(images)))))


@given(garbage=st.binary(max_size=200))
def test_garbage_is_read_or_refused(scratch: Path, garbage: bytes) -> None:
    read_or_refused(write(scratch, garbage))


def test_faces_without_width_or_height_are_left_out(tmp_path: Path) -> None:
    write_images(tmp_path / "WIDER_train" / "images", [Drawn(NAME, (30, 40))])
    faces = ["5 6 0 8 0 0 0 0 0 0", "5 6 7 -8 0 0 0 0 0 0", "5 6 7 8 0 0 0 1 0 0", "30 20 70 80 0 0 0 0 0 0"]
    found = read_annotations(write(tmp_path, "\n".join([NAME, "4", *faces])), split=Split.TRAIN, category="face")
    assert found.images[0].box_xyxy.tolist() == [[5, 6, 12, 14], [30, 20, 40, 30]]
    assert found.images[0].ignored.tolist() == [True, False]
    assert found.description.endswith("(WIDER FACE), train: 1 images, 2 boxes of 'face', 1 of them ignored")


def test_the_line_after_a_count_of_0_stands_for_nothing(tmp_path: Path) -> None:
    write_images(tmp_path / "WIDER_train" / "images", [Drawn(NAME, (30, 40))])
    found = read_annotations(write(tmp_path, f"{NAME}\n0\n5 6 7 8 0 0 0 0 0 0\n"), split=Split.TRAIN)
    assert len(found.images[0].box_xyxy) == 0


def test_splits_have_files_of_their_own(tmp_path: Path) -> None:
    write_images(tmp_path / "WIDER_val" / "images", [Drawn(NAME, (30, 40))])
    write(tmp_path, f"{NAME}\n0\n{NO_FACE}\n", split="val")
    assert len(read_annotations(tmp_path, split=Split.VALIDATION).images) == 1
    message = refusal(tmp_path, split=Split.TRAIN)
    assert "Cannot read the annotations" in message and "wider_face_train_bbx_gt.txt" in message


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(["/a.png", "0", NO_FACE], "line 1: '/a.png'; expected the name of an image", id="absolute"),
        pytest.param(["", "../a.png", "0", NO_FACE], "line 2: '../a.png'; expected the name", id="escape"),
        pytest.param([NAME], "line 2: ''; expected the number of faces", id="no-count"),
        pytest.param([NAME, "x", NO_FACE], "line 2: 'x'; expected the number of faces", id="count"),
        pytest.param([NAME, "-1", NO_FACE], "line 2: '-1'; expected the number of faces", id="negative"),
        pytest.param([NAME, "2", NO_FACE], "line 2: '2'; expected so many lines to follow", id="too-few"),
        pytest.param([NAME, "0"], "line 2: '0'; expected so many lines to follow", id="no-dummy"),
        pytest.param([NAME, "99999999999999", NO_FACE], "expected so many lines to follow", id="huge"),
        pytest.param([NAME, "1", "1 2 3 4 0 0 0 0 0"], "line 3: '1 2 3 4 0 0 0 0 0'; expected the", id="nine"),
        pytest.param([NAME, "1", "1 2 3 x 0 0 0 0 0 0"], "line 3: '1 2 3 x", id="letter"),
        pytest.param(
            [NAME, "0", "0--Parade/b.png", "1"], "line 3: '0--Parade/b.png'; expected the", id="dummy-left-out"
        ),
    ],
)
def test_lines_that_cannot_be_are_refused(tmp_path: Path, lines: list[str], expected: str) -> None:
    write_images(tmp_path / "WIDER_train" / "images", [Drawn(NAME, (30, 40))])
    message = refusal(write(tmp_path, "\n".join(lines)))
    assert expected in message and "wider_face_train_bbx_gt.txt" in message


def test_a_missing_image_is_refused(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, f"{NAME}\n0\n{NO_FACE}\n"))
    assert "it is missing" in message and NAME in message


def test_a_category_other_than_faces_is_refused(tmp_path: Path) -> None:
    assert "no category 'person'; it has 'face' alone" in refusal(write(tmp_path, ""), category="person")
