"""The demo's chain: export, closed-loop check, run, latency; each stage once, each with its result."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from crystaledge.bundle import Bundle
from crystaledge.engine.onnxruntime_engine import OnnxRuntimeEngine
from crystaledge.extras import load
from crystaledge.scene.crowd import CrowdConfig
from crystaledge.scene.scene import SceneConfig
from crystaledge.system import System
from crystaledge_benchmarks.assets import embedded_bundle
from crystaledge_benchmarks.demo.crowd_film import CrowdFilm
from crystaledge_benchmarks.demo.film import PersonFilm, run_scene
from crystaledge_benchmarks.demo.stage import Stage, Status
from crystaledge_benchmarks.latency import Latency, measure_interleaved
from crystaledge_benchmarks.step_bench import MANY, measure_steps, repeated, runtime_step
from crystaledge_calibration.drift import Drift, worst_of
from crystaledge_calibration.golden import replay_golden

if TYPE_CHECKING:
    from crystaledge_export.export import Exported

HORIZON = 200
TOLERANCE = 1e-4
LEAST_FOUND = 0.6
"""Of the drawn faces; the detector knows drawings from a twelfth of its pasted faces alone."""
LATENCY_ROUNDS = 400
_NO_TORCH = "torch is not installed; get the whole chain with: pip install 'crystaledge[demo]'"


@dataclass(slots=True)
class DemoResult:
    """What the demo showed, filled stage by stage."""

    bundle: Bundle
    stages: list[Stage] = field(default_factory=list)
    drifts: tuple[Drift, ...] = ()
    films: tuple[PersonFilm, ...] = ()
    crowd: CrowdFilm | None = None
    """None where a package of the video pipeline is missing."""
    single: tuple[Latency, ...] = ()
    many: tuple[Latency, ...] = ()

    @property
    def passed(self) -> bool:
        """No stage failed."""
        return all(stage.status is not Status.FAILED for stage in self.stages)


def run_chain(out: Path, *, scene: SceneConfig, say: Callable[[str], None]) -> DemoResult:
    """Run every stage; a check that fails is reported and does not stop the ones after it."""
    started = time.perf_counter()
    reference = torch_reference()
    exported = None if reference is None else reference.export_embedded(System.MNEMOSYNE, out / "mnemosyne.bundle")
    bundle = Bundle.open(embedded_bundle(System.MNEMOSYNE)) if exported is None else exported.bundle
    result = DemoResult(bundle)

    def stage(name: str, status: Status, detail: str) -> None:
        nonlocal started
        now = time.perf_counter()
        result.stages.append(Stage(name, status, detail, now - started))
        say(f"{name}: {status.value}; {detail}")
        started = now

    graph = bundle.graph()
    size = len(bundle.graph_bytes(graph)) / 1000
    if exported is None:
        stage("export", Status.NOT_RUN, f"{_NO_TORCH}; using the embedded bundle")
    else:
        parity = exported.first.parity
        stage(
            "export",
            Status.PASSED,
            f"{graph.file}, {size:.0f} kB, opset {graph.opset}; guards passed, error {parity.max_abs_error:.1e} over "
            f"{parity.steps} steps at batches {', '.join(map(str, parity.batches))}",
        )
    golden = worst_of(replay_golden(bundle, graph, OnnxRuntimeEngine(graph, bundle.graph_bytes(graph))))
    stage("golden sequences", *_judge(golden, "stored float outputs"))
    if reference is None or exported is None:
        stage("closed loop against torch", Status.NOT_RUN, _NO_TORCH)
    else:
        result.drifts = reference.closed_loop_drift(exported, steps=HORIZON, batch=4)
        stage("closed loop against torch", *_judge(worst_of(result.drifts), f"torch over {HORIZON} steps, 4 tracks"))
    result.films = run_scene(bundle, scene)
    stage("run on the drawn scene", Status.PASSED, _film_sentence(result.films))
    result.crowd = _crowd(bundle)
    stage("faces in the drawn crowd", *_judge_crowd(result.crowd))
    more = {} if reference is None or exported is None else {"torch eager": reference.torch_eager_step(exported)}
    result.single = measure_steps(bundle, rounds=LATENCY_ROUNDS, more=more)
    result.many = measure_interleaved(
        {
            f"{MANY} tracks, one batched step": runtime_step(bundle, graph, tracks=MANY, threads=1),
            f"{MANY} single steps": repeated(runtime_step(bundle, graph, tracks=1, threads=1)),
        },
        rounds=LATENCY_ROUNDS // 10,
        warmup=3,
    )
    stage("latency", Status.PASSED, _latency_sentence(result.single, result.many))
    return result


class TorchReference(Protocol):
    """What the demo needs of torch; `crystaledge_benchmarks.torch_reference` is it."""

    def export_embedded(self, system: System, out: Path) -> Exported: ...

    def closed_loop_drift(self, exported: Exported, *, steps: int, batch: int) -> tuple[Drift, ...]: ...

    def torch_eager_step(self, exported: Exported) -> Callable[[], object]: ...


def torch_reference() -> TorchReference | None:
    """The reference where torch and the exporter are installed."""
    if any(find_spec(name) is None for name in ("torch", "onnx", "onnxscript", "safetensors")):
        return None
    made = load("crystaledge_benchmarks.torch_reference:REFERENCE", extra="demo", purpose="The demo")
    return cast(TorchReference, made)


class _RunCrowd(Protocol):
    def __call__(self, detector: Bundle, identity: Bundle, config: CrowdConfig, /) -> CrowdFilm: ...


def _crowd(identity: Bundle) -> CrowdFilm | None:
    """The video pipeline on the drawn crowd, where its packages are installed."""
    if any(find_spec(name) is None for name in ("cv2", "scipy")):
        return None
    made = load("crystaledge_benchmarks.demo.crowd:run_crowd", extra="video", purpose="The video pipeline")
    return cast(_RunCrowd, made)(Bundle.open(embedded_bundle(System.PHANTOM)), identity, CrowdConfig())


def _judge_crowd(film: CrowdFilm | None) -> tuple[Status, str]:
    if film is None:
        return Status.NOT_RUN, "the video pipeline is not installed; get it with: pip install 'crystaledge[video]'"
    sentence = (
        f"{film.found} of {film.faces} faces in {film.frames} frames, {film.false_tracks} boxes on nobody, "
        f"{film.tracks} tracks of {film.people} people, {film.recognised_right} recognised, "
        f"{film.recognised_wrong} taken for another; {film.moving_ms:.1f} ms of CPU a frame, "
        f"{film.still_ms:.3f} ms where nothing moves"
    )
    sound = film.found >= LEAST_FOUND * film.faces and film.recognised_wrong == 0
    return Status.PASSED if sound else Status.FAILED, sentence


def _judge(worst: Drift, against: str) -> tuple[Status, str]:
    status = Status.PASSED if worst.worst <= TOLERANCE else Status.FAILED
    return status, f"largest error {worst.worst:.1e} in {worst.tensor!r} against {against} (tolerance {TOLERANCE:g})"


def _film_sentence(films: tuple[PersonFilm, ...]) -> str:
    committed = [film for film in films if film.committed_correctly is not None]
    right = sum(film.committed_correctly is True for film in films)
    frames = [
        film.events[-1].committed_frame - film.events[0].frame + 1
        for film in committed
        if film.events[-1].committed_frame is not None
    ]
    when = f", after {min(frames)} to {max(frames)} frames" if frames else ""
    return (
        f"{len(films)} people enrolled and filmed again, {len(committed)} committed{when}, {right} to the right person"
    )


def _latency_sentence(single: tuple[Latency, ...], many: tuple[Latency, ...]) -> str:
    ours, bare = single[0], single[1]
    sentence = (
        f"one step p50 {ours.p50_ms * 1e3:.0f} us, p99 {ours.p99_ms * 1e3:.0f} us, {ours.p50_ms / bare.p50_ms:.2f}x "
    )
    sentence += "the bare engine"
    if len(single) > 2:
        sentence += f", {single[2].p50_ms / ours.p50_ms:.0f}x faster than {single[2].name}"
    return sentence + f"; {MANY} tracks in one step {many[0].p50_ms / many[1].p50_ms:.2f}x of {MANY} single steps"
