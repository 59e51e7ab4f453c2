"""The file beside an engine: read strictly, compared thing by thing, and every difference named."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from crystaledge.engine.trt.flavour import Flavour
from crystaledge.engine.trt.precision import BuiltPrecision
from crystaledge.engine.trt.sidecar import (
    ANY,
    SIDECAR_VERSION,
    Fingerprint,
    Sidecar,
    differences,
    engine_folder,
    engine_path,
    read_engine,
    read_sidecar,
    sidecar_path,
    sidecar_text,
)
from crystaledge.errors import BundleError
from crystaledge.files import sha256_of
from tests.support.manifests import changed, without
from tests.support.messages import message_of

PLAN = b"an engine"
HERE = Fingerprint(
    graph="step",
    onnx_sha256=sha256_of(b"onnx"),
    precision=BuiltPrecision.FLOAT16,
    backend=Flavour.TENSORRT,
    tensorrt="10.3.0",
    device="Orin",
    compute_capability="8.7",
    driver="12.6",
    l4t="36.4.3",
    profiles=(1, 2, 4),
    flags=("STRONGLY_TYPED",),
    rules=1,
)
OTHER: dict[str, Any] = {
    "graph": "leap",
    "onnx_sha256": sha256_of(b"other"),
    "precision": BuiltPrecision.INT8,
    "backend": Flavour.TENSORRT_RTX,
    "tensorrt": "8.6.1",
    "device": "Nano",
    "compute_capability": "7.2",
    "driver": "11.4",
    "l4t": "35.6.0",
    "profiles": (1, 64),
}
SIDECAR = Sidecar(
    schema_version=SIDECAR_VERSION,
    package_version="0",
    engine_sha256=sha256_of(PLAN),
    engine_bytes=len(PLAN),
    build_seconds=2.5,
    fingerprint=HERE,
)


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    """An engine with its sidecar."""
    path = engine_path(tmp_path, "step", BuiltPrecision.FLOAT16, Flavour.TENSORRT)
    path.write_bytes(PLAN)
    sidecar_path(path).write_text(sidecar_text(SIDECAR), encoding="utf-8")
    return path


def test_names_say_what_an_engine_is_and_where_it_lies(tmp_path: Path, engine: Path) -> None:
    assert engine.name == "step.float16.tensorrt.engine"
    assert sidecar_path(engine).name == "step.float16.tensorrt.json"
    assert engine_folder(tmp_path / "m.bundle") == tmp_path / "m.bundle.engines"
    every = [engine_path(tmp_path, "step", p, f) for p in BuiltPrecision for f in Flavour]
    assert len({*every, *map(sidecar_path, every)}) == 2 * len(BuiltPrecision) * len(Flavour)


def test_what_is_written_is_read(engine: Path) -> None:
    assert read_sidecar(engine) == SIDECAR
    assert read_engine(engine, HERE) == PLAN


NOT_COMPARED = {"flags", "rules"}
"""The builder's affair: it looks at the rules itself, and the flags follow from the rest."""


@pytest.mark.parametrize("changed", [{"flags": ()}, {"rules": 7}])
def test_what_concerns_the_builder_alone_is_no_reason_to_refuse(changed: dict[str, Any], engine: Path) -> None:
    assert read_engine(engine, replace(HERE, **changed)) == PLAN


