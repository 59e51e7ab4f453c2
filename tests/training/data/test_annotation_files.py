"""Reading what others wrote: texts, numbers, names, image headers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from crystaledge.errors import DataError
from crystaledge.sources.images import read_image
from crystaledge_training.data.annotation_files import (
    finite,
    image_size_hw,
    is_file,
    malformed,
    path_below,
    read_lines,
    whole,
)
from tests.support.messages import message_of

ANYTHING = st.text() | st.integers() | st.floats() | st.booleans() | st.none() | st.lists(st.integers(), max_size=2)


def test_lines_come_without_mark_and_white_space(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("\ufeff one \r\n\ntwo\u2028three\n".encode())
    assert read_lines(tmp_path / "a.txt") == ["one", "", "two\u2028three", ""]


@pytest.mark.parametrize(("data", "expected"), [(None, "No such file"), (b"ab\xff", "no UTF-8 text (byte 2)")])
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, data: bytes | None, expected: str) -> None:
    if data is not None:
        (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(DataError) as raised:
        read_lines(tmp_path / "a.txt")
    assert expected in message_of(raised)
    assert "a.txt" in message_of(raised)


@given(value=ANYTHING)
def test_a_number_is_finite_or_a_value_error(value: object) -> None:
    try:
        number = finite(value)
    except ValueError:
        return
    assert math.isfinite(number)
    assert not isinstance(value, (bool, list)) and value is not None


@pytest.mark.parametrize("value", ["", "x", "nan", "inf", "1e999", True, None, [1], 10**400, math.nan])
def test_what_is_no_number(value: object) -> None:
    with pytest.raises(ValueError):
        finite(value)


@pytest.mark.parametrize(("value", "expected"), [("3", 3), (" 3.0 ", 3), (-3.0, -3), (2**60 + 1, 2**60 + 1)])
def test_whole_numbers_are_read_exactly(value: object, expected: int) -> None:
    assert whole(value) == expected


@pytest.mark.parametrize("value", ["3.5", 3.5, "", False, None])
def test_what_is_no_whole_number(value: object) -> None:
    with pytest.raises(ValueError):
        whole(value)


def test_a_name_leads_below_its_folder() -> None:
    assert path_below(Path("/data"), "a/b.png") == Path("/data/a/b.png")


@pytest.mark.parametrize("name", ["", ".", "..", "/etc/a.png", "../a.png", "a/../../b.png", "a\0.png"])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(ValueError):
        path_below(Path("/data"), name)


@given(name=st.text(max_size=8) | st.just("a" * 5000))
def test_any_name_is_asked_for_without_an_error(name: str) -> None:
    assert not is_file(Path("/no/such/folder") / f"x{name}")
    assert not is_file(Path(f"x{name}"))


def test_a_malformed_line_is_shown_shortened_and_on_one_line() -> None:
    message = str(malformed(Path("a.txt"), "line 3", "x\ny" + "z" * 500, "a number"))
    assert message.startswith(r"a.txt, line 3: 'x\nyzzz")
    assert message.endswith("...; expected a number.")
    assert len(message) < 120


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_the_size_is_that_of_the_decoded_image(tmp_path: Path, suffix: str, orientation: int) -> None:
    path = tmp_path / f"a{suffix}"
    image = Image.fromarray(np.zeros((6, 9), np.uint8))
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(path, exif=exif)
    assert image_size_hw(path) == read_image(path).shape[:2] == ((9, 6) if orientation > 4 else (6, 9))


@pytest.mark.parametrize(
    ("data", "expected"), [(None, "it is missing"), (b"", "it is no image"), (b"\x89PNG\r\n", "it is no image")]
)
def test_the_size_of_no_image_is_refused(tmp_path: Path, data: bytes | None, expected: str) -> None:
    if data is not None:
        (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(DataError) as raised:
        image_size_hw(tmp_path / "a.png")
    assert expected in message_of(raised)
