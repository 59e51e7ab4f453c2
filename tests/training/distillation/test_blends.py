"""Blends: weights are shares, student and teacher see one picture, and landmarks lie upon each other."""

from __future__ import annotations

import torch
from torch import Tensor

from crystaledge_training.distillation.blends import (
    Blend,
    PeopleToBlend,
    blended_chip,
    blended_view,
    draw_blends,
    first_weight,
)
from crystaledge_training.distillation.geometry import CHIP_SIDE, chip_transforms, resample
from tests.training.distillation.builders import CENTRED, inference_transform

LIKE = torch.zeros(1)
IDENTITY = torch.eye(3)[None]


def even(weight: float, count: int = 1) -> Blend:
    flat = torch.full((count, 1, 1), weight)
    return Blend(torch.tensor([[1.0, 0.0]]).expand(count, 2), torch.zeros(count), flat, flat)


def cut() -> Blend:
    """All of the first to the right of the chip's middle, all of the second to the left."""
    return Blend(torch.tensor([[1.0, 0.0]]), torch.zeros(1), torch.zeros(1, 1, 1), torch.ones(1, 1, 1))


def people(first: Tensor, second: Tensor, *, moved: float = 0.0) -> PeopleToBlend:
    points = torch.from_numpy(CENTRED)[None]
    return PeopleToBlend(first, second, chip_transforms(points), chip_transforms(points + moved))


def plain(value: float) -> Tensor:
    return torch.full((1, 3, 40, 40), value)


class TestDraw:
    def test_half_are_even_and_half_are_cuts(self) -> None:
        torch.manual_seed(0)
        blend = draw_blends(2000, LIKE)
        is_even = (blend.low == blend.high).flatten()
        assert 900 < int(is_even.sum()) < 1100
        assert 0.35 <= float(blend.low[is_even].min()) < 0.36
        assert 0.64 < float(blend.low[is_even].max()) <= 0.65
        assert set(blend.low[~is_even].flatten().tolist()) == {0.0}
        assert set(blend.high[~is_even].flatten().tolist()) == {1.0}
        torch.testing.assert_close(blend.normal.norm(dim=1), torch.ones(2000))
        assert float(blend.offset_px.abs().max()) <= 20.0


class TestWeight:
    def test_of_a_cut_is_a_soft_step_through_the_middle(self) -> None:
        weight = first_weight(cut(), IDENTITY, CHIP_SIDE)[0, 0]
        assert torch.equal(weight[0], weight[-1])
        across = weight[0]
        assert bool((across.diff() >= 0).all())
        assert float(across[0]) < 1e-3
        assert float(across[-1]) > 1 - 1e-3
        torch.testing.assert_close(across[CHIP_SIDE // 2], torch.sigmoid(torch.tensor(0.5 / 8.0)))

    def test_of_an_even_blend_is_the_same_everywhere(self) -> None:
        torch.testing.assert_close(first_weight(even(0.4), IDENTITY, 9), torch.full((1, 1, 9, 9), 0.4))


class TestPictures:
    def test_an_even_blend_is_a_weighted_mean(self) -> None:
        both = people(plain(100.0), plain(200.0))
        view = blended_view(both, even(0.35), inference_transform(32, 0.8, LIKE), 32)
        torch.testing.assert_close(view, torch.full((1, 3, 32, 32), 0.35 * 100 + 0.65 * 200))
        chip = blended_chip(both, even(0.35), torch.tensor([False]))
        torch.testing.assert_close(chip, torch.full((1, 3, CHIP_SIDE, CHIP_SIDE), 165.0))

    def test_a_blend_with_oneself_is_oneself(self) -> None:
        face = torch.rand(1, 3, 40, 40)
        view_to_crop = inference_transform(32, 0.8, LIKE)
        found = blended_view(people(face, face), cut(), view_to_crop, 32)
        torch.testing.assert_close(found, resample(face, view_to_crop, 32), atol=1e-3, rtol=0.0)

    def test_the_second_face_is_laid_upon_the_first_by_its_landmarks(self) -> None:
        # The second crop shows the same face 16 crop pixels further on, and its landmarks say so.
        face = torch.rand(1, 3, 40, 40)
        moved = face.roll((5, 5), dims=(2, 3))  # 5 of 40 pixels are 16 of 128
        view_to_crop = inference_transform(16, 0.3, LIKE)
        found = blended_view(people(face, moved, moved=16.0), even(0.5), view_to_crop, 16)
        torch.testing.assert_close(found, resample(face, view_to_crop, 16), atol=1e-3, rtol=0.0)

    def test_the_teacher_may_see_the_mirror_image(self) -> None:
        both = people(torch.rand(1, 3, 40, 40), torch.rand(1, 3, 40, 40))
        chip, mirrored = (blended_chip(both, cut(), torch.tensor([flag])) for flag in (False, True))
        torch.testing.assert_close(mirrored, chip.flip(3), atol=1e-3, rtol=0.0)

    def test_student_and_teacher_see_the_same_side_of_a_cut(self) -> None:
        both = people(plain(0.0), plain(1.0))
        chip = blended_chip(both, cut(), torch.tensor([False]))[0, 0]
        view = blended_view(both, cut(), inference_transform(32, 0.8, LIKE), 32)[0, 0]
        # CENTRED stands upright, so right is right in both.
        assert float(chip[:, -1].max()) < 0.01 < 0.99 < float(chip[:, 0].min())
        assert float(view[:, -1].max()) < 0.1 < 0.9 < float(view[:, 0].min())
