"""The embedded graphs, in every precision that ships."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from crystaledge.bundle import Bundle
from crystaledge.locate import FixedBox
from crystaledge.manifest.model import Target
from crystaledge.sources.open import SYNTHETIC
from crystaledge_calibration.choices import Calibrator
from crystaledge_calibration.clips import open_clips
from crystaledge_calibration.quantize import add_to_bundle, quantize_graph
from crystaledge_calibration.recipe import RecipeOptions
from crystaledge_calibration.sequence_set import choose_sequences
from crystaledge_export.trt.build import Workshop
from tests.export.trt.builders import embedded, workshop_of
from tests.support.bundles import write_tiny_bundle


@pytest.fixture(scope="session")
def quantized(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The embedded bundle with an int8 graph, quickly calibrated on the drawn scene. Not to be written to."""
    path = Path(shutil.copytree(embedded().path, tmp_path_factory.mktemp("quantized") / "m.bundle"))
    bundle = Bundle.open(path)
    sequences = choose_sequences(open_clips(SYNTHETIC)[:4], sequences=4, steps=4, warm_up=1, seed=0, box=FixedBox())
    options = RecipeOptions(
        target=Target.TENSORRT, calibrator=Calibrator.MINMAX, equalize=False, correct_bias=False, workers=1
    )
    return add_to_bundle(bundle, quantize_graph(bundle, bundle.graph(), sequences, options))


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_tiny_bundle(tmp_path / "box" / "m.bundle")


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return workshop_of(tmp_path)
