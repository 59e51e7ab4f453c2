"""From a bundle to the same bundle with a Q/DQ graph beside it, or to the same bundle as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest

from crystaledge.bundle import Bundle
from crystaledge.errors import DataError, GateFailedError, UsageError
from crystaledge.jsonio import dumps, encode, loads
from crystaledge.manifest.model import Precision, Target
from crystaledge_calibration import quantize
from crystaledge_calibration.choices import Calibrator, LintTarget
from crystaledge_calibration.closed_loop_score import Judge
from crystaledge_calibration.lint.findings import Finding, Rule, Severity
from crystaledge_calibration.lint.lint import lint_graph
from crystaledge_calibration.observe import observe_ranges
from crystaledge_calibration.quantize import Quantized, quantize_graph
from crystaledge_calibration.recipe import RecipeOptions
from crystaledge_calibration.records import CalibrationRecord
from crystaledge_calibration.search import Goal
from tests.calibration.builders import (
    HEADS,
    PREPROCESSING,
    QUANTIZABLE,
    constants,
    contents_of,
    int8_nodes,
    memory_set,
    small_model,
    small_spec,
    small_weights,
    write_small_bundle,
)
from tests.support.messages import message_of

PLAIN = RecipeOptions(target=Target.TENSORRT, calibrator=Calibrator.MINMAX, equalize=False, correct_bias=False)
FULL = RecipeOptions(target=Target.TENSORRT, goal=Goal())
SEQUENCES = memory_set(8, seed=1)
PLANTED = Finding(
    rule=Rule.SCALE_VALUE, severity=Severity.ERROR, where="node", message="It is planted.", cure="Take it out."
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Not to be written to."""
    return write_small_bundle(tmp_path_factory.mktemp("quantize") / "small.bundle")


@pytest.fixture(scope="module")
def full(bundle: Bundle) -> Quantized:
    return quantize_graph(bundle, bundle.graph(), SEQUENCES, FULL)


def plain(bundle: Bundle, options: RecipeOptions = PLAIN) -> Quantized:
    return quantize_graph(bundle, bundle.graph(), SEQUENCES, options)


@pytest.mark.parametrize("target", Target)
def test_the_graph_is_described_as_what_it_is(bundle: Bundle, target: Target) -> None:
    found = plain(bundle, replace(PLAIN, target=target)).graph
    expected = replace(
        small_spec(),
        name=f"step-int8-{target.value}",
        file=f"graphs/step.int8.{target.value}.onnx",
        precision=Precision.INT8,
        target=target,
        derived_from="step",
    )
    assert found == expected


def test_every_node_that_may_be_is_int8_and_the_record_says_the_same(full: Quantized) -> None:
    said = {node.node for node in full.record.nodes if node.precision is Precision.INT8}
    assert said == set(int8_nodes(full.model))
    assert [node.node for node in full.record.nodes] == [*QUANTIZABLE, *HEADS]
    assert full.record.accounting[-1].int8_bytes == full.model.ByteSize()
    assert 0.8 <= full.record.macs_int8 < 1.0


def test_ranges_are_seen_on_one_half_of_the_sequences_and_choices_made_on_the_other(bundle: Bundle) -> None:
    found = plain(bundle)
    calibrating, choosing = SEQUENCES.split(every=2)
    ranges = {record.tensor: record for record in found.record.ranges}
    seen = observe_ranges(small_spec(), small_model(), calibrating, PREPROCESSING, tuple(ranges))
    everything = observe_ranges(small_spec(), small_model(), SEQUENCES, PREPROCESSING, tuple(ranges))
    for name, record in ranges.items():
        assert (record.low, record.high, record.amax) == (seen[name].low, seen[name].high, seen[name].largest)
    assert any(everything[name].largest > seen[name].largest for name in ranges), "both halves look the same"
    judge = Judge(small_spec(), small_model(), choosing, PREPROCESSING, workers=1)
    assert found.record.recipe[0].loss == judge.score(found.model).loss
    assert found.record.chosen_on == len(choosing.clips) == 4
    assert found.record.calibrated_on == SEQUENCES.record()


def test_sensitivity_is_that_of_each_node_alone(bundle: Bundle) -> None:
    found = plain(bundle)
    judge = Judge(small_spec(), small_model(), SEQUENCES.split(every=2)[1], PREPROCESSING, workers=1)
    alone = {
        node: plain(bundle, replace(PLAIN, keep_float=tuple(set(QUANTIZABLE) - {node}))) for node in QUANTIZABLE[:2]
    }
    said = {node.node: node.sensitivity for node in found.record.nodes}
    for node, single in alone.items():
        assert said[node] == judge.score(single.model).loss
    assert all(said[head] == 0.0 for head in HEADS)


def test_equal_input_gives_equal_bytes_and_an_equal_record(bundle: Bundle, full: Quantized) -> None:
    again = quantize_graph(bundle, bundle.graph(), SEQUENCES, replace(FULL, workers=2))
    assert again.model.SerializeToString(deterministic=True) == full.model.SerializeToString(deterministic=True)
    assert encode(again.record) == encode(full.record)
    assert loads(CalibrationRecord, dumps(full.record), where="it") == full.record


