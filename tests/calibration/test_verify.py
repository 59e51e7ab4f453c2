"""What `verify` writes down, where it puts it, and on what it refuses to verify."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from crystaledge.bundle import Bundle
from crystaledge.bundle_writer import Part, update_bundle
from crystaledge.deploy import why_not
from crystaledge.errors import DataError, UsageError
from crystaledge.files import sha256_of
from crystaledge.jsonio import dumps, loads
from crystaledge.manifest.model import FileRole, GraphChoice, GraphSpec, Target
from crystaledge_calibration.clips import SourceFile
from crystaledge_calibration.keep_records import record_in_bundle
from crystaledge_calibration.lockstep import Side
from crystaledge_calibration.observe import watched_step
from crystaledge_calibration.records import RECORD_VERSION, CalibrationRecord, Limits, VerificationRecord
from crystaledge_calibration.sequence_set import SequenceSet
from crystaledge_calibration.verify import (
    VerifyOptions,
    calibration_files,
    refuse_overlap,
    verify_graph,
)
from tests.calibration.closed_loop_builders import noise_sequences, with_int8_graph
from tests.support.bundles import write_tiny_bundle
from tests.support.messages import message_of
from tests.support.step_graphs import tiny_step_bytes, tiny_step_model, tiny_weights

Array = NDArray[np.float32]
OPTIONS = VerifyOptions(horizon=6)
CALIBRATED = noise_sequences(3, steps=4)
EVERYBODY = noise_sequences(8, steps=6)
VERIFIED = replace(EVERYBODY, clips=EVERYBODY.clips[3:], files=EVERYBODY.files[3:])


def off_model(factor: float) -> bytes:
    """The tiny step with another recurrence, and with names for its nodes."""
    model = tiny_step_model()
    for initializer in model.graph.initializer:
        if initializer.name == "w_recurrent":
            value = (factor * tiny_weights()["recurrent"]).astype(np.float32)
            initializer.CopyFrom(numpy_helper.from_array(value, initializer.name))
    for number, node in enumerate(model.graph.node):
        node.name = f"node_{number}_{node.op_type}"
    data: bytes = model.SerializeToString(deterministic=True)
    return data


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """The tiny bundle with a graph beside it that says to be int8, and what calibrated that."""
    tiny = write_tiny_bundle(tmp_path / "tiny.bundle")
    trial, spec = with_int8_graph(tiny, tiny_step_bytes())
    assert spec.target is Target.TENSORRT
    record = CalibrationRecord(
        schema_version=RECORD_VERSION,
        graph=spec.name,
        target=spec.target,
        calibrated_on=CALIBRATED.record(),
        chosen_on=1,
        recipe=(),
        ranges=(),
        nodes=(),
        macs_int8=1.0,
        accounting=(),
    )
    parts = (
        Part(spec.file, FileRole.GRAPH, tiny_step_bytes()),
        Part("records/calibrate.json", FileRole.CALIBRATION, dumps(record).encode()),
    )
    return update_bundle(tiny, trial.manifest, parts)


@pytest.fixture
def int8(bundle: Bundle) -> GraphSpec:
    return bundle.graph("step-int8-tensorrt")


def verified(bundle: Bundle, data: bytes, sequences: SequenceSet = VERIFIED) -> VerificationRecord:
    trial, spec = with_int8_graph(bundle, data)
    return verify_graph(trial, spec, sequences, OPTIONS)


def test_the_record_says_what_was_compared_with_what(bundle: Bundle, int8: GraphSpec) -> None:
    record = verify_graph(bundle, int8, VERIFIED, OPTIONS)
    assert (record.graph, record.reference, record.engine) == (int8.name, "step", "onnxruntime")
    assert record.graph_sha256 == record.reference_sha256 == sha256_of(tiny_step_bytes())
    assert record.checked_steps == (1, 2, 4, 6)
    assert record.verified_on == VERIFIED.record()
    assert record.limits == Limits()
    assert record.passed and record.fault is None and record.findings == ()
    assert [trace.tensor for trace in record.tensors] == [spec.name for spec in int8.outputs]
    assert record.decisions.sequences == 5


def test_the_steps_on_record_are_the_horizon_and_not_those_of_the_set(bundle: Bundle, int8: GraphSpec) -> None:
    record = verify_graph(bundle, int8, replace(VERIFIED, steps=99), OPTIONS)
    assert record.verified_on == VERIFIED.record()


def test_a_record_survives_being_written_and_read(bundle: Bundle) -> None:
    record = verified(bundle, off_model(2.5))
    assert not record.passed and record.findings and record.fault is not None
    assert loads(VerificationRecord, dumps(record), where="record") == record


def test_a_changed_weight_fails_and_stricter_limits_fail_sooner(bundle: Bundle) -> None:
    data = off_model(1.05)
    trial, spec = with_int8_graph(bundle, data)
    lenient = Limits(cosine_mean=0.5, cosine_p01=0.5, growth=99.0, auc_loss=1.0, frames_apart=6)
    lenient = replace(lenient, same_match=0.0, same_verdict=0.0, same_commit=0.0)
    assert verify_graph(trial, spec, VERIFIED, replace(OPTIONS, limits=lenient)).passed
    strict = verify_graph(trial, spec, VERIFIED, replace(OPTIONS, limits=replace(lenient, cosine_mean=0.999999)))
    assert not strict.passed
    assert [finding.demand for finding in strict.findings] == ["mean cosine of the state"]
    assert strict.findings[0].step == 2, "a fresh state knows no recurrence"
    assert max(layer.error for layer in strict.layers) > 0.01, "layers are compared where it fails, not at the start"


class _Forgetful:
    """Forgets everything: each step starts from a fresh state."""

    def __init__(self) -> None:
        self._step = watched_step(tiny_step_model(), ())

    def __call__(self, feeds: Mapping[str, Array], /) -> Mapping[str, Array]:
        return self._step({**feeds, "hidden": np.zeros_like(feeds["hidden"])})


def test_a_deployment_of_ones_own_is_verified_in_the_place_of_the_file(bundle: Bundle, int8: GraphSpec) -> None:
    record = verify_graph(bundle, int8, VERIFIED, OPTIONS, deployed=Side(tiny_step_model(), _Forgetful))
    assert not record.passed
    assert record.state.cosine_mean[0] == pytest.approx(1.0)
    assert record.fault is not None and record.fault.node == ""


def test_progress_is_told_of_every_sequence_step(bundle: Bundle, int8: GraphSpec) -> None:
    told: list[int] = []
    verify_graph(bundle, int8, VERIFIED, OPTIONS, progress=told.append)
    assert sum(told) == len(VERIFIED.clips) * OPTIONS.horizon


def test_neither_the_record_nor_the_bundle_names_anybody(bundle: Bundle, int8: GraphSpec) -> None:
    written = record_in_bundle(bundle, verify_graph(bundle, int8, VERIFIED, OPTIONS))
    for name, data in {**written.contents, "manifest": dumps(written.manifest).encode()}.items():
        assert b"somebody" not in data, name


def test_a_pass_makes_the_graph_fit_to_run_and_a_failure_does_not(bundle: Bundle, int8: GraphSpec) -> None:
    assert why_not(bundle, int8, engine="onnxruntime") is not None
    passed = verify_graph(bundle, int8, VERIFIED, OPTIONS)
    kept = record_in_bundle(bundle, passed)
    assert why_not(kept, int8, engine="onnxruntime") is None
    failed = replace(passed, passed=False, sentence="It fails at step 2.")
    complaint = why_not(record_in_bundle(kept, failed), int8, engine="onnxruntime")
    assert complaint is not None and complaint.startswith("It fails at step 2.")


def test_a_record_takes_the_place_of_an_earlier_one_of_the_same_engine_alone(bundle: Bundle, int8: GraphSpec) -> None:
    record = verify_graph(bundle, int8, VERIFIED, OPTIONS)
    both = record_in_bundle(record_in_bundle(bundle, record), replace(record, engine="tensorrt", passed=False))
    assert [(v.engine, v.passed) for v in both.manifest.verification] == [("onnxruntime", True), ("tensorrt", False)]
    again = record_in_bundle(both, replace(record, sentence="Again."))
    assert {v.engine: v.sentence for v in again.manifest.verification}["onnxruntime"] == "Again."
    assert len(again.manifest.verification) == 2
    files = [entry.path for entry in again.manifest.files if entry.role is FileRole.VERIFICATION]
    assert sorted(files) == sorted(v.record for v in again.manifest.verification)
    assert Bundle.open(again.path).manifest == again.manifest


@pytest.mark.parametrize(("chosen", "left"), [("step-int8-tensorrt", None), ("step", "step")])
def test_a_choice_that_rests_on_an_earlier_record_is_taken_back(
    bundle: Bundle, int8: GraphSpec, chosen: str, left: str | None
) -> None:
    choice = GraphChoice(graph=chosen, engine="onnxruntime", reason="fastest")
    benched = update_bundle(bundle, replace(bundle.manifest, choice=choice), ())
    written = record_in_bundle(benched, verify_graph(benched, int8, VERIFIED, OPTIONS))
    assert (written.manifest.choice.graph if written.manifest.choice else None) == left


def test_what_calibrated_a_graph_is_read_from_its_own_record(bundle: Bundle, int8: GraphSpec) -> None:
    assert calibration_files(bundle, int8) == {file.sha256 for file in CALIBRATED.files}
    with pytest.raises(UsageError) as raised:
        calibration_files(bundle, replace(int8, name="step-int8-cpu"))
    assert "does not say what calibrated 'step-int8-cpu'" in message_of(raised)


def test_a_set_that_calibrated_is_refused_by_the_names_of_its_files() -> None:
    with pytest.raises(DataError) as raised:
        refuse_overlap(CALIBRATED, frozenset(CALIBRATED.record().files[:1]))
    (shared,) = (file.label for file in CALIBRATED.files if file.sha256 == CALIBRATED.record().files[0])
    assert f"1 of 3 files calibrated this graph ({shared})" in message_of(raised)


def test_of_many_shared_files_the_first_three_are_named() -> None:
    many = noise_sequences(9, steps=2)
    with pytest.raises(DataError) as raised:
        refuse_overlap(many, frozenset(many.record().files))
    message = message_of(raised)
    assert "9 of 9 files" in message and "(somebody0, somebody1, somebody2, ...)" in message


def test_the_same_contents_under_another_name_are_an_overlap() -> None:
    renamed = replace(CALIBRATED, files=tuple(SourceFile("copy", file.sha256) for file in CALIBRATED.files))
    with pytest.raises(DataError):
        refuse_overlap(renamed, frozenset(CALIBRATED.record().files))


def test_other_files_are_no_overlap() -> None:
    refuse_overlap(VERIFIED, frozenset(CALIBRATED.record().files))
