"""Frame stores: what they refuse, and that loading is the runtime's preprocessing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.errors import DataError
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.identities import read_catalogue
from crystaledge.sources.images import read_image
from crystaledge_training.data.frames import FrameStore, load_frames, require_pairs, subset
from tests.training.builders import TINY_SPEC, draw_people, numbered_store, scene_store

COUNTS = st.lists(st.integers(1, 6), min_size=1, max_size=8)


class TestStore:
    @given(counts=COUNTS)
    def test_knows_the_rows_of_each_person(self, counts: list[int]) -> None:
        store = numbered_store(counts)
        assert store.counts.tolist() == counts
        joined = [store.rows_of(p).tolist() for p in range(len(counts))]
        assert [len(rows) for rows in joined] == counts
        assert [row for rows in joined for row in rows] == list(range(sum(counts)))
        assert all((store.person[rows] == p).all() for p, rows in enumerate(joined))

    @pytest.mark.parametrize(
        "person",
        [[0, 0, 1], [0, 0, 1, 1, 2], [0, 1, 0, 1], [0, 0, 2, 2], [1, 1, 2, 2], [-1, -1, 0, 0], [1, 1, 0, 0]],
        ids=["too short", "too long", "mixed", "a gap", "starts at 1", "starts at -1", "falling"],
    )
    def test_refuses_person_numbers_out_of_order(self, person: list[int]) -> None:
        with pytest.raises(DataError, match="person numbers out of order"):
            FrameStore(np.zeros((4, 1, 1, 3), np.uint8), np.array(person), ("a", "b", "c"))

    def test_may_be_empty(self) -> None:
        store = FrameStore(np.zeros((0, 1, 1, 3), np.uint8), np.empty(0, np.int64), ())
        assert store.counts.tolist() == []


class TestSubset:
    def test_keeps_people_in_the_order_given(self) -> None:
        store = numbered_store([2, 3, 1, 4])
        part = subset(store, [3, 1])
        assert part.names == ("3", "1")
        assert part.person.tolist() == [0, 0, 0, 0, 1, 1, 1]
        assert part.pixels[:, 0, 0, 0].tolist() == [6, 7, 8, 9, 2, 3, 4]

    def test_of_nobody_is_empty(self) -> None:
        part = subset(numbered_store([2, 3]), [])
        assert (len(part.pixels), part.names) == (0, ())

    def test_takes_any_iterable(self) -> None:
        store = numbered_store([2, 3, 1])
        assert subset(store, (p for p in (2, 0))).names == subset(store, [2, 0]).names


class TestPairs:
    @pytest.mark.parametrize("counts", [[1, 1, 1], [5, 1, 1], [6]])
    def test_people_with_one_image_make_no_pair(self, counts: list[int]) -> None:
        paired = sum(count >= 2 for count in counts)
        expected = f"The training data has {paired} identities with two or more images among {len(counts)}"
        with pytest.raises(DataError, match=expected):
            require_pairs(numbered_store(counts), "training")

    def test_two_people_with_two_images_are_enough(self) -> None:
        require_pairs(numbered_store([2, 1, 2]), "training")


class TestLoading:
    def test_is_what_the_runtime_would_resize(self, tmp_path: Path) -> None:
        catalogue = read_catalogue(draw_people(tmp_path, [2, 3]))
        store = load_frames(catalogue, TINY_SPEC)
        assert store.pixels.shape == (5, 32, 32, 3)
        assert store.pixels.dtype == np.uint8
        assert store.person.tolist() == [0, 0, 1, 1, 1]
        assert store.names == ("person00", "person01")
        preprocessor = Preprocessor(TINY_SPEC)
        paths = [path for identity in catalogue.identities for path in identity.paths]
        for row, path in enumerate(paths):
            expected = preprocessor.resize(read_image(path), ColorOrder.BGR)
            np.testing.assert_array_equal(store.pixels[row], expected)
        np.testing.assert_array_equal(store.pixels, scene_store([2, 3]).pixels)

    @pytest.mark.parametrize("color", list(ColorOrder))
    def test_is_in_the_colour_order_of_the_specification(self, tmp_path: Path, color: ColorOrder) -> None:
        (tmp_path / "red").mkdir()
        picture = np.zeros((40, 40, 3), np.uint8)
        picture[..., 2] = 200  # OpenCV writes BGR
        assert cv2.imwrite(str(tmp_path / "red" / "1.png"), picture)
        store = load_frames(read_catalogue(tmp_path), replace(TINY_SPEC, color=color))
        expected = [200, 0, 0] if color is ColorOrder.RGB else [0, 0, 200]
        assert store.pixels[0, 16, 16].tolist() == expected

    def test_whole_frames_have_the_crop_in_their_middle_at_the_same_scale(self, tmp_path: Path) -> None:
        # Pictures of 40 pixels, a share of 0.8 and a target of 32: both sides resample by 1.
        catalogue = read_catalogue(draw_people(tmp_path, [2]))
        whole = load_frames(catalogue, TINY_SPEC, whole=True)
        assert whole.pixels.shape == (2, 40, 40, 3)
        np.testing.assert_array_equal(whole.pixels[:, 4:36, 4:36], load_frames(catalogue, TINY_SPEC).pixels)

    def test_keeps_the_first_images_of_each_person(self, tmp_path: Path) -> None:
        catalogue = read_catalogue(draw_people(tmp_path, [4, 1, 3]))
        everything = load_frames(catalogue, TINY_SPEC)
        limited = load_frames(catalogue, TINY_SPEC, limit_per_person=2)
        assert limited.counts.tolist() == [2, 1, 2]
        np.testing.assert_array_equal(limited.pixels, everything.pixels[[0, 1, 4, 5, 6]])

    @pytest.mark.parametrize("suffix", [".jpg", ".png", ".pgm"])
    def test_refuses_a_truncated_image_and_names_it(self, tmp_path: Path, suffix: str) -> None:
        draw_people(tmp_path, [2, 2], suffix=suffix)
        damaged = tmp_path / "person01" / f"1{suffix}"
        damaged.write_bytes(damaged.read_bytes()[:-40])
        with pytest.raises(DataError, match=f"person01/1{suffix}"):
            load_frames(read_catalogue(tmp_path), TINY_SPEC)

    @pytest.mark.parametrize("content", [b"", b"not an image", b"\xff\xd8\xff\xd9"])
    def test_refuses_what_is_no_image(self, tmp_path: Path, content: bytes) -> None:
        draw_people(tmp_path, [2])
        (tmp_path / "person00" / "1.png").write_bytes(content)
        with pytest.raises(DataError, match=r"1\.png"):
            load_frames(read_catalogue(tmp_path), TINY_SPEC)