def test_progress_tells_of_sequence_steps(bundle: Bundle) -> None:
    told: list[int] = []
    quantize_graph(bundle, bundle.graph(), SEQUENCES, PLAIN, progress=told.append)
    assert sum(told) == 4 * SEQUENCES.steps


def test_nodes_kept_in_float_are_float_and_the_record_says_why(bundle: Bundle) -> None:
    found = plain(bundle, replace(PLAIN, keep_float=("conv_stem", "w_new_hidden")))
    assert set(QUANTIZABLE) - set(int8_nodes(found.model)) == {"conv_stem", "matmul_new_hidden"}
    reasons = {node.node: node.reason for node in found.record.nodes}
    assert reasons["conv_stem"] == reasons["matmul_new_hidden"] == "kept in float32 as asked for"


def test_an_unknown_node_to_keep_is_refused_with_those_there_are(bundle: Bundle) -> None:
    with pytest.raises(UsageError) as raised:
        plain(bundle, replace(PLAIN, keep_float=("conv_stem", "conv_sten")))
    found = message_of(raised)
    assert found.startswith(
        "There is no node or weight 'conv_sten' to keep in float32; the graph has conv_stem, w_stem, "
    )
    assert all(name in found for name in (*QUANTIZABLE, *HEADS, "w_log_variance"))


def test_sequences_of_one_step_are_refused(bundle: Bundle) -> None:
    with pytest.raises(DataError) as raised:
        quantize_graph(bundle, bundle.graph(), replace(SEQUENCES, steps=1), PLAIN)
    assert "'hidden' never left 0 in the calibration rollouts" in message_of(raised)


def test_a_skip_branch_that_is_always_zero_is_added_in_float(tmp_path: Path) -> None:
    dead_skip = small_model({"w_skip": np.zeros((4, 4, 1, 1), np.float32), "b_skip": np.zeros(4, np.float32)})
    made = plain(write_small_bundle(tmp_path / "dead.bundle", dead_skip))
    assert not any(node.name.startswith("skip_") for node in made.model.graph.node)


def finding(precisions: set[Precision], targets: set[LintTarget]) -> Callable[..., tuple[Finding, ...]]:
    def lint(model: bytes, spec: object, target: LintTarget) -> tuple[Finding, ...]:
        precision = getattr(spec, "precision", None)
        if precision not in precisions or target not in targets:
            return ()
        return (PLANTED,)

    return lint


@pytest.mark.parametrize(
    ("target", "illegal_on", "expected"),
    [
        (Target.TENSORRT, LintTarget.JETPACK_7_0, "jetpack-7.0"),
        (Target.CPU, LintTarget.CPU, "cpu"),
        (Target.TENSORRT, LintTarget.CPU, None),
        (Target.CPU, LintTarget.JETPACK_7_0, None),
    ],
)
def test_a_graph_has_to_be_legal_where_it_is_to_run(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, target: Target, illegal_on: LintTarget, expected: str | None
) -> None:
    monkeypatch.setattr(quantize, "lint_graph", finding({Precision.INT8}, {illegal_on}))
    work = partial(plain, bundle, replace(PLAIN, target=target))
    if expected is None:
        work()
        return
    with pytest.raises(GateFailedError) as raised:
        work()
    assert message_of(raised) == f"The quantized graph is not legal for {expected}: It is planted. Take it out."


def test_what_was_illegal_in_float_already_is_left_to_lint(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantize, "lint_graph", finding(set(Precision), set(LintTarget)))
    assert int8_nodes(plain(bundle).model) == QUANTIZABLE


@pytest.mark.parametrize("target", Target)
def test_the_graph_passes_lint_and_the_checker(bundle: Bundle, target: Target) -> None:
    found = plain(bundle, replace(PLAIN, target=target))
    onnx.checker.check_model(found.model, full_check=True)
    lint_target = LintTarget.CPU if target is Target.CPU else LintTarget.JETPACK_6_2
    errors = [
        one
        for one in lint_graph(found.model.SerializeToString(), found.graph, lint_target)
        if one.severity is Severity.ERROR
    ]
    assert errors == []


class Stopped(Exception):
    """Somebody pressed a key."""


def test_a_run_that_is_interrupted_leaves_the_bundle_as_it_was(tmp_path: Path) -> None:
    bundle = write_small_bundle(tmp_path / "small.bundle")
    before = contents_of(tmp_path)

    def stop(done: int) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        quantize_graph(bundle, bundle.graph(), SEQUENCES, PLAIN, progress=stop)
    assert contents_of(tmp_path) == before


def test_weights_in_the_bundle_are_not_touched(bundle: Bundle, full: Quantized) -> None:
    held = constants(onnx.load_from_string(bundle.graph_bytes(bundle.graph())))
    for name, value in small_weights().items():
        np.testing.assert_array_equal(held[name], value)
    assert full.graph.file not in bundle.contents
