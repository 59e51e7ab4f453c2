"""Bundles of squares and colours, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from crystaledge.bundle import Bundle
from tests.runtime.video.bright_square import write_detector
from tests.runtime.video.colours import write_colours


@pytest.fixture(scope="session")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The detector of bright squares. Not to be written to."""
    return write_detector(tmp_path_factory.mktemp("squares") / "squares.bundle")


@pytest.fixture(scope="session")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Who knows people by colour. Not to be written to."""
    return write_colours(tmp_path_factory.mktemp("colours") / "colours.bundle")


@pytest.fixture(scope="session")
def bundle_paths(squares: Bundle, colours: Bundle) -> tuple[Path, Path]:
    """Both, for a command line."""
    return squares.path, colours.path
