"""What is exported once and looked at by many tests. Exports take seconds."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch

from crystaledge_export.description import StepDescription
from crystaledge_export.export import Exported, export_checkpoint
from crystaledge_export.to_onnx import onnx_from_step
from crystaledge_training.checkpoint import Checkpoint
from tests.export.builders import published_checkpoint, tiny_description


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def checkpoint_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `checkpoint` lies."""
    return tmp_path_factory.mktemp("checkpoint") / "random.safetensors"


@pytest.fixture(scope="session")
def checkpoint(checkpoint_path: Path) -> Checkpoint:
    """Random weights of the published sizes."""
    return published_checkpoint(checkpoint_path)


@pytest.fixture(scope="session")
def exported(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Their bundle, made as users make it. Not to be written to."""
    return export_checkpoint(checkpoint, tmp_path_factory.mktemp("exported") / "random.bundle")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    """The graph of a small step. Not to be changed: see `tests.export.builders.changed`."""
    return onnx_from_step(tiny_description(tmp_path_factory.mktemp("tiny") / "tiny.safetensors"))


@pytest.fixture
def tiny(tmp_path: Path) -> StepDescription:
    """The description that `tiny_model` was made from, with a module of its own."""
    return tiny_description(tmp_path / "tiny.safetensors")
