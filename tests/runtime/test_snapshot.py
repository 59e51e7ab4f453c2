"""State files: what was written comes back to the bit, and a damaged file changes nothing."""

from __future__ import annotations

import gc
import io
import json
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crystaledge.engine.onnxruntime_engine import OnnxRuntimeEngine
from crystaledge.errors import StateError
from crystaledge.tracks.snapshot import SnapshotHeader, load_snapshot, save_snapshot
from crystaledge.tracks.stepper import Stepper
from crystaledge.tracks.store import StateStore
from tests.support.manifests import state_pair, tiny_graph_spec
from tests.support.messages import message_of
from tests.support.step_graphs import SIDE, tiny_step_bytes

Array = NDArray[np.float32]

PAIRS = (state_pair("hidden", 3, initial=0.5), state_pair("memory", 2, 2, initial=-1.0))
GRAPH = "a" * 64
TRACKS = (5, -2, 70_000)


def random_state(seed: int) -> dict[str, Array]:
    """A state that no other seed gives, down to denormal numbers and minus zero."""
    random = np.random.default_rng(seed)
    state = {pair.input: random.normal(size=pair.shape).astype(np.float32) for pair in PAIRS}
    state["hidden"][:2] = -0.0, np.float32(1e-42)
    return state


def filled_store() -> StateStore:
    """Three tracks that are not in the slots they were first given."""
    store = StateStore(PAIRS)
    for track in (9, *TRACKS):
        store.create(track, frame=track % 10)
    store.evict(9)
    for track in TRACKS:
        store.load(track, random_state(track % 1000))
    return store


def write(path: Path, store: StateStore | None = None) -> None:
    """Save a store, that of `filled_store` unless another is given."""
    save_snapshot(path, filled_store() if store is None else store, graph_sha256=GRAPH, frame=12, host='{"a": 1}')


def read(path: Path, store: StateStore) -> SnapshotHeader:
    """Load into a store."""
    return load_snapshot(path, store, PAIRS, graph_sha256=GRAPH)


def refusal(path: Path) -> str:
    """The one line that a file is refused with; the store has to be as it was."""
    store = StateStore(PAIRS, capacity=2)
    before = {name: array.copy() for name, array in store.arrays.items()}
    with pytest.raises(StateError) as raised:
        read(path, store)
    assert store.tracks == ()
    assert all((store.arrays[name] == array).all() for name, array in before.items())
    return message_of(raised)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A sound state file."""
    write(tmp_path / "tracks.state")
    return tmp_path / "tracks.state"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that property-based tests write again and again."""
    return tmp_path_factory.mktemp("states") / "tracks.state"


def test_what_was_saved_comes_back_to_the_bit(path: Path) -> None:
    saved, loaded = filled_store(), StateStore(PAIRS, capacity=1)
    header = read(path, loaded)
    assert (header.frame, header.host, header.graph_sha256) == (12, '{"a": 1}', GRAPH)
    assert loaded.tracks == saved.tracks == TRACKS
    for track in TRACKS:
        assert loaded.last_seen(track) == saved.last_seen(track)
        for name, value in saved.state(track).items():
            assert (loaded.state(track)[name].view(np.uint32) == value.view(np.uint32)).all()


def test_no_track_at_all_is_a_state_too(tmp_path: Path) -> None:
    write(tmp_path / "empty.state", StateStore(PAIRS))
    store = StateStore(PAIRS)
    read(tmp_path / "empty.state", store)
    assert store.tracks == ()


def test_a_track_that_ended_is_not_in_the_file(path: Path) -> None:
    with np.load(path) as file:
        assert len(file["hidden"]) == len(TRACKS)


def test_going_on_after_a_restart_changes_no_bit(tmp_path: Path) -> None:
    engine = OnnxRuntimeEngine(tiny_graph_spec(), tiny_step_bytes())
    faces = np.random.default_rng(0).normal(size=(6, 2, 3, SIDE, SIDE)).astype(np.float32)
    going_on, restarted = StateStore(engine.graph.states), StateStore(engine.graph.states)

    def step(store: StateStore, seen: Array) -> dict[str, Array]:
        stepper = Stepper(engine, store)
        stepper.stage(2)["face"][...] = seen
        return {name: values.copy() for name, values in stepper.advance([1, 0]).items()}

    for track in (0, 1):
        going_on.create(track)
    for seen in faces[:3]:
        step(going_on, seen)
    save_snapshot(tmp_path / "tracks.state", going_on, graph_sha256=GRAPH, frame=3, host="")
    load_snapshot(tmp_path / "tracks.state", restarted, engine.graph.states, graph_sha256=GRAPH)
    for seen in faces[3:]:
        expected, found = step(going_on, seen), step(restarted, seen)
        assert all((expected[name] == found[name]).all() for name in expected)