@pytest.mark.parametrize("name", sorted({field.name for field in fields(Fingerprint)} - NOT_COMPARED))
def test_every_other_part_of_a_fingerprint_counts(name: str, engine: Path) -> None:
    assert set(OTHER) == {field.name for field in fields(Fingerprint)} - NOT_COMPARED
    found = differences(HERE, replace(HERE, **{name: OTHER[name]}))
    assert len(found) == 1
    with pytest.raises(BundleError) as raised:
        read_engine(engine, replace(HERE, **{name: OTHER[name]}))
    message = message_of(raised)
    assert f"The engine {engine} does not fit here: {found[0]}. Run `crystaledge build`" in message


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tensorrt", "TensorRT was 10.3.0 when it was built and is 8.6.1 here"),
        ("onnx_sha256", "the bundle's ONNX file is another one than it was built from"),
        ("precision", "its precision was float16 when it was built and is int8 here"),
        ("profiles", "its list of track buckets was 1, 2, 4 when it was built and is 1, 64 here"),
    ],
)
def test_a_difference_is_a_sentence(name: str, expected: str) -> None:
    assert differences(HERE, replace(HERE, **{name: OTHER[name]})) == (expected,)


def test_all_differences_are_named_in_order() -> None:
    found = differences(HERE, Fingerprint(**OTHER, flags=(), rules=7))
    assert len(found) == len(fields(Fingerprint)) - len(NOT_COMPARED)
    assert found[0].startswith("its graph was step")


@pytest.mark.parametrize("name", ["device", "compute_capability", "driver", "l4t"])
def test_an_engine_for_any_device_fits_every_device(name: str) -> None:
    anywhere: dict[str, Any] = {name: ANY}
    assert differences(replace(HERE, **anywhere), HERE) == ()
    assert differences(HERE, replace(HERE, **anywhere)) == ()


def test_equal_fingerprints_do_not_differ() -> None:
    assert differences(HERE, HERE) == ()


GOOD = json.loads(sidecar_text(SIDECAR))


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(without(GOOD, ("fingerprint",)), id="no-fingerprint"),
        pytest.param(without(GOOD, ("fingerprint", "driver")), id="a-part-missing"),
        pytest.param(changed(GOOD, ("schema_version",), SIDECAR_VERSION + 1), id="a-later-version"),
        pytest.param(changed(GOOD, ("engine_sha256",), "abc"), id="no-hash"),
        pytest.param(changed(GOOD, ("fingerprint", "profiles"), [0]), id="a-bucket-of-none"),
        pytest.param(changed(GOOD, ("fingerprint", "precision"), "float8"), id="unknown-precision"),
        pytest.param(changed(GOOD, ("fingerprint", "backend"), "cudnn"), id="unknown-backend"),
        pytest.param(changed(GOOD, ("engine_bytes",), "many"), id="words-for-a-number"),
        pytest.param({**GOOD, "mood": "good"}, id="something-unknown"),
        pytest.param([GOOD], id="a-list"),
    ],
)
def test_a_sidecar_that_is_none_is_refused(values: object, engine: Path) -> None:
    sidecar_path(engine).write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(BundleError) as raised:
        read_engine(engine, HERE)
    assert str(sidecar_path(engine)) in message_of(raised)


def _gone(path: Path) -> None:
    path.unlink()


def _no_text(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")


def _a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil", [_gone, _no_text, _a_folder], ids=["gone", "no-text", "a-folder"])
def test_a_sidecar_that_cannot_be_read_says_what_to_do(spoil: Callable[[Path], None], engine: Path) -> None:
    spoil(sidecar_path(engine))
    for use in (lambda: read_engine(engine, HERE), lambda: read_sidecar(engine)):
        with pytest.raises(BundleError) as raised:
            use()
        assert "has no readable step.float16.tensorrt.json beside it; build it with" in message_of(raised)


def test_the_sidecar_of_another_engine_does_not_pass(engine: Path) -> None:
    other = replace(SIDECAR, engine_sha256=sha256_of(b"other"), engine_bytes=5)
    sidecar_path(engine).write_text(sidecar_text(other), encoding="utf-8")
    with pytest.raises(BundleError) as raised:
        read_engine(engine, HERE)
    assert "has 9 bytes that are not the 5 of its sidecar; build it again." in message_of(raised)


def test_no_engine_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(BundleError) as raised:
        read_engine(tmp_path / "none.engine", HERE)
    assert "none.engine; build it here with `crystaledge build`." in message_of(raised)
