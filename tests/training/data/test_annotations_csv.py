"""`labels.csv`: round trip, inclusive corners, and lines that cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge_training.data.annotated import Split
from crystaledge_training.data.annotations import read_annotations
from crystaledge_training.data.annotations_csv import COLUMNS
from tests.training.data.annotation_builders import (
    Drawn,
    assert_read_as_drawn,
    drawn_images,
    read_or_refused,
    refusal,
    spoiled_text,
    write_images,
)

HEADER = ",".join(COLUMNS)
ROW = "a.png,train,20,10,2,3,5,6,cat"


def csv_of(images: Sequence[Drawn], split: str = "train") -> str:
    """The file of drawn images; one without boxes has a line with empty corners."""
    lines = []
    for image in images:
        start = f"{image.name},{split},{image.size_hw[1]},{image.size_hw[0]}"
        lines += [
            f"{start},{x1},{y1},{x2 - 1},{y2 - 1},{category}"
            for (x1, y1, x2, y2), category in zip(image.boxes, image.category, strict=True)
        ]
        lines += [] if image.boxes else [f"{start},,,,,"]
    return "\n".join([HEADER, *lines, ""])


def write(root: Path, text: str | bytes) -> Path:
    (root / "labels.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    return root


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that property-based tests write again and again."""
    return tmp_path_factory.mktemp("csv")


@given(images=drawn_images())
def test_what_was_written_is_read(scratch: Path, images: list[Drawn]) -> None:
    write_images(scratch / "images", images)
    write(scratch, csv_of(images))
    assert_read_as_drawn(scratch, images, with_ignored=False)
    for category in {name for image in images for name in image.category}:
        assert_read_as_drawn(scratch, images, category=category, with_ignored=False)


@given(data=st.data(), images=drawn_images())
def test_spoiled_files_are_read_or_refused(scratch: Path, data: st.DataObject, images: list[Drawn]) -> None:
    write_images(scratch / "images", images)
    read_or_refused(write(scratch, data.draw(spoiled_text(csv_of(images)))))


@given(garbage=st.binary(max_size=200) | st.text().map(lambda t: f"{HEADER}\n{t}".encode("utf-8", "replace")))
def test_garbage_is_read_or_refused(scratch: Path, garbage: bytes) -> None:
    read_or_refused(write(scratch, garbage))


def test_corners_are_inclusive_and_cut_at_the_border(tmp_path: Path) -> None:
    write_images(tmp_path / "images", [Drawn("a.png", (10, 20))])
    rows = ["a.png,train,20,10,2,3,2,3,cat", "a.png,train,20,10,15,7,20,11,cat"]
    found = read_annotations(write(tmp_path, "\n".join([HEADER, *rows])), split=Split.TRAIN)
    assert found.images[0].box_xyxy.tolist() == [[2, 3, 3, 4], [15, 7, 20, 10]]


def test_splits_are_told_apart(tmp_path: Path) -> None:
    write_images(tmp_path / "images", [Drawn(f"{name}.png", (10, 20)) for name in "abc"])
    rows = [ROW, ROW.replace("a.png,train", "b.png,val"), ROW.replace("a.png,train", "c.png,test")]
    write(tmp_path, "\n".join([HEADER, *rows]))
    for split, name in ((Split.TRAIN, "a.png"), (Split.VALIDATION, "b.png")):
        assert [i.path.name for i in read_annotations(tmp_path, split=split).images] == [name]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "line 1: ''; expected the columns image,split", id="empty"),
        pytest.param("image,split,x,y\n", "line 1: 'image,split,x,y'; expected the columns", id="other-columns"),
        pytest.param(f"{HEADER}\n{ROW}\na.png,train,20\n", "line 3: 'a.png'; expected as many", id="short"),
        pytest.param(f"{HEADER}\n{ROW},5\n", "line 2: 'a.png'; expected as many", id="long"),
        pytest.param(f"{HEADER}\n{ROW.replace('train', 'trian')}", "line 2 (unknown split)", id="split"),
        pytest.param(f"{HEADER}\n{ROW.replace('2,3', 'x,3')}", "line 2 (could not convert", id="letter"),
        pytest.param(f"{HEADER}\n{ROW.replace('2,3', 'nan,3')}", "line 2 (not finite)", id="nan"),
        pytest.param(f"{HEADER}\n{ROW.replace('2,3', ',3')}", "line 2 (could not convert", id="half-a-box"),
        pytest.param(f"{HEADER}\n{ROW.replace('2,3', '6,3')}", "line 2 (corners out of order)", id="order"),
        pytest.param(f"{HEADER}\n{ROW.replace('20', '20.5')}", "line 2 (not whole)", id="width"),
        pytest.param(f"{HEADER}\n{ROW.replace('a.png', '../a.png')}", "line 2 (no file name)", id="escape"),
        pytest.param(f"{HEADER}\n{ROW}\n{ROW.replace('train', 'val')}", "line 3 (earlier lines", id="two-splits"),
        pytest.param(f"{HEADER}\n{ROW}\n{ROW.replace('20,10', '20,11')}", "line 3 (earlier lines", id="two-sizes"),
        pytest.param(f'{HEADER}\n"a"b,train', "line 2: ',' expected after", id="quotes"),
        pytest.param(f"{HEADER}\n{ROW.replace('20,10', '0,10')}", "'a.png' is said to be 0 x 10 px", id="no-width"),
        pytest.param(f"{HEADER}\n{ROW}", "lacks 1 of 1 annotated images", id="no-image"),
        pytest.param(f"{HEADER}\n{ROW.replace('train', 'val')}", "no image of split 'train'", id="other-split"),
    ],
)
def test_files_that_cannot_be_are_refused(tmp_path: Path, text: str, expected: str) -> None:
    message = refusal(write(tmp_path, text))
    assert expected in message.replace(str(tmp_path / "images") + "/", "")
    assert str(tmp_path) in message


def test_a_class_that_no_box_has_is_refused(tmp_path: Path) -> None:
    assert "no box of class 'dog'; it has ['cat']" in refusal(write(tmp_path, f"{HEADER}\n{ROW}"), category="dog")
