"""Drawn screws on a belt: normal ones, and some with a black bite out of them; and the smallest configuration."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from crystaledge_training.anomaly.backbone_kind import BackboneKind
from crystaledge_training.student_teacher.config import Combination, StudentKind, StudentTeacherConfig
from crystaledge_training.student_teacher.train_config import StudentTeacherTrainConfig

SIDE = 32
TINY_PAIR = StudentTeacherConfig(
    teacher=BackboneKind.PUBLISHED, imitated=(4, 8), student=StudentKind.LIGHT, width=1, combination=Combination.SUM
)
"""A random teacher of three convolutions, and the light student."""
TINY = StudentTeacherTrainConfig(
    network=TINY_PAIR, size_hw=(SIDE, SIDE), epochs=3, batch_size=4, warmup_epochs=1, learning_rate=5e-3, seed=5
)

LIGHTNING_WARNINGS = [
    # Lightning's own: a deprecated call of torch, and advice about cases that are not ours.
    pytest.mark.filterwarnings("ignore:.*isinstance.treespec, LeafSpec.. is deprecated"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty"),
    # The teacher is frozen, and Lightning counts its modules.
    pytest.mark.filterwarnings("ignore:Found .* module.s. in eval mode at the start of training"),
]
"""For tests that train: `pytestmark = LIGHTNING_WARNINGS`."""


def draw_part(seed: int, *, bitten: bool = False) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A light bar on a dark belt, uint8 `(48, 48, 3)`, and its mask of what is bitten away."""
    generator = np.random.default_rng(seed)
    image = generator.normal(60.0, 4.0, (48, 48, 3)).clip(0, 255).astype(np.uint8)
    x, y = generator.integers(6, 12, 2)
    cv2.rectangle(image, (int(x), int(y) + 8), (int(x) + 28, int(y) + 18), (200, 190, 180), -1)
    mask = np.zeros((48, 48), np.uint8)
    if bitten:
        cv2.circle(mask, (int(x) + 14, int(y) + 12), 5, 255, -1)
        image[mask > 0] = (0, 0, 255)
    return image, mask


def draw_parts(root: Path, *, train: int = 16, good: int = 3, bitten: int = 4) -> Path:
    """A folder in MVTec's layout."""
    for folder in ("train/good", "test/good", "test/bitten", "ground_truth/bitten"):
        (root / folder).mkdir(parents=True)
    for number in range(train):
        _write(root / f"train/good/{number:03d}.png", draw_part(number)[0])
    for number in range(good):
        _write(root / f"test/good/{number:03d}.png", draw_part(1000 + number)[0])
    for number in range(bitten):
        image, mask = draw_part(2000 + number, bitten=True)
        _write(root / f"test/bitten/{number:03d}.png", image)
        _write(root / f"ground_truth/bitten/{number:03d}_mask.png", mask)
    return root


def _write(path: Path, image: NDArray[np.uint8]) -> None:
    assert cv2.imwrite(str(path), image)
