"""Bad input: one clear line, exit status 2, nothing half-written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from crystaledge.files import sha256_of
from tests.e2e.conftest import Cli, Finished, write_people


@pytest.fixture
def bundle(bundle_path: Path, tmp_path: Path) -> Path:
    """A bundle of one's own, to break."""
    return Path(shutil.copytree(bundle_path, tmp_path / "own.bundle"))


def edit_manifest(bundle: Path, change: Callable[[dict], None]) -> None:  # type: ignore[type-arg]
    file = bundle / "manifest.json"
    manifest = json.loads(file.read_text())
    change(manifest)
    file.write_text(json.dumps(manifest))


def run_on(cli: Cli, bundle: Path, *more: object) -> Finished:
    return cli("run", bundle, "--source", "synthetic", "--frames", 2, *more)


def assert_refused(done: Finished, *words: str) -> None:
    assert done.is_one_line_of_bad_input(), (done.status, done.err)
    assert done.out == ""
    for word in words:
        assert word in done.err


def _swap_states(manifest: dict) -> None:  # type: ignore[type-arg]
    pair = manifest["graphs"][0]["states"][0]
    pair["input"], pair["output"] = pair["output"], pair["input"]


def _other_version(manifest: dict) -> None:  # type: ignore[type-arg]
    manifest["schema_version"] = 3


def _leaving(manifest: dict) -> None:  # type: ignore[type-arg]
    manifest["files"][0]["path"] = manifest["graphs"][0]["file"] = "../step.onnx"


def _misshapen_state(manifest: dict) -> None:  # type: ignore[type-arg]
    manifest["graphs"][0]["states"][0]["shape"] = [63]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        pytest.param(_other_version, "schema version 3", id="unknown version"),
        pytest.param(_swap_states, "swapped", id="swapped state pair"),
        pytest.param(_misshapen_state, "[63]", id="mis-shaped state pair"),
        pytest.param(_leaving, "../step.onnx", id="path that leaves the bundle"),
        pytest.param(lambda m: m["files"][0].update(sha256="0" * 64), "SHA-256", id="wrong hash"),
        pytest.param(lambda m: m.update(surprise=1), "surprise", id="unknown key"),
    ],
)
def test_a_broken_manifest_is_refused(
    cli: Cli,
    bundle: Path,
    change: Callable[[dict], None],  # type: ignore[type-arg]
    word: str,
) -> None:
    edit_manifest(bundle, change)
    assert_refused(run_on(cli, bundle), word)


def test_external_data_is_refused(cli: Cli, bundle: Path) -> None:
    graph = bundle / "graphs/step.float32.onnx"
    onnx.save(onnx.load(graph), graph, save_as_external_data=True, location="weights.bin", size_threshold=0)
    edit_manifest(bundle, lambda m: m["files"][0].update(sha256=sha256_of(graph.read_bytes())))
    assert_refused(run_on(cli, bundle), "external data")


def test_nan_in_a_state_file_is_refused(cli: Cli, bundle: Path, tmp_path: Path) -> None:
    state = tmp_path / "tracks.npz"
    assert run_on(cli, bundle, "--snapshot", state).status == 0
    with np.load(state) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["hidden"][0, 5] = np.nan
    np.savez(state, **arrays)
    assert_refused(run_on(cli, bundle, "--restore", state), "NaN")


def test_a_state_file_is_not_overwritten(cli: Cli, bundle: Path, tmp_path: Path) -> None:
    state = tmp_path / "tracks.npz"
    state.write_bytes(b"mine")
    assert_refused(run_on(cli, bundle, "--snapshot", state), "--force")
    assert state.read_bytes() == b"mine"


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        pytest.param(truncated, "truncated", id="truncated"),
        pytest.param(lambda p: p.write_bytes(b""), "empty", id="empty file"),
        pytest.param(lambda p: p.write_bytes(b"GIF89a nonsense"), "decoded", id="no image"),
        pytest.param(
            lambda p: p.rename(p.with_suffix(".pgm")) and p.with_suffix(".pgm").write_bytes(b"P5 0 0 255\n"),
            "",
            id="zero size",
        ),
    ],
)
def test_a_spoilt_image_is_refused(
    cli: Cli, bundle: Path, tmp_path: Path, spoil: Callable[[Path], object], word: str
) -> None:
    people = write_people(tmp_path / "people", people=1, images=2)
    spoil(people / "person00/0.png")
    assert_refused(cli("run", bundle, "--source", people / "person00"), word)


@pytest.mark.parametrize(
    ("people", "images", "word"),
    [
        pytest.param(0, 0, "no identity", id="empty folder"),
        pytest.param(30, 1, "two or more images", id="identities with one image"),
    ],
)
def test_useless_training_data_is_refused(cli: Cli, tmp_path: Path, people: int, images: int, word: str) -> None:
    data, out = tmp_path / "data", tmp_path / "run"
    data.mkdir()
    write_people(data, people=people, images=images)
    assert_refused(cli("train", "mnemosyne", "--data", data, "--out", out), word)
    assert not out.exists()


def test_evaluation_of_one_image_a_person_is_refused(cli: Cli, tmp_path: Path) -> None:
    data = write_people(tmp_path / "data", people=3, images=1)
    assert_refused(cli("evaluate", "mnemosyne", "--data", data), "two or more images")


def test_a_truncated_checkpoint_is_refused(cli: Cli, bundle_path: Path, tmp_path: Path) -> None:
    file = tmp_path / "broken.safetensors"
    file.write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{}")
    assert_refused(cli("export", "mnemosyne", "--checkpoint", file, "--out", tmp_path / "b"), "checkpoint")
    assert not (tmp_path / "b").exists()


def test_an_existing_bundle_is_not_overwritten(cli: Cli, bundle: Path) -> None:
    before = (bundle / "manifest.json").read_bytes()
    assert_refused(cli("export", "mnemosyne", "--out", bundle), "--force")
    assert (bundle / "manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("run",), id="nothing named"),
        pytest.param(("fly",), id="unknown verb"),
        pytest.param(("run", "nowhere.bundle", "--source", "synthetic"), id="no such bundle"),
        pytest.param(("train", "mnemosyne", "--data", "nowhere", "--out", "x"), id="no such data"),
        pytest.param(("train", "phantom", "--data", ".", "--out", "x"), id="unknown system"),
        pytest.param(("train", "mnemosyne", "--distill", "--data", ".", "--out", "x"), id="a teacher for no student"),
        pytest.param(("train", "phantom", "--variant", "wide", "--data", ".", "--out", "x"), id="a foreign option"),
    ],
)
def test_wrong_usage_is_one_line(cli: Cli, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = cli(*arguments, cwd=tmp_path)
    assert_refused(done)
    assert len(done.err.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_does_not_exist_is_refused(cli: Cli, bundle: Path) -> None:
    assert_refused(cli("run", bundle, "--source", "nowhere.mp4"), "nowhere.mp4")


def test_a_box_outside_of_the_frame_is_refused(cli: Cli, bundle: Path) -> None:
    assert_refused(run_on(cli, bundle, "--face-box", "0.5,0,0.2,1"), "shares")
