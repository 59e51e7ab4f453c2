"""A graph as it should be gives nothing to say."""

from __future__ import annotations

import onnx
import pytest

from crystaledge.manifest.model import Target
from crystaledge_calibration.choices import LintTarget
from crystaledge_calibration.lint.constants import constants_of
from tests.calibration.lint.builders import (
    TENSORRT_TARGETS,
    clean_model,
    float_findings,
    float_model,
    int8_spec,
    lint,
    set_constant,
    weights,
)


def test_the_clean_graph_is_a_valid_one() -> None:
    onnx.checker.check_model(clean_model(), full_check=True)
    onnx.checker.check_model(float_model(), full_check=True)
    onnx.checker.check_model(float_model(opset=18), full_check=True)


@pytest.mark.parametrize("target", TENSORRT_TARGETS)
def test_nothing_is_found_for_tensorrt(target: LintTarget) -> None:
    assert lint(clean_model(), target) == ()


def test_nothing_is_found_for_the_cpu() -> None:
    assert lint(clean_model(), LintTarget.CPU, spec=int8_spec(Target.CPU)) == ()


@pytest.mark.parametrize("target", LintTarget)
def test_nothing_is_found_in_a_float_graph(target: LintTarget) -> None:
    assert float_findings(float_model(), target) == ()


@pytest.mark.parametrize("target", [t for t in TENSORRT_TARGETS if t.value not in ("jetpack-5.1", "jetpack-6.0")])
def test_weights_may_be_stored_as_int8_from_tensorrt_10_on(target: LintTarget) -> None:
    assert lint(with_int8_weights(), target) == ()


def with_int8_weights() -> onnx.ModelProto:
    """The clean graph with int8 constants behind a DQ alone, as ONNX Runtime writes them."""
    model = clean_model()
    names = [name for name in weights() if any(node.name == f"{name}_Q" for node in model.graph.node)]
    kept = [node for node in model.graph.node if node.name not in {f"{name}_Q" for name in names}]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    for name in names:
        stored = constants_of(model.graph)[name].value
        assert stored is not None
        set_constant(model, f"{name}_q", (stored * 100).astype("int8"))
    return model
