"""Settings and data shared by the tests of the training room."""

from __future__ import annotations

import pytest
import torch

from crystaledge_training.data.frames import FrameStore
from tests.training.builders import scene_store


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def ten_people() -> FrameStore:
    """Ten drawn people with six frames each."""
    return scene_store([6] * 10)
