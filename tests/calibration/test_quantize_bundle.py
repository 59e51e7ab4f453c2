"""Bundles around `quantize`: which graph is meant, what is written, what goes, and that it is whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from safetensors.numpy import save

from crystaledge.bundle import Bundle
from crystaledge.bundle_writer import Part, update_bundle
from crystaledge.errors import BundleError, CrystalEdgeError, DataError, OutputExistsError, UsageError
from crystaledge.files import sha256_of
from crystaledge.jsonio import encode
from crystaledge.manifest.model import FileRole, GraphChoice, Target, VerificationSummary
from crystaledge_calibration.choices import Calibrator
from crystaledge_calibration.quantize import Quantized, add_to_bundle, graph_to_quantize, quantize_graph, trained_for
from crystaledge_calibration.recipe import RecipeOptions
from tests.calibration.builders import constants, contents_of, memory_set, small_weights, write_small_bundle
from tests.support.messages import message_of

PLAIN = RecipeOptions(target=Target.TENSORRT, calibrator=Calibrator.MINMAX, equalize=False, correct_bias=False)
INT8 = "step-int8-tensorrt"
GRAPH, RECORD = "graphs/step.int8.tensorrt.onnx", f"records/calibrate.{INT8}.json"
VERIFIED, MEASURED, TRAINED = "records/verify.json", "records/bench.json", "trained/int8.safetensors"


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_small_bundle(tmp_path / "box" / "small.bundle")


@pytest.fixture(scope="module")
def quantized(tmp_path_factory: pytest.TempPathFactory) -> Quantized:
    bundle = write_small_bundle(tmp_path_factory.mktemp("made") / "small.bundle")
    return quantize_graph(bundle, bundle.graph(), memory_set(4), PLAIN)


def told_about(bundle: Bundle, graph: str) -> Bundle:
    """The bundle after somebody verified, measured and chose that graph."""
    summary = VerificationSummary(
        graph=graph,
        graph_sha256=sha256_of(bundle.graph_bytes(bundle.graph(graph))),
        engine="onnxruntime",
        engine_sha256=None,
        horizon=8,
        sequences=2,
        passed=True,
        sentence="fine",
        record=VERIFIED,
    )
    manifest = replace(
        bundle.manifest,
        verification=(summary,),
        choice=GraphChoice(graph=graph, engine="onnxruntime", reason="fastest"),
    )
    parts = (Part(VERIFIED, FileRole.VERIFICATION, b"{}"), Part(MEASURED, FileRole.BENCHMARK, b"{}"))
    return update_bundle(bundle, manifest, parts)


def with_trained(bundle: Bundle, *, parent: str | None = None, data: bytes | None = None) -> Bundle:
    """The bundle with what `train --qat` might have left."""
    followed = bundle.manifest.provenance.checkpoint_sha256 if parent is None else parent
    header = {"kind": "trained-int8", "schema_version": 1, "parent_sha256": followed, "data": "drawn people"}
    tensors = {name: value * np.float32(1.02) for name, value in small_weights().items()}
    tensors |= {f"range.{name}": np.array(3.0, np.float32) for name in ("w_stem", "w_update_hidden")}
    made = save(tensors, metadata={"crystaledge": json.dumps(header)}) if data is None else data
    return update_bundle(bundle, bundle.manifest, (Part(TRAINED, FileRole.TRAINED, made),))


def refusal(kind: type[CrystalEdgeError], work: Callable[[], object]) -> str:
    with pytest.raises(kind) as raised:
        work()
    return message_of(raised)


def test_the_first_graph_is_meant_where_none_is_named(bundle: Bundle) -> None:
    assert graph_to_quantize(bundle, None, Target.TENSORRT, force=False) == bundle.graph("step")
    assert graph_to_quantize(bundle, "step", Target.CPU, force=False) == bundle.graph("step")


def test_a_graph_that_is_quantized_already_is_refused(bundle: Bundle, quantized: Quantized) -> None:
    added = add_to_bundle(bundle, quantized)
    found = refusal(UsageError, lambda: graph_to_quantize(added, INT8, Target.TENSORRT, force=True))
    assert found == f"The graph {INT8!r} is quantized already; name the float32 one, 'step'."


def test_a_graph_without_state_is_refused(bundle: Bundle) -> None:
    graph = replace(bundle.graph(), states=())
    stateless = Bundle(bundle.path, replace(bundle.manifest, graphs=(graph,)), bundle.contents)
    found = refusal(UsageError, lambda: graph_to_quantize(stateless, None, Target.TENSORRT, force=False))
    assert found == "The graph 'step' has no state, and so no loop to close; this command quantizes step graphs."


def test_an_unknown_graph_is_refused(bundle: Bundle) -> None:
    found = refusal(BundleError, lambda: graph_to_quantize(bundle, "stop", Target.TENSORRT, force=False))
    assert "has no graph 'stop'; it has step." in found


def test_a_graph_for_the_same_target_is_replaced_by_force_only(bundle: Bundle, quantized: Quantized) -> None:
    added = add_to_bundle(bundle, quantized)
    found = refusal(OutputExistsError, lambda: graph_to_quantize(added, None, Target.TENSORRT, force=False))
    assert found == (
        f"{bundle.path} has a graph for tensorrt already; give --force to replace it and its verification."
    )
    assert graph_to_quantize(added, None, Target.TENSORRT, force=True).name == "step"
    assert graph_to_quantize(added, None, Target.CPU, force=False).name == "step"


def test_graph_and_record_are_added_and_all_else_stays(bundle: Bundle, quantized: Quantized) -> None:
    before = contents_of(bundle.path)
    added = add_to_bundle(bundle, quantized)
    after = contents_of(bundle.path)
    assert set(after) == {*before, GRAPH, RECORD}
    assert {name for name, data in before.items() if after[name] != data} == {"manifest.json"}
    assert onnx.load_from_string(after[GRAPH]) == quantized.model
    assert json.loads(after[RECORD]) == encode(quantized.record)
    assert [graph.name for graph in added.manifest.graphs] == ["step", INT8]
    assert {f.path: f.role for f in added.manifest.files}[RECORD] is FileRole.CALIBRATION
    assert Bundle.open(bundle.path) == added


def test_what_was_said_of_the_graph_that_is_replaced_goes(bundle: Bundle, quantized: Quantized) -> None:
    told = told_about(add_to_bundle(bundle, quantized), INT8)
    changed = replace(quantized, model=onnx.ModelProto.FromString(quantized.model.SerializeToString()))
    changed.model.doc_string = "another one"
    found = add_to_bundle(told, changed)
    assert [graph.name for graph in found.manifest.graphs] == ["step", INT8]
    assert (found.manifest.verification, found.manifest.latency, found.manifest.choice) == ((), (), None)
    assert {VERIFIED, MEASURED}.isdisjoint(contents_of(bundle.path))
    assert found.graph_bytes(found.graph(INT8)) == changed.model.SerializeToString(deterministic=True)


def test_what_was_said_of_other_graphs_stays_but_no_comparison_of_speed_does(
    bundle: Bundle, quantized: Quantized
) -> None:
    told = told_about(bundle, "step")
    found = add_to_bundle(told, quantized)
    assert found.manifest.verification == told.manifest.verification
    assert found.manifest.choice == told.manifest.choice
    assert found.manifest.latency == ()
    assert VERIFIED in found.contents and MEASURED not in found.contents


def test_what_was_trained_stays_for_the_next_time(bundle: Bundle, quantized: Quantized) -> None:
    trained = with_trained(bundle)
    assert add_to_bundle(trained, quantized).contents[TRAINED] == trained.contents[TRAINED]


@pytest.mark.parametrize("survived", [0, 1, 3])
@pytest.mark.parametrize("error", [OSError("No space left on device"), KeyboardInterrupt()])
def test_a_writer_that_fails_midway_leaves_the_bundle_as_it_was(
    bundle: Bundle, quantized: Quantized, monkeypatch: pytest.MonkeyPatch, survived: int, error: BaseException
) -> None:
    told = told_about(add_to_bundle(bundle, quantized), INT8)
    before, written = contents_of(bundle.path.parent), list[str]()
    write = Path.write_bytes

    def failing(path: Path, data: bytes) -> int:
        if len(written) == survived:
            raise error
        written.append(path.name)
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", failing)
    with pytest.raises(type(error)):
        add_to_bundle(told, quantized)
    monkeypatch.undo()
    assert len(written) == survived
    assert contents_of(bundle.path.parent) == before  # nor does anything unfinished lie beside it
    assert [path.name for path in bundle.path.parent.iterdir()] == [bundle.path.name]
    assert Bundle.open(bundle.path) == told


@pytest.mark.parametrize("survived", [0, 1])
def test_a_folder_that_cannot_be_moved_into_place_leaves_the_bundle_as_it_was(
    bundle: Bundle, quantized: Quantized, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    before, moved = contents_of(bundle.path.parent), list[str]()
    rename = Path.rename

    def failing(path: Path, target: Path) -> Path:
        moved.append(path.name)
        if len(moved) == survived + 1:
            raise OSError("Permission denied")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="Permission denied"):
        add_to_bundle(bundle, quantized)
    monkeypatch.undo()
    assert contents_of(bundle.path.parent) == before


def test_nothing_is_trained_in_most_bundles(bundle: Bundle) -> None:
    assert trained_for(bundle) is None


def test_trained_weights_are_found_in_the_bundle(bundle: Bundle) -> None:
    found = trained_for(with_trained(bundle))
    assert found is not None
    assert found.amax == {"w_stem": 3.0, "w_update_hidden": 3.0}
    assert set(found.weights) == set(small_weights())


def test_weights_that_were_trained_to_follow_another_checkpoint_are_refused(bundle: Bundle) -> None:
    found = refusal(DataError, lambda: trained_for(with_trained(bundle, parent="cd" * 32)))
    assert found == f"{bundle.path / TRAINED} was trained to follow another checkpoint; export the bundle again."


def test_a_trained_file_that_is_none_is_refused_by_its_path(bundle: Bundle) -> None:
    found = refusal(DataError, lambda: trained_for(with_trained(bundle, data=b"nothing")))
    assert found.startswith(f"{bundle.path / TRAINED} is no file that `train --qat` wrote")


def test_trained_weights_are_tried_unless_they_are_not_wanted(bundle: Bundle) -> None:
    trained = with_trained(bundle)
    graph = trained.graph()
    names = {
        wanted: [
            row.name for row in quantize_graph(trained, graph, memory_set(4), PLAIN, use_trained=wanted).record.recipe
        ]
        for wanted in (True, False)
    }
    assert names[False] == ["calibrator minmax"]
    assert names[True] == [*names[False], "trained in closed loop (in the place of all steps above)"]


def test_trained_weights_of_another_checkpoint_stop_the_whole_run(bundle: Bundle) -> None:
    trained = with_trained(bundle, parent="cd" * 32)
    before = contents_of(bundle.path)
    found = refusal(DataError, lambda: quantize_graph(trained, trained.graph(), memory_set(4), PLAIN))
    assert "trained to follow another checkpoint" in found
    assert contents_of(bundle.path) == before
    quantize_graph(trained, trained.graph(), memory_set(4), PLAIN, use_trained=False)


def test_the_float_graph_is_the_one_that_was_given(quantized: Quantized) -> None:
    for name, value in small_weights().items():
        if name.startswith("b_"):
            np.testing.assert_array_equal(constants(quantized.model)[name], value)
