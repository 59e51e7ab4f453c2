"""Families: the graphs of one network at several sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from crystaledge.bundle import Bundle
from crystaledge.errors import ContractError, UsageError
from crystaledge_calibration.family import differences, family_of, reads_images, resized, size_of
from tests.calibration.builders import small_spec, write_small_bundle
from tests.calibration.detector_builders import (
    SIDE,
    WHOLE,
    detector_model,
    detector_spec,
    detector_weights,
    write_detector_bundle,
)
from tests.calibration.spoiling import with_graph
from tests.support.messages import message_of


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_detector_bundle(tmp_path / "detector.bundle")


def spoiled(name: str) -> onnx.ModelProto:
    return detector_model(32, {name: detector_weights()[name] + np.float32(0.01)})


def test_a_graph_reads_images_where_nothing_comes_back() -> None:
    assert reads_images(detector_spec()) and not reads_images(small_spec())
    assert size_of(detector_spec(32)) == (32, 32)


@pytest.mark.parametrize("name", [None, WHOLE, "detect_48x48"])
def test_whichever_is_named_all_sizes_are_meant_and_the_whole_image_is_first(bundle: Bundle, name: str | None) -> None:
    assert [graph.name for graph in family_of(bundle, name)] == [WHOLE, "detect_32x32", "detect_48x48"]


def test_a_graph_of_other_weights_is_of_another_family(bundle: Bundle) -> None:
    other = with_graph(bundle, "detect_32x32", spoiled("logit.bias"))
    assert [graph.name for graph in family_of(other, None)] == [WHOLE, "detect_48x48"]
    with pytest.raises(ContractError) as raised:
        family_of(other, "detect_32x32")
    assert message_of(raised) == "No graph with the weights of 'detect_32x32' takes whole images of 64x64 px."


def test_a_step_graph_has_no_family(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        family_of(write_small_bundle(tmp_path / "step.bundle"), None)
    assert "reads face, hidden, which no folder of images holds; it stays in float32" in message_of(raised)


def test_a_network_takes_the_border_of_another_size() -> None:
    made = resized(detector_model(SIDE), detector_model(32))
    onnx.checker.check_model(made, full_check=True)
    assert made == detector_model(32)


def test_what_a_graph_does_not_share_is_named() -> None:
    assert differences(detector_model(64), detector_model(32)) == ()
    assert differences(detector_model(64), spoiled("box.bias")) == ("box.bias",)
    lacking = detector_model(32)
    del lacking.graph.node[-1]
    assert differences(detector_model(64), lacking) == ("conv_box",)
