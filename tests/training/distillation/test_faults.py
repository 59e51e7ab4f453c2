"""Faults of cameras: shapes and ranges, which rows, how much, and the blur against a naive one."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from crystaledge_training.distillation import faults
from crystaledge_training.distillation.faults import (
    KINDS,
    LIGHT,
    SEVERE,
    blur,
    cover,
    dim_and_noisy,
    exposure,
    photograph,
    shrink,
)
from crystaledge_training.distillation.views import ViewConfig

NOTHING = ViewConfig(fault_share=0.0, exposure_share=0.0, grey_share=0.0)


@pytest.fixture
def faces() -> Tensor:
    torch.manual_seed(0)
    return torch.rand(2 * KINDS, 3, 24, 24) * 0.5 + 0.25


class TestPhotograph:
    def test_gives_bytes_in_the_unit_interval(self, faces: Tensor) -> None:
        taken = photograph(faces, KINDS, ViewConfig())
        assert taken.shape == faces.shape
        assert float(taken.min()) >= 0.0
        assert float(taken.max()) <= 1.0
        torch.testing.assert_close(taken * 255, (taken * 255).round(), atol=1e-4, rtol=0.0)

    def test_without_strength_only_rounds_the_ordinary_and_spoils_every_severe_row(self, faces: Tensor) -> None:
        taken = photograph(faces, KINDS, NOTHING)
        change = (taken - faces).abs().mean(dim=(1, 2, 3))
        assert float(change[:KINDS].max()) <= 0.5 / 255
        assert float(change[KINDS:].min()) > 0.005

    def test_a_share_of_the_ordinary_rows_gets_a_light_fault(self, faces: Tensor) -> None:
        many = faces.repeat(20, 1, 1, 1)
        taken = photograph(many, 0, replace(NOTHING, fault_share=0.3))
        spoilt = (taken - many).abs().mean(dim=(1, 2, 3)) > 2.0 / 255
        assert 0.2 < float(spoilt.float().mean()) < 0.36

    def test_repeats_with_the_seed(self, faces: Tensor) -> None:
        taken = []
        for seed in (1, 1, 2):
            torch.manual_seed(seed)
            taken.append(photograph(faces, KINDS, ViewConfig()))
        assert torch.equal(taken[0], taken[1])
        assert not torch.equal(taken[0], taken[2])


class TestExposure:
    def test_of_no_share_changes_nothing(self, faces: Tensor) -> None:
        assert torch.equal(exposure(faces, NOTHING), faces)

    def test_of_every_row_changes_every_row_and_stays_finite(self, faces: Tensor) -> None:
        found = exposure(faces, replace(NOTHING, exposure_share=1.0))
        assert bool(found.isfinite().all())
        assert float((found - faces).abs().mean(dim=(1, 2, 3)).min()) > 1e-3

    def test_grey_rows_have_no_colour(self, faces: Tensor) -> None:
        found = exposure(faces, replace(NOTHING, grey_share=1.0))
        torch.testing.assert_close(found, faces.mean(1, keepdim=True).expand_as(faces))


class TestEveryFourthRow:
    @pytest.mark.parametrize("config", [LIGHT, SEVERE], ids=["light", "severe"])
    def test_is_of_its_kind(self, faces: Tensor, config: faults.FaultConfig, monkeypatch: pytest.MonkeyPatch) -> None:
        def marks(value: float) -> object:
            return lambda rows, *_: torch.full_like(rows, value)

        monkeypatch.setattr(faults, "blur", marks(0.0))
        monkeypatch.setattr(faults, "shrink", lambda rows, side: torch.full_like(rows, side))
        monkeypatch.setattr(faults, "dim_and_noisy", marks(2.0))
        monkeypatch.setattr(faults, "cover", marks(3.0))
        found = faults.faults(faces, config)[:, 0, 0, 0].tolist()
        expected = [value for side in config.sides_px for value in (0.0, float(side), 2.0, 3.0)]
        assert found == expected * 2

    def test_severe_faults_hide_more_than_light_ones(self, faces: Tensor) -> None:
        many = faces.repeat(8, 1, 1, 1)
        light, severe = (
            (faults.faults(many, config) - many).abs().mean(dim=(1, 2, 3)).view(-1, 4).mean(0)
            for config in (LIGHT, SEVERE)
        )
        assert bool((severe > light).all())


class TestBlur:
    def test_is_the_naive_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        angle, sigma, length = 0.7, 1.3, 4.0
        monkeypatch.setattr(faults, "uniform", lambda count, *_: torch.full((count,), angle))
        face = torch.rand(1, 1, 20, 20)
        found = blur(face, torch.tensor([sigma]), torch.tensor([length]))[0, 0]
        total, weights = 0.0, 0.0
        for dy in range(-7, 8):
            for dx in range(-7, 8):
                along = dx * math.cos(angle) + dy * math.sin(angle)
                across = -dx * math.sin(angle) + dy * math.cos(angle)
                outside = max(abs(along) - length / 2, 0.0)
                weight = math.exp(-0.5 * ((outside / sigma) ** 2 + (across / sigma) ** 2))
                total += weight * float(face[0, 0, 10 + dy, 9 + dx])
                weights += weight
        assert float(found[10, 9]) == pytest.approx(total / weights, abs=1e-5)

    def test_keeps_a_plain_face(self) -> None:
        plain = torch.full((2, 3, 16, 16), 0.4)
        found = blur(plain, torch.tensor([0.0, 4.0]), torch.tensor([0.0, 9.0]))
        torch.testing.assert_close(found, plain)

    def test_gives_each_row_its_own(self) -> None:
        faces = torch.rand(1, 3, 16, 16).expand(2, 3, 16, 16)
        sharp, soft = blur(faces, torch.tensor([0.3, 4.0]), torch.zeros(2))
        assert float(soft.std()) < 0.5 * float(sharp.std())


def test_shrinking_keeps_the_mean_and_loses_detail() -> None:
    faces = torch.rand(1, 3, 32, 32)
    small = shrink(faces, 8)
    assert small.shape == faces.shape
    assert float(small.mean()) == pytest.approx(float(faces.mean()), abs=0.01)
    assert float(small.std()) < 0.5 * float(faces.std())


def test_dim_faces_are_darker_by_the_gain() -> None:
    faces = torch.full((64, 3, 16, 16), 0.5)
    level = dim_and_noisy(faces, (0.2, 0.4), (0.0, 0.01)).mean(dim=(1, 2, 3))
    assert 0.09 < float(level.min()) < 0.12
    assert 0.18 < float(level.max()) < 0.21


def test_the_covered_area_is_the_share_that_was_drawn() -> None:
    faces = torch.full((400, 3, 40, 40), 9.0)  # no colour is so bright
    share = (cover(faces, (0.15, 0.55)) != 9.0).any(dim=1).float().mean(dim=(1, 2))
    assert 0.1 < float(share.min()) < 0.2
    assert 0.45 < float(share.max()) < 0.62
    assert 0.3 < float(share.mean()) < 0.4
