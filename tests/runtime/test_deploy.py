"""Only a graph that was proven to be the model is run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from crystaledge.bundle import Bundle
from crystaledge.bundle_writer import Part, write_bundle
from crystaledge.cli.main import main
from crystaledge.deploy import graph_to_run, why_not
from crystaledge.errors import BundleError
from crystaledge.files import sha256_of
from crystaledge.manifest.model import (
    FileRole,
    GraphChoice,
    GraphSpec,
    Manifest,
    Precision,
    Target,
    VerificationSummary,
)
from crystaledge.pipeline import Pipeline, PipelineOptions
from tests.support.manifests import CARD, CARD_FILE, GRAPH_FILE, tiny_graph_spec, tiny_manifest
from tests.support.messages import message_of
from tests.support.step_graphs import tiny_step_bytes

ENGINE = "onnxruntime"
INT8 = "step-int8-tensorrt"
INT8_FILE = "graphs/step.int8.tensorrt.onnx"
RECORD = "records/verify.json"


def summary(
    *,
    graph: str = INT8,
    passed: bool = True,
    engine: str = ENGINE,
    sha256: str = sha256_of(tiny_step_bytes()),
    engine_sha256: str | None = None,
) -> VerificationSummary:
    """What a verification of the tiny int8 graph would leave in the manifest."""
    return VerificationSummary(
        graph=graph,
        graph_sha256=sha256,
        engine=engine,
        engine_sha256=engine_sha256,
        horizon=8,
        sequences=2,
        passed=passed,
        sentence="It keeps its memory." if passed else "It fails at step 4.",
        record=RECORD,
    )


def bundle_with(path: Path, *summaries: VerificationSummary, choice: GraphChoice | None = None) -> Bundle:
    """A tiny bundle with an "int8" graph (the float file once more) and what was said of it."""
    quantized = replace(
        tiny_graph_spec(),
        name=INT8,
        file=INT8_FILE,
        precision=Precision.INT8,
        target=Target.TENSORRT,
        derived_from="step",
    )
    parts = [
        Part(GRAPH_FILE, FileRole.GRAPH, tiny_step_bytes()),
        Part(INT8_FILE, FileRole.GRAPH, tiny_step_bytes()),
        Part(CARD_FILE, FileRole.MODEL_CARD, CARD),
    ]
    if summaries:
        parts.append(Part(RECORD, FileRole.VERIFICATION, b"{}"))
    manifest: Manifest = replace(
        tiny_manifest(),
        graphs=(tiny_graph_spec(), quantized),
        files=tuple(part.entry for part in parts),
        verification=summaries,
        choice=choice,
    )
    return write_bundle(path, manifest, tuple(parts), force=False)


def refusal(bundle: Bundle, name: str | None = INT8) -> str:
    with pytest.raises(BundleError) as caught:
        graph_to_run(bundle, name, engine=ENGINE)
    return str(caught.value)


def test_a_verified_graph_runs(tmp_path: Path) -> None:
    bundle = bundle_with(tmp_path / "b", summary())
    assert graph_to_run(bundle, INT8, engine=ENGINE).name == INT8


@pytest.mark.parametrize(
    ("summaries", "words"),
    [
        pytest.param((), "no verification is on record", id="missing"),
        pytest.param((summary(passed=False),), "fails at step 4", id="failed"),
        pytest.param((summary(engine="tensorrt"),), "no verification is on record", id="another-engine"),
        pytest.param((summary(sha256=sha256_of(b"others")),), "of other bytes", id="other-bytes"),
    ],
)
def test_an_unproven_graph_is_refused_unless_told_otherwise(
    tmp_path: Path, summaries: tuple[VerificationSummary, ...], words: str
) -> None:
    bundle = bundle_with(tmp_path / "b", *summaries)
    assert words in refusal(bundle)
    assert graph_to_run(bundle, INT8, engine=ENGINE, unverified=True).name == INT8


A, B = sha256_of(b"an engine"), sha256_of(b"another engine")


@pytest.mark.parametrize("name", ["step", INT8])
@pytest.mark.parametrize(("verified", "built"), [(A, B), (A, None), (None, A)], ids=["another", "none", "unnamed"])
def test_an_engine_file_that_was_not_verified_is_refused(
    name: str, verified: str | None, built: str | None, tmp_path: Path
) -> None:
    bundle = bundle_with(tmp_path / "b", summary(graph=name, engine="tensorrt", engine_sha256=verified))
    told = "its verification is of another engine file. Run `crystaledge verify --backend tensorrt` again"
    complaint = why_not(bundle, bundle.graph(name), engine="tensorrt", engine_sha256=built)
    assert complaint is not None and complaint.startswith(told)
    asked: list[str] = []

    def which(graph: GraphSpec) -> str | None:
        asked.append(graph.name)
        return built

    with pytest.raises(BundleError) as raised:
        graph_to_run(bundle, name, engine="tensorrt", built=which)
    assert f"the graph {name!r} is not to be run in tensorrt: {told}" in message_of(raised)
    assert asked == [name]
    assert graph_to_run(bundle, name, engine="tensorrt", built=which, unverified=True).name == name


@pytest.mark.parametrize("name", ["step", INT8])
def test_the_engine_file_that_was_verified_runs(name: str, tmp_path: Path) -> None:
    bundle = bundle_with(tmp_path / "b", summary(graph=name, engine="tensorrt", engine_sha256=A))
    assert why_not(bundle, bundle.graph(name), engine="tensorrt", engine_sha256=A) is None
    assert graph_to_run(bundle, name, engine="tensorrt", built=lambda graph: A).name == name


def test_an_engine_file_that_failed_is_refused_for_that(tmp_path: Path) -> None:
    bundle = bundle_with(tmp_path / "b", summary(engine="tensorrt", engine_sha256=A, passed=False))
    complaint = why_not(bundle, bundle.graph(INT8), engine="tensorrt", engine_sha256=A)
    assert complaint is not None and "It fails at step 4." in complaint


def test_a_verification_of_an_engine_file_says_nothing_of_the_graphs_own(tmp_path: Path) -> None:
    bundle = bundle_with(tmp_path / "b", summary(engine_sha256=A))
    assert "of another engine file. Run `crystaledge verify` again" in refusal(bundle)


def test_the_float_graph_needs_its_parity(tmp_path: Path) -> None:
    bundle = bundle_with(tmp_path / "b")
    assert graph_to_run(bundle, None, engine=ENGINE).name == "step"
    bare = Bundle(bundle.path, replace(bundle.manifest, parity=()), bundle.contents)
    assert "parity" in refusal(bare, "step")
    (parity,) = bundle.manifest.parity
    off = replace(bundle.manifest, parity=(replace(parity, max_abs_error=2 * parity.tolerance),))
    assert "differs from its training framework" in refusal(Bundle(bundle.path, off, bundle.contents), "step")


def test_the_choice_of_bench_is_taken_for_its_engine_alone(tmp_path: Path) -> None:
    choice = GraphChoice(graph=INT8, engine=ENGINE, reason="fastest")
    bundle = bundle_with(tmp_path / "b", summary(), choice=choice)
    assert graph_to_run(bundle, None, engine=ENGINE).name == INT8
    with pytest.raises(BundleError, match="'step' is not to be run in tensorrt: no verification is on record"):
        graph_to_run(bundle, None, engine="tensorrt")
    proven = summary(graph="step", engine="tensorrt")
    both = bundle_with(tmp_path / "c", summary(), proven, choice=choice)
    assert graph_to_run(both, None, engine="tensorrt").name == "step"


def test_a_choice_that_was_never_verified_is_refused(tmp_path: Path) -> None:
    bundle = bundle_with(tmp_path / "b", choice=GraphChoice(graph=INT8, engine=ENGINE, reason="fastest"))
    assert "no verification is on record" in refusal(bundle, None)


def test_the_pipeline_and_the_command_refuse_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = bundle_with(tmp_path / "b")
    with pytest.raises(BundleError, match="no verification"):
        Pipeline.open(bundle, PipelineOptions(graph=INT8))
    command = ["run", str(bundle.path), "--source", "synthetic", "--frames", "2", "--graph", INT8]
    assert main(command) == 2
    assert "crystaledge verify" in capsys.readouterr().err
    assert main([*command, "--unverified"]) == 0
