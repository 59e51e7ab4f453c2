"""Quantization of anomaly systems: the memory is a Conv like others, and what the host reads stays float."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from crystaledge.bundle import Bundle
from crystaledge.engine.onnxruntime_engine import OnnxRuntimeEngine
from crystaledge.manifest.model import Precision, Target
from crystaledge_calibration.anomaly_task import anomaly_task
from crystaledge_calibration.choices import LintTarget
from crystaledge_calibration.drift import worst_of
from crystaledge_calibration.golden import replay_golden
from crystaledge_calibration.image_judge import ImageJudge
from crystaledge_calibration.lint.lint import lint_graph
from crystaledge_calibration.quantize import Quantized
from crystaledge_calibration.quantize_family import family_to_quantize, quantize_family
from crystaledge_calibration.recipe import RecipeOptions
from crystaledge_calibration.records import SequenceSource
from crystaledge_calibration.search import Goal
from tests.calibration.anomaly_builders import PLAIN, normals, quantized, quantized_bundle, write_set
from tests.calibration.builders import dequantized, maker_of, node_of
from tests.calibration.spoiling import serialized
from tests.support.anomaly_bundles import (
    PREPROCESSING,
    patchcore_model,
    student_model,
    write_patchcore_bundle,
    write_student_bundle,
)

Write = Callable[[Path], Bundle]
LINTED = {Target.CPU: LintTarget.CPU, Target.TENSORRT: LintTarget.JETPACK_6_2}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("data") / "parts", good=1, defective=1)


@pytest.fixture(
    scope="module",
    params=[(write, target) for write in (write_patchcore_bundle, write_student_bundle) for target in Target],
    ids=lambda pair: f"{pair[0].__name__} {pair[1].value}",
)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, data: Path) -> Quantized:
    write, target = request.param
    bundle = write(tmp_path_factory.mktemp("bundles") / "a.bundle")
    return quantized(bundle, normals(data), replace(PLAIN, target=target))


def test_every_convolution_is_int8_and_the_graph_is_legal(made: Quantized) -> None:
    onnx.checker.check_model(made.model, full_check=True)
    assert all(node.precision is Precision.INT8 for node in made.record.nodes) and made.record.macs_int8 == 1.0
    for node in made.record.nodes:
        for operand in node_of(made.model, node.node).input[:2]:
            dequantized(made.model, operand)
    assert lint_graph(serialized(made.model), made.graph, LINTED[made.record.target]) == ()


def test_what_leaves_the_graph_is_float(made: Quantized) -> None:
    for value in made.model.graph.output:
        maker = maker_of(made.model, value.name)
        assert maker is not None and maker.op_type in ("Relu", "Sqrt", "ReduceMean")


def test_the_record_keeps_the_images_by_hash_and_says_how_they_were_shown(made: Quantized, data: Path) -> None:
    assert made.record.calibrated_on == normals(data).record()
    assert made.record.calibrated_on.source is SequenceSource.SPOILED_IMAGES
    assert made.record.chosen_on == 8 and made.record.measure == "agreement"


def test_so_many_images_are_judged_as_the_task_says(tmp_path: Path, data: Path) -> None:
    bundle, images = write_student_bundle(tmp_path / "a.bundle"), normals(data)
    (member,) = family_to_quantize(bundle, None, PLAIN.target, force=False)
    for judged, expected in ((3, 3), (None, len(images) // 2)):
        task = replace(anomaly_task(bundle), judged=judged)
        (made,) = quantize_family(bundle, (member,), images, task, PLAIN)
        assert made.record.chosen_on == expected and made.record.calibrated_on == images.record()


def test_the_whole_recipe_is_measured_and_no_worse_than_its_start(tmp_path: Path, data: Path) -> None:
    goal = Goal(cosine_mean=0.999, cosine_p01=0.0, most_bytes=9.0, least_int8=0.3)
    options = RecipeOptions(target=Target.CPU, goal=goal)
    bundle, images = write_student_bundle(tmp_path / "a.bundle"), normals(data)
    first, again = (quantized(bundle, images, options) for _ in range(2))
    assert first.record == again.record and serialized(first.model) == serialized(again.model)
    taken = [step.loss for step in first.record.recipe if step.taken]
    assert taken == sorted(taken, reverse=True)
    assert any(step.name.endswith("given back to float32") for step in first.record.recipe)


def test_the_judge_prefers_what_scores_and_maps_alike(tmp_path: Path, data: Path) -> None:
    bundle = write_patchcore_bundle(tmp_path / "a.bundle")
    images = normals(data)
    judge = ImageJudge(bundle.graph(), patchcore_model(), images, PREPROCESSING, anomaly_task(bundle), workers=2)
    bias = onnx.numpy_helper.to_array(next(i for i in patchcore_model().graph.initializer if i.name == "bank.bias"))
    models = [patchcore_model({"bank.bias": bias + np.float32(shift)}) for shift in (0.0, 0.05, 5.0)]
    scores = judge.score_all(models)
    assert scores[0].loss == 0.0 and 0.0 < scores[1].loss < scores[2].loss < 1.0
    assert scores[0].cosine.shape == (1, 2 * len(images)), "each image also with defects"
    assert judge.sequences == len(images)


def test_a_student_is_scored_without_a_bank(tmp_path: Path, data: Path) -> None:
    bundle = write_student_bundle(tmp_path / "a.bundle")
    judge = ImageJudge(bundle.graph(), student_model(), normals(data), PREPROCESSING, anomaly_task(bundle), workers=1)
    assert judge.score(student_model()).loss == 0.0


@pytest.mark.parametrize("write", [write_patchcore_bundle, write_student_bundle])
def test_golden_images_replay_as_sequences(write: Write, tmp_path: Path, data: Path) -> None:
    bundle = quantized_bundle(write(tmp_path / "a.bundle"), normals(data))
    float32, int8 = (
        worst_of(replay_golden(bundle, graph, OnnxRuntimeEngine(graph, bundle.graph_bytes(graph)))).worst
        for graph in bundle.manifest.graphs
    )
    assert float32 < 1e-4 < int8 < 2.0
