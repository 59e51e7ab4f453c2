"""Augmentation: what may change, what may not, and that doing nothing is what inference sees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder, Preprocessing
from crystaledge_training.data.augment import (
    AugmentConfig,
    CameraAugmentation,
    CropJitter,
    Normalise,
    SevereDegradation,
    degrade,
)
from tests.training.builders import TINY_SPEC, scene_store

NOTHING = AugmentConfig(
    zoom=(1.0, 1.0),
    shift=0.0,
    rotation_rad=0.0,
    exposure_probability=0.0,
    blur_probability=0.0,
    motion_probability=0.0,
    noise_probability=0.0,
    occlusion_probability=0.0,
    grey_probability=0.0,
)
"""All that can be switched off; the mirror cannot."""
WHOLE_SPEC = Preprocessing(size_hw=(40, 40))


@pytest.fixture(scope="module")
def whole() -> Tensor:
    """Whole frames of 40 pixels, uint8 `(8, 3, 40, 40)`; inference keeps the middle 32."""
    pixels = scene_store([4, 4], WHOLE_SPEC).pixels
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()


def run(module: CameraAugmentation, frames: Tensor, seed: int) -> Tensor:
    torch.manual_seed(seed)
    result: Tensor = module(frames)
    return result


@pytest.mark.parametrize("seed", range(3))
def test_output_is_a_float_crop_in_the_unit_range(whole: Tensor, seed: int) -> None:
    # Everything at once and stronger than in training, so that the clamp has work to do.
    config = AugmentConfig(
        brightness=(0.2, 2.0),
        noise_std=0.5,
        exposure_probability=1.0,
        blur_probability=1.0,
        motion_probability=1.0,
        noise_probability=1.0,
        occlusion_probability=1.0,
        grey_probability=1.0,
    )
    out = run(CameraAugmentation((32, 24), config, center_share=0.8), whole, seed)
    assert out.shape == (8, 3, 32, 24)
    assert out.dtype == torch.float32
    assert out.min() == 0.0
    assert out.max() == 1.0
    assert not out.requires_grad


def test_is_a_function_of_the_torch_seed(whole: Tensor) -> None:
    module = CameraAugmentation((32, 32), AugmentConfig(), center_share=0.8)
    first = run(module, whole, 5)
    assert torch.equal(run(module, whole, 5), first)
    # A new object keeps nothing from the old one.
    assert torch.equal(run(CameraAugmentation((32, 32), AugmentConfig(), center_share=0.8), whole, 5), first)
    assert not torch.equal(run(module, whole, 6), first)


def test_frames_of_a_batch_are_drawn_one_by_one(whole: Tensor) -> None:
    same = whole[:1].expand(6, -1, -1, -1)
    out = run(CameraAugmentation((32, 32), AugmentConfig(), center_share=0.8), same, 0)
    assert len({tuple(frame.flatten()[::37].tolist()) for frame in out}) == 6


def test_without_jitter_the_crop_is_what_inference_sees_or_its_mirror(whole: Tensor) -> None:
    seen = torch.from_numpy(scene_store([4, 4]).pixels).permute(0, 3, 1, 2) / 255.0
    mirrored = []
    for seed in range(3):
        out = run(CameraAugmentation((32, 32), NOTHING, center_share=0.8), whole, seed)
        for crop, expected in zip(out, seen, strict=True):
            straight, flipped = ((crop - e).abs().max().item() for e in (expected, expected.flip(2)))
            assert min(straight, flipped) < 1e-4
            mirrored.append(flipped < straight)
    assert 4 < sum(mirrored) < 20  # a fair coin, 24 times


def test_a_frame_that_is_resampled_is_close_to_what_inference_sees() -> None:
    # 128 pixels are cut and shrunk in one go here, shrunk and cut there: the same picture but for filtering.
    generator = np.random.default_rng(0)
    smooth = np.kron(generator.integers(0, 255, (8, 8, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    share = replace(TINY_SPEC, size_hw=(64, 64))
    expected = torch.from_numpy(Preprocessor(share).resize(smooth, ColorOrder.RGB).copy()).permute(2, 0, 1) / 255.0
    frame = Preprocessor(Preprocessing(size_hw=(80, 80))).resize(smooth, ColorOrder.RGB).copy()
    frames = torch.from_numpy(frame).permute(2, 0, 1)[None]
    out = run(CameraAugmentation((64, 64), NOTHING, center_share=0.8), frames, 0)[0]
    assert min((out - e).abs().mean().item() for e in (expected, expected.flip(2))) < 0.02


def test_zooming_out_beyond_the_frame_repeats_its_border() -> None:
    frames = torch.full((1, 3, 20, 20), 0.25)
    frames[:, :, :, -1] = 0.75
    frames[:, :, :, 0] = 0.75
    out = CropJitter((40, 40), 1.0, replace(NOTHING, zoom=(2.0, 2.0)))(frames)
    torch.testing.assert_close(out[0, :, :, :9], torch.full((3, 40, 9), 0.75))
    torch.testing.assert_close(out[0, :, :, -9:], torch.full((3, 40, 9), 0.75))
    torch.testing.assert_close(out[0, :, 0], out[0, :, 20])  # above the frame as inside of it
    assert out[0, 0, 20, 20] == pytest.approx(0.25)


def test_the_zoom_is_against_the_crop_of_inference() -> None:
    # A ramp from left to right shows which columns were taken: the middle 0.8 x 0.5 of them.
    ramp = ((torch.arange(100) + 0.5) / 100).expand(1, 3, 100, 100)
    out = CropJitter((50, 50), 0.8, replace(NOTHING, zoom=(0.5, 0.5)))(ramp)
    taken = sorted((out[0, 0, 25, 0].item(), out[0, 0, 25, -1].item()))  # mirrored or not
    assert taken == pytest.approx([0.5 - 0.2 + 0.004, 0.5 + 0.2 - 0.004], abs=1e-5)


def test_shift_and_rotation_stay_within_their_limits() -> None:
    rows = ((torch.arange(100) + 0.5) / 100).view(1, 1, 100, 1).expand(200, 3, 100, 100)
    torch.manual_seed(0)
    moved = CropJitter((51, 51), 0.5, replace(NOTHING, shift=0.1))(rows)[:, 0, 25, 25] - 0.5
    assert 0.09 < moved.abs().max() <= 0.1 + 1e-5
    assert moved.min() < -0.08
    assert moved.max() > 0.08
    turned = CropJitter((51, 51), 0.5, replace(NOTHING, rotation_rad=0.2))(rows)[:, 0, 25]
    slope = (turned[:, -1] - turned[:, 0]).abs() / (0.5 * 50 / 51)  # sine of the angle
    assert 0.18 < slope.max() <= np.sin(0.2) + 1e-4


@pytest.mark.parametrize(
    "config",
    [
        replace(NOTHING, exposure_probability=1.0),
        replace(NOTHING, blur_probability=1.0),
        replace(NOTHING, motion_probability=1.0),
        replace(NOTHING, noise_probability=1.0),
        replace(NOTHING, occlusion_probability=1.0),
        replace(NOTHING, grey_probability=1.0),
    ],
    ids=["exposure", "blur", "motion", "noise", "occlusion", "grey"],
)
def test_each_probability_switches_its_own_effect(whole: Tensor, config: AugmentConfig) -> None:
    plain = CameraAugmentation((32, 32), NOTHING, center_share=0.8)
    camera = CameraAugmentation((32, 32), config, center_share=0.8)
    crops = plain(whole)
    with torch.no_grad():
        untouched, changed = plain.camera(crops), camera.camera(crops)
    assert torch.equal(untouched, crops)
    assert (changed - crops).abs().flatten(1).amax(dim=1).min() > 0.01


def test_training_sees_the_values_that_inference_sees(whole: Tensor) -> None:
    # One definition of preprocessing: the runtime's, bit for bit but for the last rounding.
    spec = replace(TINY_SPEC, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
    raw = whole[:, :, 4:36, 4:36]
    found = Normalise(spec.mean, spec.std)(raw.float() / 255.0 * (255.0 * spec.scale))
    preprocessor = Preprocessor(replace(spec, center_share=1.0))
    for row, frame in enumerate(raw.permute(0, 2, 3, 1).numpy()):
        expected = preprocessor(np.ascontiguousarray(frame), ColorOrder.RGB)
        np.testing.assert_allclose(found[row].numpy(), expected, atol=1e-6)


class TestSevereDegradation:
    def frames(self, count: int) -> Tensor:
        return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(0))

    def spoil(self, frames: Tensor, probability: float, seed: int = 0) -> Tensor:
        torch.manual_seed(seed)
        result: Tensor = SevereDegradation(probability)(frames)
        return result

    def test_spoils_that_share_of_the_frames_and_leaves_the_others_alone(self) -> None:
        frames = self.frames(400)
        changed = (self.spoil(frames, 0.25) - frames).abs().flatten(1).amax(dim=1)
        assert 70 < (changed > 0).sum() < 130  # four standard deviations around 100
        assert changed[changed > 0].min() > 0.05

    @pytest.mark.parametrize(("probability", "share"), [(0.0, 0.0), (1.0, 1.0)])
    def test_can_spoil_none_or_all(self, probability: float, share: float) -> None:
        frames = self.frames(40)
        changed = (self.spoil(frames, probability) != frames).flatten(1).any(dim=1)
        assert changed.float().mean() == share

    def test_keeps_to_the_unit_range_and_to_its_own_copy(self) -> None:
        frames = self.frames(60)
        before = frames.clone()
        out = self.spoil(frames, 1.0)
        assert out.min() >= 0.0
        assert out.max() <= 1.0
        assert out.shape == frames.shape
        assert torch.equal(frames, before)

    def test_is_a_function_of_the_torch_seed(self) -> None:
        frames = self.frames(40)
        assert torch.equal(self.spoil(frames, 0.5, seed=1), self.spoil(frames, 0.5, seed=1))
        assert not torch.equal(self.spoil(frames, 0.5, seed=1), self.spoil(frames, 0.5, seed=2))

    def test_every_kind_comes_up(self) -> None:
        # White noise of mean 1/2 is made dark, flat, clipped at both ends, or partly black.
        out = self.spoil(self.frames(80), 1.0).flatten(1)
        mean, deviation, black = out.mean(dim=1), out.std(dim=1), (out == 0.0).float().mean(dim=1)
        dark, blurred = mean < 0.2, (deviation < 0.1) & (mean > 0.4)
        noisy, covered = (black > 0.02) & (mean > 0.45), (black > 0.2) & (mean > 0.2)
        kinds = torch.stack([dark, blurred, noisy, covered])
        assert (kinds.sum(dim=0) == 1).all()
        assert kinds.sum(dim=1).min() >= 8  # of twenty expected each


class TestDegrade:
    """Spoilt copies of stored frames, for measuring and for learning doubt."""

    def test_equal_seeds_spoil_the_same_frames_in_the_same_way(self) -> None:
        pixels = scene_store([6] * 5).pixels
        before = pixels.copy()
        torch.manual_seed(3)
        state = torch.get_rng_state()
        first = degrade(pixels, 0.4, seed=1)
        assert torch.equal(torch.get_rng_state(), state)  # torch's own generator is left as it was
        torch.manual_seed(4)
        np.testing.assert_array_equal(degrade(pixels, 0.4, seed=1), first)
        assert (degrade(pixels, 0.4, seed=2) != first).any()
        np.testing.assert_array_equal(pixels, before)

    def test_frames_that_are_not_chosen_stay_as_they_are_to_the_bit(self) -> None:
        pixels = scene_store([8] * 20).pixels
        spoilt = degrade(pixels, 0.4, seed=1)
        assert spoilt.dtype == np.uint8
        assert spoilt.shape == pixels.shape
        changed = (spoilt != pixels).reshape(len(pixels), -1).any(axis=1)
        assert 40 < changed.sum() < 88  # four standard deviations around 64
        np.testing.assert_array_equal(degrade(pixels, 0.0, seed=1), pixels)
