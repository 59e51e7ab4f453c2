"""Quantization of a family, by detectors: one network in every size, ranges over all octaves, records, and lint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from crystaledge.bundle import Bundle
from crystaledge.errors import OutputExistsError, UsageError
from crystaledge.manifest.model import Precision, Target
from crystaledge_calibration.choices import LintTarget
from crystaledge_calibration.family import differences
from crystaledge_calibration.image_set import ImageSet
from crystaledge_calibration.lint.lint import lint_graph
from crystaledge_calibration.observe import watched_step
from crystaledge_calibration.quantize import Quantized
from crystaledge_calibration.quantize_family import family_to_quantize
from crystaledge_calibration.recipe import RecipeOptions
from tests.calibration.builders import dequantized, node_of
from tests.calibration.detector_builders import (
    PLAIN,
    PREPROCESSING,
    SIDES,
    detector_model,
    pictures,
    quantized,
    quantized_bundle,
    write_detector_bundle,
    write_pictures,
)
from tests.calibration.spoiling import serialized
from tests.support.messages import message_of

CONVS = ("stem", "down", "depthwise", "pointwise", "shared", "logit", "box")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return pictures(write_pictures(tmp_path_factory.mktemp("data") / "pictures", 8))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_detector_bundle(tmp_path_factory.mktemp("bundles") / "detector.bundle")


@pytest.fixture(scope="module", params=list(Target), ids=lambda target: target.value)
def made(request: pytest.FixtureRequest, bundle: Bundle, images: ImageSet) -> tuple[Quantized, ...]:
    return quantized(bundle, images, replace(PLAIN, target=request.param))


def test_every_size_holds_the_same_network(made: tuple[Quantized, ...]) -> None:
    target = made[0].record.target.value
    assert [one.graph.name for one in made] == [f"detect_{side}x{side}-int8-{target}" for side in SIDES]
    assert [one.graph.derived_from for one in made] == [f"detect_{side}x{side}" for side in SIDES]
    for one in made[1:]:
        assert differences(made[0].model, one.model) == ()
        assert one.model.graph.input[0] != made[0].model.graph.input[0]


def test_every_convolution_is_int8_that_behind_the_features_too(made: tuple[Quantized, ...]) -> None:
    for one in made:
        onnx.checker.check_model(one.model, full_check=True)
        for name in CONVS:
            for operand in node_of(one.model, f"conv_{name}").input[:2]:
                dequantized(one.model, operand)
        assert all(node.precision is Precision.INT8 for node in one.record.nodes) and one.record.macs_int8 == 1.0


def test_the_block_adds_its_own_input_in_eight_bits(made: tuple[Quantized, ...]) -> None:
    model = made[0].model
    skip = dequantized(model, node_of(model, "residual").input[1])
    quantizers = [node for node in model.graph.node if node.op_type == "QuantizeLinear" and node.input[0] == "block"]
    assert len(quantizers) == 1 and skip.input[0] == quantizers[0].output[0], "one pair serves block and sum"


def test_lint_finds_nothing(made: tuple[Quantized, ...]) -> None:
    targets = {Target.CPU: LintTarget.CPU, Target.TENSORRT: LintTarget.JETPACK_6_2}
    for one in made:
        assert lint_graph(serialized(one.model), one.graph, targets[one.record.target]) == ()


def test_ranges_span_all_octaves_of_the_calibrating_half(made: tuple[Quantized, ...], images: ImageSet) -> None:
    calibrating, choosing = images.split(every=2)
    names = [record.tensor for record in made[0].record.ranges if record.tensor != "image"]
    step = watched_step(detector_model(), names)
    high = dict.fromkeys(names, -np.inf)
    for batch in calibrating.batches(PREPROCESSING):
        whole = batch.frames.shape[-1] == SIDES[0]
        seen = step if whole else watched_step(detector_model(batch.frames.shape[-1]), names)
        for name, values in seen({"image": batch.frames}).items():
            if name in high:
                high[name] = max(high[name], float(values.max()))
    for record in made[0].record.ranges:
        if record.tensor in high:
            assert record.high == pytest.approx(high[record.tensor], rel=1e-5)
    assert made[0].record.chosen_on == len(choosing) == 4


def test_the_record_keeps_the_images_by_hash(made: tuple[Quantized, ...], images: ImageSet) -> None:
    for one in made:
        assert one.record.calibrated_on == images.record()
        assert [step.name for step in one.record.recipe] == ["calibrator minmax"]
        assert one.record.accounting[-1].int8_bytes == one.model.ByteSize()


def test_a_window_gives_what_the_whole_image_gives(made: tuple[Quantized, ...], images: ImageSet) -> None:
    whole, _, window = (watched_step(one.model, ()) for one in made)
    (rows,) = images.rows(PREPROCESSING)
    maps, part = whole({"image": rows}), window({"image": rows[:, :, 8:56, 8:56]})
    for name, values in part.items():
        inner = (slice(None), slice(None), slice(4, -4), slice(4, -4))
        np.testing.assert_allclose(values[inner], maps[name][:, :, 2:-2, 2:-2][inner], atol=1e-4)


def test_the_whole_recipe_is_measured_and_no_worse_than_its_start(bundle: Bundle, images: ImageSet) -> None:
    full = RecipeOptions(target=Target.CPU)
    first, again = quantized(bundle, images, full)[0], quantized(bundle, images, full)[0]
    assert first.record == again.record and serialized(first.model) == serialized(again.model)
    taken = [step.loss for step in first.record.recipe if step.taken]
    assert taken == sorted(taken, reverse=True)
    names = [step.name for step in first.record.recipe]
    assert {"equalised with migration 0.5", "calibrators tensor by tensor", "bias corrected"} <= set(names)


def test_nodes_kept_in_float_are_float_in_every_size(bundle: Bundle, images: ImageSet) -> None:
    for one in quantized(bundle, images, replace(PLAIN, keep_float=("logit.weight",))):
        assert node_of(one.model, "conv_logit").input[1] == "logit.weight"
        assert {n.node: n.reason for n in one.record.nodes}["conv_logit"] == "kept in float32 as asked for"
    with pytest.raises(UsageError):
        quantized(bundle, images, replace(PLAIN, keep_float=("logit",)))


def test_graphs_that_are_there_are_not_replaced_unasked(tmp_path: Path, images: ImageSet) -> None:
    bundle = quantized_bundle(write_detector_bundle(tmp_path / "detector.bundle"), images)
    assert len(bundle.manifest.graphs) == 2 * len(SIDES)
    with pytest.raises(OutputExistsError) as raised:
        family_to_quantize(bundle, None, Target.CPU, force=False)
    assert "has graphs for cpu already; give --force" in message_of(raised)
    assert len(family_to_quantize(bundle, None, Target.TENSORRT, force=False)) == len(SIDES)
    assert quantized_bundle(bundle, images).manifest.graphs == bundle.manifest.graphs
    with pytest.raises(UsageError):
        family_to_quantize(bundle, "detect_32x32-int8-cpu", Target.CPU, force=True)
