"""Targets of the detector, against loops that a reader can follow, and both halves of the box codec together."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from crystaledge.detection import codec
from crystaledge_training.phantom.assign import NEAR_PX, POSITIVE_PX, assign, cell_centres, decode

MAP_HW = (6, 9)
Row = tuple[tuple[float, float, float, float], int]


def naive_assign(rows: list[Row], map_hw: tuple[int, int]) -> dict[tuple[int, int], Row | None]:
    """Each cell that counts, with the face it is taught (None: background), cell by cell and face by face."""
    cells: dict[tuple[int, int], Row | None] = {}
    for row in range(map_hw[0]):
        for column in range(map_hw[1]):
            x, y = (column + 0.5) * 4.0, (row + 0.5) * 4.0
            best: tuple[float, Row] | None = None
            unsure = False
            for box, kind in rows:
                x1, y1, x2, y2 = box
                if kind < 0 or not (x1 < x < x2 and y1 < y < y2):
                    continue
                size = float(np.float32((x2 - x1) * (y2 - y1)) ** np.float32(0.5))
                if kind == 1 and POSITIVE_PX[0] <= size <= POSITIVE_PX[1]:
                    central = abs(x - (x1 + x2) / 2) <= 6.0 and abs(y - (y1 + y2) / 2) <= 6.0
                    if central and (best is None or size < best[0]):
                        best = (size, (box, kind))
                elif kind == 0 or NEAR_PX[0] <= size <= NEAR_PX[1]:
                    unsure = True
            if best is not None:
                cells[row, column] = best[1]
            elif not unsure:
                cells[row, column] = None
    return cells


def batch_of(*pictures: list[Row]) -> tuple[Tensor, Tensor]:
    most = max(1, *(len(rows) for rows in pictures))
    boxes, kinds = torch.zeros(len(pictures), most, 4), torch.full((len(pictures), most), -1)
    for number, rows in enumerate(pictures):
        for place, (box, kind) in enumerate(rows):
            boxes[number, place], kinds[number, place] = torch.tensor(box), kind
    return boxes, kinds


@st.composite
def picture_rows(draw: st.DrawFn) -> list[Row]:
    """Boxes on quarter pixels, which float32 holds exactly, in and around a map of 36 x 24 px."""
    rows: list[Row] = []
    for _ in range(draw(st.integers(0, 5))):
        x, y = draw(st.integers(-20, 140)) / 4, draw(st.integers(-20, 90)) / 4
        w, h = draw(st.integers(8, 200)) / 4, draw(st.integers(8, 200)) / 4
        rows.append(((x, y, x + w, y + h), draw(st.sampled_from([1, 1, 1, 0, -1]))))
    return rows


class TestAssign:
    @settings(deadline=None, max_examples=150)
    @given(st.lists(picture_rows(), min_size=1, max_size=3))
    def test_agrees_with_two_loops(self, pictures: list[list[Row]]) -> None:
        targets = assign(*batch_of(*pictures), MAP_HW)
        boxes = iter(targets.box_xyxy.tolist())
        for number, rows in enumerate(pictures):
            expected = naive_assign(rows, MAP_HW)
            for row, column in np.ndindex(MAP_HW):
                taught = expected.get((row, column), "nothing")
                assert bool(targets.counts[number, row, column]) == (taught != "nothing")
                assert bool(targets.positive[number, row, column]) == isinstance(taught, tuple)
                if isinstance(taught, tuple):
                    found = next(boxes)
                    sizes = [math.prod((b[2] - b[0], b[3] - b[1])) for b in (found, taught[0])]
                    assert sizes[0] == sizes[1]  # of two faces of one size either will do
        assert next(boxes, None) is None

    def test_a_known_face(self) -> None:
        targets = assign(*batch_of([((20.0, 20.0, 40.0, 40.0), 1)]), (16, 16))
        # Cell 7 has its centre at exactly (30, 30); it says shift 0 and the logarithm of 20 px / 4 px.
        assert targets.positive[0, 7, 7]
        assert targets.positive.nonzero()[:, 1:].tolist() == [[r, c] for r in (6, 7, 8) for c in (6, 7, 8)]
        box = torch.zeros(1, 4, 16, 16)
        box[0, 2:, 7, 7] = math.log(5.0)
        assert decode(box)[0, 7, 7].tolist() == pytest.approx([20.0, 20.0, 40.0, 40.0], abs=1e-5)

    def test_the_smaller_of_two_faces_gets_the_cell(self) -> None:
        large, small = (6.0, 2.0, 30.0, 26.0), (12.0, 8.0, 24.0, 20.0)
        for rows in ([(large, 1), (small, 1)], [(small, 1), (large, 1)]):
            targets = assign(*batch_of(rows), MAP_HW)
            assert {tuple(b) for b in targets.box_xyxy.tolist()} == {small}

    @pytest.mark.parametrize(
        ("size", "positive", "counts"),
        [(4.0, False, True), (6.0, False, False), (8.0, True, True), (28.0, True, True), (32.0, False, False)],
    )
    def test_sizes_that_are_taught_left_out_and_background(self, size: float, positive: bool, counts: bool) -> None:
        # Cell (2, 2) has its centre at (10, 10).
        face = (10 - size / 2, 10 - size / 2, 10 + size / 2, 10 + size / 2)
        targets = assign(*batch_of([(face, 1)]), MAP_HW)
        assert (bool(targets.positive[0, 2, 2]), bool(targets.counts[0, 2, 2])) == (positive, counts)

    def test_a_face_far_too_large_is_background(self) -> None:
        targets = assign(*batch_of([((-20.0, -20.0, 40.0, 40.0), 1)]), MAP_HW)
        assert targets.counts.all() and not targets.positive.any()

    def test_padding_is_nothing_whatever_it_holds(self) -> None:
        targets = assign(torch.tensor([[[4.0, 4.0, 20.0, 20.0]]]), torch.tensor([[-1]]), MAP_HW)
        assert targets.counts.all() and not targets.positive.any() and len(targets.box_xyxy) == 0

    def test_a_face_in_an_ignored_region_is_still_a_face(self) -> None:
        rows: list[Row] = [((0.0, 0.0, 36.0, 24.0), 0), ((8.0, 8.0, 20.0, 20.0), 1)]
        targets = assign(*batch_of(rows), MAP_HW)
        assert targets.positive.any()
        assert torch.equal(targets.counts, targets.positive)


class TestCodec:
    @settings(deadline=None, max_examples=50)
    @given(st.integers(0, 2**32 - 1), st.integers(1, 7), st.integers(1, 7))
    def test_training_decodes_as_the_runtime_does(self, seed: int, height: int, width: int) -> None:
        random = np.random.default_rng(seed)
        box = random.normal(0.0, 2.0, (4, height, width)).astype(np.float32)
        found = codec.decode(np.ones((height, width), np.float32), box, threshold_logit=0.0)
        ours = decode(torch.from_numpy(box)[None])[0].reshape(-1, 4)
        np.testing.assert_allclose(ours.numpy(), found.box_xyxy, rtol=1e-5, atol=1e-4)

    @settings(deadline=None, max_examples=100)
    @given(st.data())
    def test_a_box_comes_back_from_any_cell(self, data: st.DataObject) -> None:
        row, column = data.draw(st.integers(0, MAP_HW[0] - 1)), data.draw(st.integers(0, MAP_HW[1] - 1))
        x, y = data.draw(st.floats(0.0, 36.0)), data.draw(st.floats(0.0, 24.0))
        w, h = data.draw(st.floats(1.0, 100.0)), data.draw(st.floats(1.0, 100.0))
        box = torch.zeros(1, 4, *MAP_HW)
        box[0, :, row, column] = torch.tensor(naive_encode((x, y, w, h), row, column))
        expected = [x - w / 2, y - h / 2, x + w / 2, y + h / 2]
        assert decode(box)[0, row, column].tolist() == pytest.approx(expected, abs=1e-3)
        logit = np.full(MAP_HW, -5.0, np.float32)
        logit[row, column] = 5.0
        (found,) = codec.decode(logit, box[0].numpy(), threshold_logit=0.0).box_xyxy
        assert found.tolist() == pytest.approx(expected, abs=1e-3)

    def test_axes_are_not_mixed_up(self) -> None:
        x, y = cell_centres((2, 3), torch.device("cpu"))
        assert x.tolist() == [[2.0, 6.0, 10.0]]
        assert y.tolist() == [[2.0], [6.0]]
        centres = decode(torch.zeros(1, 4, 2, 3)).reshape(1, 2, 3, 2, 2).mean(dim=-2)
        assert centres[0, 1, 2].tolist() == [10.0, 6.0]

    def test_sizes_beyond_all_reason_are_cut_off(self) -> None:
        assert decode(torch.full((1, 4, 1, 1), 1e4)).isfinite().all()


def naive_encode(box_cxcywh: tuple[float, float, float, float], row: int, column: int) -> list[float]:
    """What a cell has to say for a box to come out."""
    x, y, w, h = box_cxcywh
    shift_x, shift_y = (x - (column * 4 + 2)) / 4, (y - (row * 4 + 2)) / 4
    return [shift_x, shift_y, math.log(w / 4), math.log(h / 4)]
