"""What is written down: why each node is what it is, how each range was cut, and no name of anybody."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from crystaledge.jsonio import dumps, loads
from crystaledge.manifest.model import Precision, Target
from crystaledge_calibration import step_model
from crystaledge_calibration.accounting import accounting
from crystaledge_calibration.calibration_record import calibration_record, node_records, range_records
from crystaledge_calibration.draft import Cut, Draft
from crystaledge_calibration.ranges import Observations
from crystaledge_calibration.records import CalibrationRecord, NodeRecord, RecipeStep
from crystaledge_calibration.step_model import weighted_nodes
from tests.calibration.builders import (
    HEADS,
    QUANTIZABLE,
    memory_set,
    small_draft,
    small_model,
    small_observations,
    small_spec,
)

SENSITIVITY = {name: 0.01 * place for place, name in enumerate(QUANTIZABLE)}
SPEC = replace(
    small_spec(), name="step-int8-tensorrt", precision=Precision.INT8, target=Target.TENSORRT, derived_from="step"
)
STEP = RecipeStep(name="calibrator mse", taken=True, loss=0.01, cosine_mean=0.99, cosine_p01=0.98)


def records(draft: Draft, *, given_back: tuple[str, ...] = (), kept: tuple[str, ...] = ()) -> dict[str, NodeRecord]:
    found = node_records(small_model(), draft, SENSITIVITY, given_back=given_back, kept=kept)
    return {record.node: record for record in found}


def without(*names: str) -> Draft:
    return small_draft(nodes=tuple(name for name in QUANTIZABLE if name not in names))


def test_every_weighted_node_has_a_record_in_the_order_in_which_they_run() -> None:
    found = records(small_draft())
    assert tuple(found) == (*QUANTIZABLE, *HEADS)
    for node in weighted_nodes(small_model()):
        record = found[node.name]
        assert (record.op, record.weight, record.macs) == (node.op, node.weight, node.macs)
        assert record.sensitivity == SENSITIVITY.get(node.name, 0.0)
        assert record.precision is (Precision.INT8 if node.name in QUANTIZABLE else Precision.FLOAT32)


@pytest.mark.parametrize(
    ("kept", "given_back", "expected"),
    [
        (("conv_skip",), (), "kept in float32 as asked for"),
        (("w_skip",), (), "kept in float32 as asked for"),
        ((), ("conv_skip",), "given back to float32 by the precision search"),
        ((), (), "trained in float32"),
    ],
)
def test_a_float_node_says_why(kept: tuple[str, ...], given_back: tuple[str, ...], expected: str) -> None:
    found = records(without("conv_skip"), kept=kept, given_back=given_back)
    assert (found["conv_skip"].precision, found["conv_skip"].reason) == (Precision.FLOAT32, expected)
    assert {found[name].reason for name in QUANTIZABLE if name != "conv_skip"} == {"int8"}


@pytest.mark.parametrize("head", HEADS)
def test_a_head_says_whose_next_state_it_reads(head: str) -> None:
    assert records(small_draft())[head].reason == "reads 'hidden_next', which leaves the graph in float32"


def test_a_node_whose_input_never_changed_says_so() -> None:
    constant = Observations()
    constant.add(np.full((3, 4), 0.5, np.float32))
    draft = replace(without("gemm_quality"), seen={**small_observations(), "pooled": constant})
    assert records(draft)["gemm_quality"].reason == "its input never changed, so it has no range"


def test_a_node_too_small_for_eight_bits_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_model, "LEAST_SHARE", 5e-4)
    found = records(without("gemm_quality"))["gemm_quality"]
    assert (found.precision, found.reason.split(";")[0]) == (
        Precision.FLOAT32,
        "has less than 0.01% of the multiply-accumulates",
    )


def test_ranges_are_as_seen_and_as_cut() -> None:
    seen = small_observations()
    half = seen["stem_relu"].largest / 2
    draft = replace(small_draft(), cuts={**small_draft().cuts, "stem_relu": Cut(half, "entropy")})
    found = {record.tensor: record for record in range_records(SPEC, draft)}
    assert tuple(found) == tuple(small_draft().cuts)
    assert {name for name, record in found.items() if record.state} == {"hidden"}
    for name, record in found.items():
        assert (record.low, record.high) == (seen[name].low, seen[name].high)
    assert (found["stem_relu"].amax, found["stem_relu"].calibrator) == (half, "entropy")
    assert 0.0 < found["stem_relu"].clipped == seen["stem_relu"].share_beyond(half) < 0.5
    assert (found["pooled"].clipped, found["pooled"].calibrator) == (0.0, "minmax")


def whole_record(draft: Draft) -> CalibrationRecord:
    return calibration_record(
        SPEC,
        sequences=memory_set(),
        chosen_on=3,
        recipe=(STEP,),
        ranges=range_records(SPEC, draft),
        nodes=tuple(records(draft).values()),
        accounting=accounting(small_model(), draft.build()),
    )


def test_the_share_of_int8_is_that_of_the_products() -> None:
    macs = {node.name: node.macs for node in weighted_nodes(small_model())}
    found = whole_record(without("conv_stem")).macs_int8
    assert found == pytest.approx(sum(macs[n] for n in QUANTIZABLE if n != "conv_stem") / sum(macs.values()))
    assert whole_record(small_draft(nodes=())).macs_int8 == 0.0


def test_the_record_says_what_it_was_made_of_and_comes_back_from_its_text() -> None:
    record = whole_record(small_draft())
    assert (record.graph, record.target, record.chosen_on) == ("step-int8-tensorrt", Target.TENSORRT, 3)
    assert record.calibrated_on == memory_set().record()
    assert record.recipe == (STEP,)
    assert loads(CalibrationRecord, dumps(record), where="it") == record


def test_nobody_is_named() -> None:
    text = dumps(whole_record(small_draft()))
    for clip in memory_set().clips:
        assert clip.name not in text
    for file in memory_set().files:
        assert file.sha256 in text
