"""Boxes of defects: every line that is not one is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.errors import DataError
from crystaledge_training.data.anomaly_boxes import COLUMNS, read_boxes

HEAD = ",".join(COLUMNS)
side = st.floats(0.0, 5000.0, allow_nan=False)


def write(folder: Path, *lines: str, head: str = HEAD) -> Path:
    path = folder / "labels.csv"
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return path


@given(corners=st.lists(st.tuples(side, side, side, side), max_size=6))
def test_what_is_written_comes_back(tmp_path_factory: pytest.TempPathFactory, corners: list[tuple[float, ...]]) -> None:
    boxes = [(x, y, x + w + 1.0, y + h + 1.0) for x, y, w, h in corners]
    lines = [f"{number % 2}.png," + ",".join(map(repr, box)) for number, box in enumerate(boxes)]
    found = read_boxes(write(tmp_path_factory.mktemp("boxes"), *lines))
    for number in (0, 1):
        assert list(found.get(f"{number}.png", ())) == boxes[number::2]


def test_other_columns_are_not_looked_at_wherever_they_stand(tmp_path: Path) -> None:
    path = write(tmp_path, "open,a.png,g,1,2,3,4", head="type,image,group,xmin,ymin,xmax,ymax")
    assert read_boxes(path) == {"a.png": ((1.0, 2.0, 3.0, 4.0),)}


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("a.png,1,2,3", "line 3.*as many fields as columns"),
        ("a.png,1,2,3,4,5", "line 3.*as many fields as columns"),
        ("a.png,1,2,x,4", r"line 3 \("),
        ("a.png,1,2,nan,4", r"line 3 \("),
        ("a.png,1,2,inf,4", r"line 3 \("),
        ("a.png,3,2,3,4", "line 3 .*corners out of order"),
        ("a.png,1,5,3,4", "line 3 .*corners out of order"),
        ('a.png,1,2,3,"4', "line 3"),
    ],
)
def test_a_malformed_line_is_named_by_its_number(tmp_path: Path, line: str, word: str) -> None:
    with pytest.raises(DataError, match=word):
        read_boxes(write(tmp_path, "a.png,1,2,3,4", line))


def test_a_missing_column_is_named_at_the_head(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 1.*expected.*xmin"):
        read_boxes(write(tmp_path, "a.png,1,2,3,4", head="image,x1,y1,x2,y2"))


def test_an_empty_file_and_a_missing_one_are_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("")
    with pytest.raises(DataError, match="line 1"):
        read_boxes(tmp_path / "labels.csv")
    with pytest.raises(DataError, match="gone"):
        read_boxes(tmp_path / "gone.csv")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(DataError):
        read_boxes(tmp_path / "labels.csv")
