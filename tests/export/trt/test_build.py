"""Engine files: left alone while they fit, explained and built again when they do not, never half-written."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import onnx
import pytest

from crystaledge.bundle import Bundle
from crystaledge.engine.trt.flavour import Flavour
from crystaledge.engine.trt.sidecar import (
    Fingerprint,
    read_engine,
    read_sidecar,
    sidecar_path,
    sidecar_text,
)
from crystaledge.errors import UsageError
from crystaledge.files import sha256_of
from crystaledge.manifest.model import Precision
from crystaledge_export.trt.build import TIMING_CACHE, Workshop, build_engine
from tests.calibration.builders import contents_of
from tests.export.trt.builders import (
    F16,
    F32,
    GENERATIONS,
    ORIN,
    fake_engine,
    fake_module,
    made,
    random_feeds,
    tiny,
    workshop_of,
)
from tests.support.bundles import replace_graph
from tests.support.fake_builder import bench_of
from tests.support.fake_tensorrt import Generation
from tests.support.messages import message_of


def edit(engine: Path, **changed: Any) -> None:
    """Let a sidecar say something else of its engine."""
    sidecar = read_sidecar(engine)
    fingerprint = replace(sidecar.fingerprint, **changed)
    sidecar_path(engine).write_text(sidecar_text(replace(sidecar, fingerprint=fingerprint)), encoding="utf-8")


FLAGS_8_6 = ("EXPLICIT_BATCH", "no TF32", "PROFILE_SHARING_0806")


@GENERATIONS
def test_an_engine_is_written_with_what_it_was_built_from_on_and_with(
    bundle: Bundle, tmp_path: Path, generation: Generation
) -> None:
    workshop = workshop_of(tmp_path, generation)
    done = made(bundle, workshop)
    assert done.fresh and done.reasons == () and done.warnings == ()
    assert done.path == tmp_path / "engines" / f"step.float32.{workshop.flavour.value}.engine"
    data = done.path.read_bytes()
    assert read_sidecar(done.path) == done.sidecar
    assert (done.sidecar.engine_sha256, done.sidecar.engine_bytes) == (sha256_of(data), len(data))
    anywhere = generation is Generation.RTX_1_7
    assert done.sidecar.fingerprint == Fingerprint(
        graph="step",
        onnx_sha256=sha256_of(bundle.graph_bytes(bundle.graph())),
        precision=F32,
        backend=workshop.flavour,
        tensorrt=generation.value,
        device="any" if anywhere else "Orin",
        compute_capability="any" if anywhere else "8.7",
        driver="any" if anywhere else "12.6",
        l4t="any" if anywhere else "none",
        profiles=(1, 2, 4),
        flags=FLAGS_8_6 if generation is Generation.V8_6 else ("STRONGLY_TYPED", "no TF32"),
        rules=0,
    )
    assert read_engine(done.path, done.sidecar.fingerprint) == data


def test_what_is_up_to_date_is_left_alone_byte_for_byte(bundle: Bundle, workshop: Workshop) -> None:
    first = made(bundle, workshop)
    before = contents_of(workshop.folder)
    times = {path: path.stat().st_mtime_ns for path in workshop.folder.iterdir()}
    again = made(bundle, workshop)
    assert again == replace(first, fresh=False)
    assert contents_of(workshop.folder) == before
    assert {path: path.stat().st_mtime_ns for path in workshop.folder.iterdir()} == times
    assert len(bench_of(workshop.module).builds) == 1


def test_force_builds_again_without_a_reason(bundle: Bundle, workshop: Workshop) -> None:
    made(bundle, workshop)
    again = made(bundle, workshop, force=True)
    assert again.fresh and again.reasons == ()
    assert len(bench_of(workshop.module).builds) == 2


OTHERWISE: dict[str, tuple[Any, str]] = {
    "graph": ("gait", "its graph was gait when it was built and is step here"),
    "onnx_sha256": ("0" * 64, "the bundle's ONNX file is another one than it was built from"),
    "precision": (F16, "its precision was float16 when it was built and is float32 here"),
    "backend": (Flavour.TENSORRT_RTX, "its backend was tensorrt-rtx when it was built and is tensorrt here"),
    "tensorrt": ("8.5.2", "TensorRT was 8.5.2 when it was built and is 10.3.0 here"),
    "device": ("Xavier", "the device was Xavier when it was built and is Orin here"),
    "compute_capability": ("7.2", "the compute capability was 7.2 when it was built and is 8.7 here"),
    "driver": ("12.2", "the driver's CUDA was 12.2 when it was built and is 12.6 here"),
    "l4t": ("36.4.3", "the Jetson release (L4T) was 36.4.3 when it was built and is none here"),
    "profiles": ((1, 8), "its list of track buckets was 1, 8 when it was built and is 1, 2, 4 here"),
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_each_difference_is_explained_and_built_again(bundle: Bundle, workshop: Workshop, name: str) -> None:
    first = made(bundle, workshop)
    value, sentence = OTHERWISE[name]
    edit(first.path, **{name: value})
    again = made(bundle, workshop)
    assert again.fresh and again.reasons == (sentence,)
    assert again.sidecar.fingerprint == first.sidecar.fingerprint
    assert not made(bundle, workshop).fresh


def test_every_part_of_the_fingerprint_but_the_flags_is_a_reason(bundle: Bundle, workshop: Workshop) -> None:
    assert {*OTHERWISE, "flags", "rules"} == {one.name for one in fields(Fingerprint)}
    edit(made(bundle, workshop).path, flags=("FP16",))
    assert not made(bundle, workshop).fresh


def test_everything_that_changed_is_told_at_once(bundle: Bundle, workshop: Workshop) -> None:
    made(bundle, workshop)
    moved = replace(workshop, device=replace(ORIN, name="Thor", compute_capability="11.0", driver="13.0"))
    assert [reason.split(" was ")[0] for reason in made(bundle, moved).reasons] == [
        "the device",
        "the compute capability",
        "the driver's CUDA",
    ]


def test_another_graph_in_the_bundle_is_noticed(bundle: Bundle, workshop: Workshop) -> None:
    made(bundle, workshop)
    replace_graph(bundle.path, tiny().SerializeToString())
    again = made(Bundle.open(bundle.path), workshop)
    assert again.fresh and again.reasons == (OTHERWISE["onnx_sha256"][1],)


def test_another_tensorrt_is_noticed(bundle: Bundle, workshop: Workshop) -> None:
    made(bundle, workshop)
    again = made(bundle, replace(workshop, module=fake_module(Generation.V10_16)))
    assert again.reasons == ("TensorRT was 10.3.0 when it was built and is 10.16.1.11 here",)


@GENERATIONS
def test_the_timing_cache_is_kept_and_handed_to_the_next_build(
    bundle: Bundle, tmp_path: Path, generation: Generation
) -> None:
    workshop = workshop_of(tmp_path, generation)
    cache = workshop.folder / TIMING_CACHE
    made(bundle, workshop)
    if generation is Generation.RTX_1_7:
        assert not cache.exists()
        return
    first = cache.read_bytes()
    replace_graph(bundle.path, tiny().SerializeToString())
    again = Bundle.open(bundle.path)
    build_engine(again, again.graph(), F32, workshop)
    assert cache.read_bytes().startswith(first) and len(cache.read_bytes()) > len(first)


def test_a_float16_engine_holds_half_the_weights_and_computes(bundle: Bundle, tmp_path: Path) -> None:
    workshop = workshop_of(tmp_path)
    replace_graph(bundle.path, tiny().SerializeToString())
    named = Bundle.open(bundle.path)
    done = build_engine(named, named.graph(), F16, workshop)
    assert done.sidecar.fingerprint.precision is F16
    stored = bytes.fromhex(json.loads(done.path.read_bytes().removeprefix(b"fake-plan"))["onnx"])
    kinds = {initializer.data_type for initializer in onnx.load_from_string(stored).graph.initializer}
    assert onnx.TensorProto.FLOAT16 in kinds
    engine = fake_engine(named.graph(), done.path.read_bytes(), Generation.V10_3)
    assert engine.run(random_feeds(named.graph(), 2))["hidden_next"].shape == (2, 6)


def test_float16_of_a_quantized_graph_is_refused(bundle: Bundle, workshop: Workshop) -> None:
    graph = replace(bundle.graph(), precision=Precision.INT8)
    with pytest.raises(UsageError, match="float16 is made from the float32 graph") as raised:
        build_engine(bundle, graph, F16, workshop)
    message_of(raised)
    assert not workshop.folder.exists()


def test_float16_made_by_other_rules_is_built_again(
    bundle: Bundle, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build_engine(bundle, bundle.graph(), F16, workshop)
    assert first.sidecar.fingerprint.rules > 0 == made(bundle, workshop).sidecar.fingerprint.rules
    assert not build_engine(bundle, bundle.graph(), F16, workshop).fresh
    monkeypatch.setattr("crystaledge_export.trt.build.HALF_RULES", first.sidecar.fingerprint.rules + 1)
    again = build_engine(bundle, bundle.graph(), F16, workshop)
    assert again.fresh and again.reasons == ("float16 graphs are made by other rules now",)
    assert not made(bundle, workshop).fresh, "float32 is the bundle's own file"