def rewritten(path: Path, changes: Mapping[str, Any], *, header: Mapping[str, Any] | None = None) -> None:
    """Write a sound file again with other arrays (None leaves one out) or other values in its header."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    values = {**json.loads(arrays["header"].tobytes()), **(header or {})}
    arrays["header"] = np.frombuffer(json.dumps(values).encode(), np.uint8)
    kept = {name: value for name, value in {**arrays, **changes}.items() if value is not None}
    with path.open("wb") as out:
        np.savez(out, **kept)


def test_rewriting_alone_is_no_damage(path: Path) -> None:
    rewritten(path, {})
    read(path, StateStore(PAIRS))


NAN, INFINITY = np.full((3, 3), np.nan, np.float32), np.full((3, 3), np.inf, np.float32)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"hidden": NAN}, "'hidden' in", id="nan"),
        pytest.param({"hidden": INFINITY}, "holds NaN, infinity", id="infinity"),
        pytest.param({"memory": None}, "is missing; expected float32 [3, 2, 2]", id="state-missing"),
        pytest.param({"memory": np.zeros((3, 4), np.float32)}, "is float32 [3, 4]", id="misshapen"),
        pytest.param({"memory": np.zeros((2, 2, 2), np.float32)}, "is float32 [2, 2, 2]", id="a-row-short"),
        pytest.param({"memory": np.zeros((3, 2, 2))}, "is float64", id="float64"),
        pytest.param({"memory": np.zeros((3, 2, 2), ">f4")}, "is >f4", id="other-byte-order"),
        pytest.param({"memory": np.array([None] * 3)}, "cannot be read", id="pickled-objects"),
        pytest.param({"header": None}, "cannot be read", id="header-missing"),
        pytest.param({"header": np.frombuffer(b"{", np.uint8)}, "is not valid JSON", id="header-is-no-json"),
        pytest.param({"header": np.frombuffer(b"{}", np.uint8)}, "lacks the key", id="header-is-empty"),
    ],
)
def test_damaged_arrays_are_refused(path: Path, changes: dict[str, Any], expected: str) -> None:
    rewritten(path, changes)
    assert expected in refusal(path)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param({"version": 2}, ".version is 2", id="next-version"),
        pytest.param({"version": 0}, ".version is 0", id="version-zero"),
        pytest.param({"graph_sha256": "b" * 64}, "belongs to another graph", id="other-graph"),
        pytest.param({"invented": 1}, "unknown key 'invented'", id="unknown-key"),
        pytest.param(
            {"tracks": [{"track": 1, "last_seen": 0}] * 3}, "names a track twice", id="one-track-several-times"
        ),
        pytest.param(
            {"tracks": [{"track": 1, "last_seen": 0}]}, "expected float32 [1, 3]", id="fewer-tracks-than-rows"
        ),
        pytest.param(
            {"frame": 4, "tracks": [{"track": t, "last_seen": 4 + t} for t in range(3)]},
            "has seen a track after its last frame 4",
            id="seen-later-than-anything",
        ),
        pytest.param({"tracks": [{"track": "1", "last_seen": 0}] * 3}, ".track is '1'", id="track-is-no-number"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(path: Path, header: dict[str, Any], expected: str) -> None:
    rewritten(path, {}, header=header)
    assert expected in refusal(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / "nowhere.state")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert "cannot be read" in refusal(path)


def test_a_refused_file_is_not_left_open(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:50])
    gc.collect()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        refusal(path)
        gc.collect()
    assert [str(warning.message) for warning in heard] == []


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def _npy_that_claims(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def _zip(members: Mapping[str, bytes], *, compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _sound_header() -> bytes:
    entries = [{"track": track, "last_seen": 0} for track in TRACKS]
    values = {"version": 1, "graph_sha256": GRAPH, "frame": 0, "tracks": entries, "host": ""}
    return _npy(np.frombuffer(json.dumps(values).encode(), np.uint8))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(_npy(np.zeros((3, 3), np.float32)), id="one-array-and-no-archive"),
        pytest.param(_npy(np.array([{}])), id="one-pickled-array"),
        pytest.param(_zip({}), id="empty-archive"),
        pytest.param(_zip({"header.npy": b"no array"}), id="header-is-no-array"),
        pytest.param(_zip({"header.npy": _sound_header(), "hidden.npy": b"no array"}), id="state-is-no-array"),
        pytest.param(
            _zip({"header.npy": _sound_header(), "hidden.npy": _npy_that_claims((10**13, 3))}),
            id="state-larger-than-any-memory",
        ),
        pytest.param(
            _zip(
                {"header.npy": _sound_header(), "hidden.npy": _npy(np.zeros((3, 10**6), np.float32))},
                compression=zipfile.ZIP_DEFLATED,
            ),
            id="state-that-inflates",
        ),
    ],
)
def test_another_kind_of_file_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "tracks.state").write_bytes(data)
    refusal(tmp_path / "tracks.state")


def _refused_or_sound(path: Path) -> None:
    store = StateStore(PAIRS)
    try:
        header = read(path, store)
    except StateError as error:
        assert store.tracks == ()
        assert len(str(error).splitlines()) == 1
    else:
        assert store.tracks == tuple(entry.track for entry in header.tracks)
        assert all(np.isfinite(array).all() for array in store.arrays.values())


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused(scratch: Path, data: bytes) -> None:
    scratch.write_bytes(data)
    refusal(scratch)


@pytest.mark.parametrize(
    "compression",
    [
        pytest.param(zipfile.ZIP_DEFLATED, id="deflate"),
        pytest.param(zipfile.ZIP_BZIP2, id="bzip2"),
        pytest.param(zipfile.ZIP_LZMA, id="lzma"),
    ],
)
def test_damage_inside_a_compressed_entry_is_refused(tmp_path: Path, compression: int) -> None:
    # Each decompressor has an error of its own. Noise does not compress, so that the entry is not inflated.
    noise = np.random.default_rng(0).bytes(2000)
    damaged = bytearray(_zip({"header.npy": noise}, compression=compression))
    damaged[200:240] = bytes(40)
    (tmp_path / "tracks.state").write_bytes(damaged)
    assert "cannot be read" in refusal(tmp_path / "tracks.state")


@given(st.data())
def test_flipped_bytes_are_refused_or_harmless(scratch: Path, data: st.DataObject) -> None:
    write(scratch)
    damaged = bytearray(scratch.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    scratch.write_bytes(damaged)
    _refused_or_sound(scratch)
