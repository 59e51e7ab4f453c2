"""Views are where they are said to be, vary as they are said to, and repeat with the seed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from crystaledge_training.distillation.geometry import CHIP_SIDE, CROP_SIDE, apply, chip_transforms, resample
from crystaledge_training.distillation.views import (
    ViewConfig,
    chip_mirrors,
    chips,
    jittered_transforms,
    signs,
    uniform,
)
from tests.training.distillation.builders import CENTRED, inference_transform

STILL = ViewConfig(zoom=(1.0, 1.0), stretch=0.0, shift_px=0.0, rotation_rad=0.0)
LIKE = torch.zeros(1)


def drawn(count: int, config: ViewConfig = ViewConfig(), *, seed: int = 0) -> Tensor:  # noqa: B008
    torch.manual_seed(seed)
    return jittered_transforms(count, 64, 0.8, config, LIKE)


def test_numbers_lie_in_their_range() -> None:
    numbers = uniform(2000, -3.0, 5.0, LIKE)
    assert numbers.shape == (2000,)
    assert -3.0 <= float(numbers.min()) < -2.9
    assert 4.9 < float(numbers.max()) < 5.0


def test_half_of_the_signs_are_mirrors() -> None:
    found = signs(2000, LIKE)
    assert set(found.tolist()) == {-1.0, 1.0}
    assert abs(float(found.mean())) < 0.1


class TestInferenceTransform:
    @pytest.mark.parametrize(("side", "share"), [(64, 0.8), (32, 1.0), (48, 0.5)])
    def test_shows_the_middle_of_the_crop(self, side: int, share: float) -> None:
        corners = torch.tensor([[[-0.5, -0.5], [side - 0.5, side - 0.5]]])  # outer edges of the first and last pixels
        low, high = apply(inference_transform(side, share, LIKE), corners)[0]
        margin = CROP_SIDE * (1 - share) / 2
        torch.testing.assert_close(low, torch.full((2,), margin - 0.5))
        torch.testing.assert_close(high, torch.full((2,), CROP_SIDE - margin - 0.5))

    def test_is_the_cut_that_inference_makes(self) -> None:
        frames = torch.rand(1, 3, 80, 80) * 255
        found = resample(frames, inference_transform(64, 0.8, LIKE), 64)
        torch.testing.assert_close(found, frames[:, :, 8:72, 8:72], atol=0.05, rtol=0.0)


class TestJitter:
    def test_without_strength_is_inference_or_its_mirror_image(self) -> None:
        plain = inference_transform(64, 0.8, LIKE)[0]
        mirror = plain @ torch.tensor([[-1.0, 0.0, 63.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
        found = drawn(64, STILL)
        is_plain = ((found - plain).abs() < 1e-3).all(dim=(1, 2))
        is_mirror = ((found - mirror).abs() < 1e-3).all(dim=(1, 2))
        assert bool((is_plain ^ is_mirror).all())
        assert 10 < int(is_mirror.sum()) < 54

    def test_stays_within_its_strengths(self) -> None:
        config = ViewConfig()
        found = drawn(3000)
        pitch = CROP_SIDE * 0.8 / 64
        area = found[:, :2, :2].det().abs().sqrt() / pitch  # stretch keeps the area
        assert config.zoom[0] <= float(area.min()) < config.zoom[0] + 0.01
        assert config.zoom[1] - 0.01 < float(area.max()) <= config.zoom[1] + 1e-5
        middle = apply(found, torch.tensor([[[31.5, 31.5]]]))[:, 0]
        assert float((middle - 63.5).abs().max()) <= config.shift_px + 1e-4
        turn = torch.atan2(found[:, 1, 1], found[:, 0, 1]) - torch.pi / 2
        assert 0.1 < float(turn.abs().max()) <= config.rotation_rad + 1e-4
        ratio = found[:, :2, 0].norm(dim=1) / found[:, :2, 1].norm(dim=1)
        assert float(ratio.max()) <= (1 + config.stretch) ** 2 + 1e-4

    def test_repeats_with_the_seed(self) -> None:
        assert torch.equal(drawn(8, seed=3), drawn(8, seed=3))
        assert not torch.equal(drawn(8, seed=3), drawn(8, seed=4))


class TestChips:
    def test_have_the_teachers_size_and_the_crops_range(self) -> None:
        frames = torch.randint(0, 256, (2, 3, 40, 40), dtype=torch.uint8)
        to_crop = chip_transforms(torch.from_numpy(CENTRED)[None].expand(2, 5, 2))
        found = chips(frames, to_crop, torch.tensor([False, True]))
        assert (found.shape, found.dtype) == ((2, 3, CHIP_SIDE, CHIP_SIDE), torch.float32)
        assert float(found.min()) >= 0.0
        assert float(found.max()) <= 255.0

    def test_are_mirrored_one_by_one(self) -> None:
        frames = torch.rand(1, 3, 40, 40).expand(2, 3, 40, 40)
        to_crop = chip_transforms(torch.from_numpy(CENTRED)[None].expand(2, 5, 2))
        plain, mirrored = chips(frames, to_crop, torch.tensor([False, True]))
        torch.testing.assert_close(mirrored, plain.flip(2), atol=1e-3, rtol=0.0)
        assert not torch.allclose(mirrored, plain, atol=1e-2)

    def test_mirror_maps_pixels_to_pixels(self) -> None:
        plain, mirrored = chip_mirrors(torch.tensor([False, True]))
        assert torch.equal(plain, torch.eye(3))
        ends = apply(mirrored[None], torch.tensor([[[0.0, 7.0], [CHIP_SIDE - 1.0, 7.0]]]))[0]
        assert ends.tolist() == [[CHIP_SIDE - 1.0, 7.0], [0.0, 7.0]]
