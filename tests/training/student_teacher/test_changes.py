"""Mild changes: as mild as they are said to be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from crystaledge_training.student_teacher.changes import MildChanges
from crystaledge_training.student_teacher.train_config import ChangeConfig

STILL = ChangeConfig(rotation_rad=0.0, zoom=(1.0, 1.0), shift=0.0, exposure=(1.0, 1.0), contrast=(1.0, 1.0))
IMAGES = torch.rand(3, 3, 24, 40, generator=torch.Generator().manual_seed(0))


def changed(images: torch.Tensor, config: ChangeConfig, seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    found: torch.Tensor = MildChanges(config)(images)
    return found


def test_no_change_changes_nothing() -> None:
    torch.testing.assert_close(changed(IMAGES, STILL), IMAGES, atol=1e-5, rtol=0.0)


def test_equal_seeds_change_alike_and_images_of_a_batch_apart() -> None:
    same = IMAGES[:1].repeat(3, 1, 1, 1)
    first, second = changed(same, ChangeConfig(), 3), changed(same, ChangeConfig(), 3)
    assert torch.equal(first, second)
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first, changed(same, ChangeConfig(), 4))


def test_values_stay_in_range_and_finite() -> None:
    for seed in range(5):
        found = changed((IMAGES > 0.5).float(), ChangeConfig(exposure=(0.1, 3.0), contrast=(0.1, 3.0)), seed)
        assert found.min() >= 0.0 and found.max() <= 1.0 and torch.isfinite(found).all()


def test_a_turn_on_a_wide_image_keeps_what_is_round() -> None:
    # A spot in the middle stays where and what it is, whatever the aspect ratio: pixels turn, not shares of sides.
    y, x = np.mgrid[:40, :80]
    spot = np.exp(-((y - 19.5) ** 2 + (x - 39.5) ** 2) / 50.0).astype(np.float32)
    spots = torch.from_numpy(spot).expand(8, 3, 40, 80).contiguous()
    torch.testing.assert_close(changed(spots, replace(STILL, rotation_rad=0.5)), spots, atol=0.02, rtol=0.0)


@pytest.mark.parametrize("mirror", [False, True])
def test_the_hand_of_a_thread_is_kept_unless_it_may_be_lost(mirror: bool) -> None:
    ramp = torch.linspace(0.0, 1.0, 40).expand(16, 3, 24, 40).contiguous()
    rising = (changed(ramp, replace(STILL, mirror=mirror))[:, 0, 0].diff(dim=1) >= -1e-6).all(dim=1)
    assert rising.all() != mirror
