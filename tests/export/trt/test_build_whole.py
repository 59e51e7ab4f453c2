"""A build is whole or not at all, and what was spoilt is found out and built again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crystaledge.bundle import Bundle
from crystaledge.engine.trt.sidecar import (
    read_engine,
    sidecar_path,
)
from crystaledge.errors import BundleError
from crystaledge.files import sha256_of, write_atomic
from crystaledge_export.errors import BuildError
from crystaledge_export.trt.build import Workshop
from tests.calibration.builders import contents_of
from tests.export.trt.builders import (
    made,
    tiny,
)
from tests.support.bundles import replace_graph

ENGINE = "step.float32.tensorrt.engine"


def with_operator_missing(bundle: Bundle) -> Bundle:
    """The same bundle with a graph that TensorRT does not take."""
    model = tiny()
    next(node for node in model.graph.node if node.op_type == "Tanh").op_type = "Det"
    replace_graph(bundle.path, model.SerializeToString())
    return Bundle.open(bundle.path)


SPOILT: list[Any] = [
    pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-7]), id="truncated"),
    pytest.param(lambda path: path.write_bytes(b""), id="empty"),
    pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\0"), id="changed"),
]


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_spoilt_engine_is_built_again(bundle: Bundle, workshop: Workshop, spoil: Callable[[Path], object]) -> None:
    first = made(bundle, workshop)
    spoil(first.path)
    again = made(bundle, workshop)
    assert again.fresh and again.reasons == ("the file is not what its sidecar says",)
    assert read_engine(again.path, first.sidecar.fingerprint)


def _other_schema(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 2}))


BROKEN = pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(Path.unlink, id="gone"),
        pytest.param(lambda path: path.write_text("{"), id="no JSON"),
        pytest.param(lambda path: path.write_bytes(b"\xff\xfe"), id="no text"),
        pytest.param(lambda path: path.write_text("[]"), id="no sidecar"),
        pytest.param(_other_schema, id="another schema"),
    ],
)


@BROKEN
def test_a_broken_sidecar_is_made_again(bundle: Bundle, workshop: Workshop, spoil: Callable[[Path], object]) -> None:
    first = made(bundle, workshop)
    spoil(sidecar_path(first.path))
    again = made(bundle, workshop)
    assert again.fresh
    assert read_engine(again.path, first.sidecar.fingerprint)


@BROKEN
def test_a_broken_sidecar_is_explained(bundle: Bundle, workshop: Workshop, spoil: Callable[[Path], object]) -> None:
    spoil(sidecar_path(made(bundle, workshop).path))
    assert made(bundle, workshop).reasons


@pytest.mark.parametrize("earlier", [False, True], ids=["first", "again"])
def test_a_graph_that_is_not_taken_leaves_everything_as_it_was(
    bundle: Bundle, workshop: Workshop, tmp_path: Path, earlier: bool
) -> None:
    if earlier:
        made(bundle, workshop)
    spoilt = with_operator_missing(bundle)
    before = contents_of(tmp_path)
    with pytest.raises(BuildError, match="is not supported"):
        made(spoilt, workshop)
    assert contents_of(tmp_path) == before
    assert workshop.folder.exists() is earlier


def test_an_interrupted_build_leaves_everything_as_it_was(bundle: Bundle, workshop: Workshop, tmp_path: Path) -> None:
    made(bundle, workshop)
    before = contents_of(tmp_path)

    def interrupt(phase: str, share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(bundle, replace(workshop, say=interrupt), force=True)
    assert contents_of(tmp_path) == before


@pytest.mark.parametrize("ending", [".json", ".engine"])
def test_a_write_that_fails_is_found_out(
    bundle: Bundle, workshop: Workshop, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    fitting = made(bundle, workshop).sidecar.fingerprint
    replace_graph(bundle.path, tiny().SerializeToString())

    def full(path: Path, data: bytes) -> None:
        if path.suffix == ending:
            msg = "No space left on device"
            raise OSError(msg)
        write_atomic(path, data)

    changed = Bundle.open(bundle.path)
    here = replace(fitting, onnx_sha256=sha256_of(changed.graph_bytes(changed.graph())))
    with monkeypatch.context() as patched, pytest.raises(OSError, match="No space"):
        patched.setattr("crystaledge_export.trt.build.write_atomic", full)
        made(changed, workshop)
    with pytest.raises(BundleError, match="build it again"):
        read_engine(workshop.folder / ENGINE, here)
    again = made(changed, workshop)
    assert again.fresh and again.reasons
    assert read_engine(again.path, here)
