"""From frames to tensor rows: the same numbers as the training side, whatever is handed in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from crystaledge.errors import ContractError, DataError
from crystaledge.preprocessing.preprocessor import Preprocessor, normalisation_table
from crystaledge.preprocessing.resample import Resampler
from crystaledge.preprocessing.resample_opencv import OpenCvResampler
from crystaledge.preprocessing.spec import ColorOrder, Fit, Preprocessing, Resampling
from crystaledge_training.data.augment import Normalise
from tests.support.frames import drawn_frames
from tests.support.messages import message_of

SPEC = Preprocessing(size_hw=(16, 12), center_share=0.8, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))


def drawn(person: int = 0) -> NDArray[np.uint8]:
    """One drawn frame, RGB."""
    return drawn_frames(person, 1)[0].pixels


def test_each_value_becomes_what_the_specification_says() -> None:
    table = normalisation_table(SPEC)
    for channel in range(3):
        for value in range(256):
            expected = (value / 255.0 - SPEC.mean[channel]) / SPEC.std[channel]
            assert table[channel, value] == pytest.approx(expected, abs=1e-6)


def test_the_training_side_agrees_to_the_last_bit() -> None:
    preprocessor = Preprocessor(SPEC)
    row = preprocessor(drawn(), ColorOrder.RGB)
    resized = torch.from_numpy(preprocessor.resize(drawn(), ColorOrder.RGB).copy()).permute(2, 0, 1)[None]
    normalise = Normalise(SPEC.mean, SPEC.std)
    in_training = normalise(resized.float() * SPEC.scale).numpy()[0]
    assert (row.view(np.uint32) == in_training.view(np.uint32)).all()
    # Augmented frames are divided by 255, which is another rounding than the product with 1/255.
    np.testing.assert_allclose(row, normalise(resized.float() / 255.0).numpy()[0], atol=5e-7)


def test_bgr_and_rgb_of_one_picture_are_one_row() -> None:
    preprocessor = Preprocessor(SPEC)
    from_rgb = preprocessor(drawn(), ColorOrder.RGB)
    from_bgr = preprocessor(np.ascontiguousarray(drawn()[:, :, ::-1]), ColorOrder.BGR)
    assert (from_rgb == from_bgr).all()
    mistaken = preprocessor(drawn(), ColorOrder.BGR)
    assert (from_rgb != mistaken).any(), "the picture is grey, and this test shows nothing"


def test_statistics_are_in_the_order_of_the_specification() -> None:
    # A frame that is red alone: the first channel of an RGB row, the last of a BGR row.
    red = np.zeros((4, 4, 3), np.uint8)
    red[:, :, 0] = 255
    for color, channel in ((ColorOrder.RGB, 0), (ColorOrder.BGR, 2)):
        spec = Preprocessing(size_hw=(4, 4), color=color, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
        row = Preprocessor(spec)(red, ColorOrder.RGB)
        for index in range(3):
            value = 1.0 if index == channel else 0.0
            np.testing.assert_allclose(row[index], (value - spec.mean[index]) / spec.std[index], rtol=1e-6)


def test_rows_are_fresh_and_the_resized_picture_is_reused() -> None:
    preprocessor = Preprocessor(SPEC)
    first = preprocessor(drawn(0), ColorOrder.RGB)
    kept = first.copy()
    resized = preprocessor.resize(drawn(0), ColorOrder.RGB)
    assert preprocessor.resize(drawn(1), ColorOrder.RGB) is resized
    preprocessor(drawn(1), ColorOrder.RGB)
    assert (first == kept).all()
    assert not np.shares_memory(first, preprocessor(drawn(1), ColorOrder.RGB))


def test_a_row_is_written_in_place() -> None:
    preprocessor = Preprocessor(SPEC)
    batch = np.full((3, *preprocessor.row_shape), 7.0, np.float32)
    preprocessor.into(batch[1], drawn(), ColorOrder.RGB)
    assert (batch[1] == preprocessor(drawn(), ColorOrder.RGB)).all()
    assert (batch[[0, 2]] == 7.0).all()


def test_views_are_as_good_as_copies() -> None:
    preprocessor = Preprocessor(SPEC)
    mirrored = drawn()[::-1, ::-1]
    assert (preprocessor(mirrored, ColorOrder.RGB) == preprocessor(mirrored.copy(), ColorOrder.RGB)).all()


def test_many_sizes_in_turn_give_what_each_gives_alone() -> None:
    # More sizes than are remembered at once, twice over.
    shared = Preprocessor(SPEC)
    frames = [drawn()[: 4 + side, : 24 - side] for side in range(20)]
    for frame in frames * 2:
        assert (shared(frame, ColorOrder.RGB) == Preprocessor(SPEC)(frame, ColorOrder.RGB)).all()


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(np.zeros((4, 4), np.uint8), id="grey"),
        pytest.param(np.zeros((4, 4, 4), np.uint8), id="with-alpha"),
        pytest.param(np.zeros((3, 4, 4), np.uint8), id="channels-first"),
        pytest.param(np.zeros((1, 4, 4, 3), np.uint8), id="batch"),
        pytest.param(np.zeros((0, 4, 3), np.uint8), id="no-rows"),
        pytest.param(np.zeros((4, 0, 3), np.uint8), id="no-columns"),
        pytest.param(np.zeros((4, 4, 3), np.float32), id="float"),
        pytest.param(np.zeros((4, 4, 3), np.int8), id="signed"),
    ],
)
def test_what_is_no_frame_is_refused(frame: Any) -> None:
    with pytest.raises(DataError) as raised:
        Preprocessor(SPEC)(frame, ColorOrder.RGB)
    assert "expected a non-empty uint8 array of shape (height, width, 3)" in message_of(raised)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"size_hw": (0, 4)}, id="no-rows"),
        pytest.param({"size_hw": (4, -1)}, id="negative-columns"),
        pytest.param({"center_share": 0.0}, id="share-of-nothing"),
        pytest.param({"center_share": 1.1}, id="share-above-one"),
        pytest.param({"center_share": float("nan")}, id="share-nan"),
        pytest.param({"std": (0.1, 0.0, 0.1)}, id="std-of-zero"),
        pytest.param({"std": (0.1, 0.1)}, id="two-stds"),
        pytest.param({"mean": (0.1,)}, id="one-mean"),
        pytest.param({"fit": Fit.LETTERBOX, "center_share": 0.9}, id="centre-of-a-letterbox"),
    ],
)
def test_a_specification_without_sense_is_refused(changes: dict[str, Any]) -> None:
    fields: dict[str, Any] = {"size_hw": (4, 4), **changes}
    with pytest.raises(ContractError):
        Preprocessing(**fields)


LETTERBOX = Preprocessing(size_hw=(96, 160), fit=Fit.LETTERBOX, resampling=Resampling.AREA)


@pytest.mark.parametrize(
    "source_hw",
    [
        (360, 640),
        (1080, 1920),
        (640, 360),
        (97, 131),
        (432, 768),
        (40, 50),
        (1000, 8),
        (8, 1000),
        (96, 160),
        (333, 1777),
    ],
)
@pytest.mark.parametrize("fit", [Fit.LETTERBOX, Fit.STRETCH])
def test_a_box_in_the_tensor_goes_back_to_where_it_is_in_the_frame(source_hw: tuple[int, int], fit: Fit) -> None:
    # A white box on black: its sides in the tensor are read off its mass, which an area mean keeps.
    spec = Preprocessing(size_hw=(96, 160), fit=fit, resampling=Resampling.AREA)
    height, width = source_hw
    y1, y2, x1, x2 = height // 4, -(-3 * height // 4), width // 5, -(-2 * width // 3)
    frame = np.zeros((height, width, 3), np.uint8)
    frame[y1:y2, x1:x2] = 255
    preprocessor = Preprocessor(spec)
    scale_x, scale_y = preprocessor.scale_xy(source_hw)
    content = preprocessor.resize(frame, ColorOrder.RGB)[: round(height * scale_y), : round(width * scale_x), 0] / 255.0
    for axis, scale, low, high in ((0, scale_y, y1, y2), (1, scale_x, x1, x2)):
        profile = content.max(axis=1 - axis) / content.max()  # less than white where it is below a pixel the other way
        middle = (np.arange(len(profile)) + 0.5) @ profile / profile.sum()
        assert abs(middle - (low + high) / 2 * scale) <= 0.5
        assert abs(profile.sum() - (high - low) * scale) <= 0.5


@pytest.mark.parametrize(
    ("source_hw", "expected"),
    [
        pytest.param((4320, 7680), (160 / 7680, 90 / 4320), id="8k"),
        pytest.param((96, 160), (1.0, 1.0), id="as-it-is"),
        pytest.param((1, 8000), (160 / 8000, 1.0), id="one-row-stays-one-row"),
        pytest.param((8000, 1), (1.0, 96 / 8000), id="one-column-stays-one-column"),
        pytest.param((1, 1), (96.0, 96.0), id="one-pixel"),
    ],
)
def test_scales_are_those_of_whole_pixels(source_hw: tuple[int, int], expected: tuple[float, float]) -> None:
    assert Preprocessor(LETTERBOX).scale_xy(source_hw) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("resampling", "opencv", "kind"),
    [
        (Resampling.AREA, True, OpenCvResampler),
        (Resampling.AREA, False, Resampler),
        (Resampling.TRIANGLE, True, Resampler),
    ],
)
def test_opencv_resizes_area_means_where_it_is_installed(
    resampling: Resampling, opencv: bool, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crystaledge.preprocessing.preprocessor.installed", lambda package: opencv)
    preprocessor = Preprocessor(Preprocessing(size_hw=(16, 12), resampling=resampling))
    assert type(preprocessor._resampler(30, 40)) is kind
