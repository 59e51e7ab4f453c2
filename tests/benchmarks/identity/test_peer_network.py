"""Peers run in a process of their own; here they are made up."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from crystaledge.errors import DataError, EngineError
from crystaledge_benchmarks.identity import peer_network
from crystaledge_benchmarks.identity.networks import Crops
from crystaledge_benchmarks.identity.peer_cache import PeerCache
from crystaledge_benchmarks.identity.peer_network import PeerNetwork

BRIGHT, DARK = (200, 150, 120), (90, 40, 20)


def plain(*colours: tuple[int, int, int]) -> Crops:
    return np.stack([np.full((16, 16, 3), colour, np.uint8) for colour in colours])


def peer(folder: Path, cache: PeerCache | None = None) -> PeerNetwork:
    return PeerNetwork(folder, "dlib", cache or PeerCache(None))


def test_a_peer_sees_the_very_pixels_with_a_face_or_where_one_should_be(peers: Path) -> None:
    seen = peer(peers).look(plain(BRIGHT, DARK))
    expected = np.array([BRIGHT, DARK])[:, ::-1] / 255 - 0.5
    np.testing.assert_allclose(seen.unit, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)
    assert seen.quality is None
    assert peer(peers).crystallize(plain(BRIGHT), np.zeros((1, 1), np.int64)) is None


def test_a_peer_s_cost_is_that_of_a_face(peers: Path) -> None:
    assert peer(peers).cpu_ms(plain(BRIGHT, DARK, BRIGHT)) >= 0.0


def test_each_crop_is_embedded_once(peers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cache/dlib.npz"
    monkeypatch.setattr(peer_network, "_CROPS_PER_PROCESS", 1)
    first = peer(peers, PeerCache(file)).look(plain(BRIGHT, DARK, BRIGHT))
    os.remove(peers / "venv/bin/python")  # noqa: PTH107 (whoever runs it again fails)
    again = peer(peers, PeerCache(file)).look(plain(DARK, BRIGHT))
    np.testing.assert_array_equal(again.unit, first.unit[[1, 2]])
    np.testing.assert_array_equal(first.unit[0], first.unit[2])
    assert file.stat().st_mode & 0o077 == 0
    with pytest.raises(EngineError, match="No such file"):
        peer(peers, PeerCache(file)).look(plain((1, 2, 3)))


def test_nothing_is_kept_unasked(peers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(path for path in tmp_path.rglob("*") if "__pycache__" not in path.parts)
    peer(peers).look(plain(BRIGHT))
    assert sorted(path for path in tmp_path.rglob("*") if "__pycache__" not in path.parts) == before


def test_peers_that_fail_say_why(peers: Path) -> None:
    (peers / "embedders.py").write_text("raise RuntimeError('no weights')\n")
    with pytest.raises(EngineError, match=r"dlib in .* failed: RuntimeError: no weights"):
        peer(peers).look(plain(BRIGHT))


@pytest.mark.parametrize("answer", ["np.zeros(3)", "np.full(3, np.nan)"])
def test_vectors_of_no_direction_are_an_error(peers: Path, answer: str) -> None:
    (peers / "embedders.py").write_text(f"import numpy as np\ndef make(name):\n    return lambda *face: {answer}\n")
    with pytest.raises(EngineError, match="dlib embeds 1 of 1 faces as no direction"):
        peer(peers).look(plain(BRIGHT))


def test_answers_that_are_no_vectors_are_an_error(peers: Path) -> None:
    (peers / "embedders.py").write_text("def make(name):\n    return lambda *face: 1.0\n")
    with pytest.raises(EngineError, match=r"gave vectors \[1\] for 1 crops"):
        peer(peers).look(plain(BRIGHT))


def test_another_script_is_another_embedding(peers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = PeerCache(None)
    first = peer(peers, cache).look(plain(BRIGHT)).unit
    changed = tmp_path / "peer_embed.py"
    changed.write_text(peer_network._SCRIPT.read_text().replace("[:, :, ::-1]", ""))
    monkeypatch.setattr(peer_network, "_SCRIPT", changed)
    np.testing.assert_allclose(peer(peers, cache).look(plain(BRIGHT)).unit, first[:, ::-1], atol=1e-6)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off", b"\x93NUMPY"])
def test_a_damaged_cache_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "dlib.npz"
    file.write_bytes(content)
    with pytest.raises(DataError, match="Remove it, or name another folder"):
        PeerCache(file)


def test_a_cache_of_other_things_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "dlib.npz", keys=np.zeros((2, 32), np.uint8), vectors=np.zeros((1, 3)))
    with pytest.raises(DataError, match="as a cache of embeddings"):
        PeerCache(tmp_path / "dlib.npz")
