"""One command measures every network by one protocol."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from crystaledge.bundle_writer import Part, write_bundle
from crystaledge.errors import UsageError
from crystaledge_benchmarks.identity.__main__ import main
from crystaledge_benchmarks.identity.peer_network import PEERS
from crystaledge_benchmarks.identity.protocol import Protocol
from tests.benchmarks.builders import INT8, quantized_bundle
from tests.support.bundles import write_tiny_bundle
from tests.support.manifests import tiny_manifest

FEW = ["--draws", "1", "--resamples", "5"]


def test_bundles_and_peers_stand_in_one_table(
    lfw: Path, orl: Path, peers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, out = quantized_bundle(tmp_path / "tiny.bundle").path, tmp_path / "out.json"
    words = ["--data", str(lfw), "--orl", str(orl), "--bundle", str(bundle), "--peers", str(peers), *FEW]
    assert main([*words, "--cache", str(tmp_path / "cache"), "--json", str(out)]) == 0
    text, values = capsys.readouterr().out, json.loads(out.read_text())
    names = [network["name"] for network in values["networks"]]
    assert names == ["tiny:step", f"tiny:{INT8}", *PEERS]
    assert all(f"\n{name}, mean  " in text for name in names)
    ways = [[fused["way"] for fused in network["fused"]] for network in values["networks"]]
    assert ways[0] == ["crystallized", "mean", "quality-weighted mean", "trimmed mean"]
    assert ways[-1] == ["mean", "trimmed mean"]
    assert set(values["networks"][0]["fused"][0]["false_non_match"]) == {"0", "3", "5"}
    assert len(values["networks"][0]["reductions"]) == 4
    assert values["protocol"]["draws"] == 1
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == sorted(f"{name}.npz" for name in PEERS)
    # The INT8 graph is a copy of the other one here.
    assert values["networks"][0]["fused"] == values["networks"][1]["fused"]


def test_peers_that_fail_leave_the_others_their_rows(
    lfw: Path, peers: Path, tiny_bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (peers / "embedders.py").write_text("raise RuntimeError('no weights')\n")
    assert main(["--data", str(lfw), "--bundle", str(tiny_bundle_path), "--peers", str(peers), *FEW]) == 0
    text = capsys.readouterr().out
    assert "tiny:step, crystallized" in text
    assert text.count("not run: The peer") == len(PEERS)


def test_bundles_that_see_other_crops_are_refused(
    lfw: Path, tiny_bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, manifest = write_tiny_bundle(tmp_path / "a.bundle"), tiny_manifest()
    spec = replace(manifest.preprocessing, center_share=0.5)
    parts = tuple(Part(entry.path, entry.role, first.contents[entry.path]) for entry in manifest.files)
    other = write_bundle(tmp_path / "b.bundle", replace(manifest, preprocessing=spec), parts, force=False)
    assert main(["--data", str(lfw), "--bundle", str(tiny_bundle_path), "--bundle", str(other.path), *FEW]) == 2
    assert "do not see the same crops" in capsys.readouterr().err


def test_a_bundle_that_is_none_is_an_error_of_its_user(lfw: Path, tmp_path: Path) -> None:
    assert main(["--data", str(lfw), "--bundle", str(tmp_path)]) == 2


def test_nothing_is_measured_no_times() -> None:
    with pytest.raises(UsageError, match="above 0"):
        Protocol(draws=0)
    with pytest.raises(UsageError, match="above 0"):
        Protocol(resamples=0)
    with pytest.raises(UsageError, match="above 0"):
        Protocol(observations=0)
