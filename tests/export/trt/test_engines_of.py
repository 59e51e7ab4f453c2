"""Which engines are meant by a graph, a precision, both or neither."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from crystaledge.bundle import Bundle
from crystaledge.engine.trt.precision import BuiltPrecision
from crystaledge.errors import BundleError, UsageError
from crystaledge.manifest.model import Precision, Target
from crystaledge_export.trt.build import engines_of
from tests.support.bundles import write_tiny_bundle
from tests.support.manifests import tiny_graph_spec
from tests.support.messages import message_of

F32, F16, INT8 = BuiltPrecision.FLOAT32, BuiltPrecision.FLOAT16, BuiltPrecision.INT8
FLOAT = tiny_graph_spec()
ON_TENSORRT = replace(FLOAT, name="step-int8-tensorrt", precision=Precision.INT8, target=Target.TENSORRT)
ON_CPU = replace(FLOAT, name="step-int8-cpu", precision=Precision.INT8, target=Target.CPU)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A bundle with a float32 graph and an int8 graph for either target."""
    opened = write_tiny_bundle(tmp_path / "m.bundle")
    return replace(opened, manifest=replace(opened.manifest, graphs=(FLOAT, ON_TENSORRT, ON_CPU)))


def chosen(bundle: Bundle, name: str | None, precision: BuiltPrecision | None) -> set[tuple[str, BuiltPrecision]]:
    found = [(graph.name, one) for graph, one in engines_of(bundle, name, precision)]
    assert len(found) == len(set(found))
    return set(found)


@pytest.mark.parametrize(
    ("name", "precision", "expected"),
    [
        (None, None, {("step", F32), ("step", F16), ("step-int8-tensorrt", INT8)}),
        (None, F32, {("step", F32)}),
        (None, F16, {("step", F16)}),
        (None, INT8, {("step-int8-tensorrt", INT8)}),
        ("step", None, {("step", F32), ("step", F16)}),
        ("step", F16, {("step", F16)}),
        ("step-int8-tensorrt", None, {("step-int8-tensorrt", INT8)}),
    ],
)
def test_all_that_fit_are_meant(
    bundle: Bundle, name: str | None, precision: BuiltPrecision | None, expected: set[tuple[str, BuiltPrecision]]
) -> None:
    assert chosen(bundle, name, precision) == expected


@pytest.mark.parametrize("precision", [None, *BuiltPrecision])
def test_the_graph_of_the_cpu_is_refused(bundle: Bundle, precision: BuiltPrecision | None) -> None:
    with pytest.raises(UsageError, match="'step-int8-cpu' was laid out for ONNX Runtime's CPU kernels") as raised:
        engines_of(bundle, "step-int8-cpu", precision)
    message_of(raised)


@pytest.mark.parametrize(("name", "precision"), [("step", INT8), ("step-int8-tensorrt", F16)])
def test_a_precision_that_a_graph_does_not_give_is_refused(
    bundle: Bundle, name: str, precision: BuiltPrecision
) -> None:
    with pytest.raises(UsageError, match=f"gives an engine in {precision.value}") as raised:
        engines_of(bundle, name, precision)
    message_of(raised)


def test_an_unknown_graph_is_refused(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="no graph 'gait'") as raised:
        engines_of(bundle, "gait", None)
    message_of(raised)


def test_a_bundle_for_the_cpu_alone_is_refused_in_its_own_words(bundle: Bundle) -> None:
    alone = replace(bundle, manifest=replace(bundle.manifest, graphs=(ON_CPU,)))
    with pytest.raises(UsageError) as raised:
        engines_of(alone, None, None)
    assert "None" not in message_of(raised)
