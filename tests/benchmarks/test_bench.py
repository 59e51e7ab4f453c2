"""`crystaledge bench`: every graph and caller in one run, the record and the choice in the bundle."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crystaledge.bundle import Bundle
from crystaledge.bundle_writer import update_bundle
from crystaledge.cli.main import main
from crystaledge.errors import EngineError
from crystaledge.jsonio import loads
from crystaledge.manifest.model import FileRole
from crystaledge_benchmarks import bench
from crystaledge_benchmarks.bench import measure_bundle
from crystaledge_benchmarks.bench_record import BENCH_PATH, BenchRecord, Caller
from crystaledge_benchmarks.latency import Latency
from crystaledge_benchmarks.machine import NOT_READABLE, describe_machine
from crystaledge_benchmarks.memory_probe import high_water_kb, peak_memory, probe
from tests.benchmarks.builders import INT8, quantized_bundle
from tests.support.bundles import write_tiny_bundle
from tests.support.messages import message_of

ROUNDS = ("--rounds", "100")


@pytest.fixture
def _no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "peak_memory", lambda *args, **kwargs: 60_000)


def kept(path: Path) -> BenchRecord:
    return loads(BenchRecord, Bundle.open(path).contents[BENCH_PATH], where="record")


def test_the_verb_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = quantized_bundle(tmp_path / "b").path
    assert main(["bench", str(path), *ROUNDS, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    record = kept(path)
    rows = {(row.graph, row.caller, row.tracks) for row in record.rows}
    assert rows == {(graph, caller, tracks) for graph in ("step", INT8) for caller in Caller for tracks in (1, 4)}
    assert all(isinstance(row.peak_memory_kb, int) and row.peak_memory_kb > 10_000 for row in record.rows)
    assert found["verdict"] == record.verdict and len(found["rows"]) == 8
    manifest = Bundle.open(path).manifest
    assert manifest.choice == record.choice
    assert [(s.graph, s.batch, s.engine) for s in manifest.latency] == [
        ("step", 1, "onnxruntime"),
        (INT8, 1, "onnxruntime"),
    ]
    assert manifest.latency[0].device == record.machine.cpu
    assert [f.path for f in manifest.files if f.role is FileRole.BENCHMARK] == [BENCH_PATH]


@pytest.mark.usefixtures("_no_processes")
def test_the_table_says_everything_and_a_second_run_replaces_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = quantized_bundle(tmp_path / "b", verified=None).path
    for _ in range(2):
        assert main(["bench", str(path), *ROUNDS]) == 0
    text = capsys.readouterr().out
    for word in ("float16: not run:", "TensorRT: not run:", "bare InferenceSession.run", "governor", "not verified"):
        assert word in text
    record = kept(path)
    assert record.choice is not None and record.choice.graph == "step"
    assert text.rstrip().endswith(record.verdict)


@pytest.mark.usefixtures("_no_processes")
def test_rows_of_equal_tracks_are_measured_in_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[tuple[list[str], int]] = []

    def measure(candidates: Mapping[str, Callable[[], object]], *, rounds: int) -> tuple[Latency, ...]:
        runs.append((list(candidates), rounds))
        samples = np.full(rounds, 0.5)
        return tuple(Latency(name, rounds, 0.5, 0.5, 0.5, 0.5, samples) for name in candidates)

    monkeypatch.setattr(bench, "measure_interleaved", measure)
    record = measure_bundle(quantized_bundle(tmp_path / "b"), rounds=1000, threads=1)
    names = [f"{graph}, {caller.value}" for graph in ("step", INT8) for caller in Caller]
    assert runs == [(names, 1000), (names, 200)]
    assert {row.tracks: row.calls for row in record.rows} == {1: 1000, 4: 200}


@pytest.mark.usefixtures("_no_processes")
def test_a_bundle_without_int8_says_so(tmp_path: Path) -> None:
    record = measure_bundle(write_tiny_bundle(tmp_path / "b"), rounds=100, threads=1)
    assert any(line.startswith("int8: not run") for line in record.not_run)
    assert not any(line.startswith("TensorRT") for line in record.not_run)
    assert record.choice is not None and record.choice.graph == "step"


@pytest.mark.usefixtures("_no_processes")
def test_status_1_and_no_choice_where_no_graph_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = write_tiny_bundle(tmp_path / "b")
    update_bundle(bundle, replace(bundle.manifest, parity=()), ())
    assert main(["bench", str(bundle.path), *ROUNDS]) == 1
    assert "no graph passes" in capsys.readouterr().out
    assert Bundle.open(bundle.path).manifest.choice is None
    assert kept(bundle.path).choice is None


@pytest.mark.usefixtures("_no_processes")
def test_a_machine_without_a_name_is_refused_and_the_bundle_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = replace(describe_machine(), cpu=NOT_READABLE)
    monkeypatch.setattr(bench, "describe_machine", lambda: machine)
    path = write_tiny_bundle(tmp_path / "b").path
    before = (path / "manifest.json").read_bytes()
    assert main(["bench", str(path), *ROUNDS]) == 2
    shown = capsys.readouterr()
    assert "the name of the CPU" in shown.err and not shown.out
    assert (path / "manifest.json").read_bytes() == before


def test_too_few_rounds_are_refused(tiny_bundle_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", str(tiny_bundle_path), "--rounds", "99"]) == 2
    assert "99th percentile" in capsys.readouterr().err


def test_peak_memory_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    assert high_water_kb(tmp_path / "absent") == NOT_READABLE
    (tmp_path / "status").write_text("Name:\tpython\n")
    assert high_water_kb(tmp_path / "status") == NOT_READABLE
    (tmp_path / "status").write_text("VmPeak:\t 9 kB\nVmHWM:\t  1234 kB\n")
    assert high_water_kb(tmp_path / "status") == 1234


@pytest.mark.parametrize("caller", list(Caller))
def test_the_probe_takes_the_steps_that_it_is_asked_for(tiny_bundle_path: Path, caller: Caller) -> None:
    found = probe(str(tiny_bundle_path), "step", caller.name, "4", "1")
    assert found == NOT_READABLE or int(found) > 10_000


def test_a_probe_that_fails_is_one_line(tiny_bundle_path: Path) -> None:
    with pytest.raises(EngineError, match="no graph 'other'") as raised:
        peak_memory(tiny_bundle_path, "other", Caller.BARE, tracks=1, threads=1)
    message_of(raised)
