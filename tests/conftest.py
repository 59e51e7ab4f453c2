"""Fixtures that several rooms share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.bundles import write_tiny_bundle

pytest.register_assert_rewrite("tests.support.engine_contract")

# The same examples at every run, so that a failure is a change in the code and not in the dice; a
# shared machine must not fail a test by being slow. To search further:
#     pytest --hypothesis-profile=search
settings.register_profile("house", deadline=None, derandomize=True, max_examples=60)
settings.register_profile(
    "search", deadline=None, max_examples=3000, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("house")

_REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data: CRYSTALEDGE_DATA, or `shared/data` beside the repository."""
    folder = Path(os.environ.get("CRYSTALEDGE_DATA", _REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data is absent: there is no folder {folder}; set CRYSTALEDGE_DATA to have these tests run")
    return folder


@pytest.fixture(scope="session")
def tiny_bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the tiny step graph; made without torch. Not to be written to."""
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny.bundle").path


@pytest.fixture(scope="session")
def bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of random Mnemosyne weights, exported as users do it. Not to be written to."""
    # Imported here because torch takes a second, and most runs of a single test do not need it.
    from crystaledge_export.export import export_checkpoint
    from crystaledge_training.checkpoint import read_checkpoint
    from tests.support.checkpoints import random_checkpoint

    folder = tmp_path_factory.mktemp("exported")
    checkpoint = read_checkpoint(random_checkpoint(folder / "random.safetensors"))
    return export_checkpoint(checkpoint, folder / "random.bundle").bundle.path
