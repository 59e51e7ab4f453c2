"""Checkpoints: what is written comes back, equal input gives equal bytes, and nothing else is accepted."""

from __future__ import annotations

import json
import math
import pickletools
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save_file

from crystaledge.errors import DataError
from crystaledge.files import sha256_of
from crystaledge_training.checkpoint import CheckpointRecord, read_checkpoint, write_checkpoint
from crystaledge_training.mnemosyne.config import QualityGate
from tests.training.builders import sample_decision, sample_record, tiny_network


@pytest.fixture
def record() -> CheckpointRecord:
    return sample_record(tiny_network(gate=QualityGate.INPUT), decision=sample_decision())


@pytest.fixture
def written(tmp_path: Path, record: CheckpointRecord) -> Path:
    path = tmp_path / "a.safetensors"
    write_checkpoint(path, record, tiny_network().state_dict())
    return path


def header_of(data: bytes) -> dict[str, Any]:
    """The JSON header of a safetensors file: eight bytes of length, then text."""
    (length,) = struct.unpack("<Q", data[:8])
    parsed: dict[str, Any] = json.loads(data[8 : 8 + length])
    return parsed


def with_record(data: bytes, text: str) -> bytes:
    """The same file with another record."""
    (length,) = struct.unpack("<Q", data[:8])
    header = header_of(data)
    header["__metadata__"]["crystaledge"] = text
    encoded = json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded + data[8 + length :]


def test_weights_and_record_come_back_as_they_were(written: Path, record: CheckpointRecord) -> None:
    checkpoint = read_checkpoint(written)
    expected = tiny_network().state_dict()
    assert checkpoint.record == record
    assert set(checkpoint.weights) == set(expected)
    for name, tensor in expected.items():
        assert checkpoint.weights[name].dtype == tensor.dtype
        assert torch.equal(checkpoint.weights[name], tensor), name
    assert checkpoint.sha256 == sha256_of(written.read_bytes())


def test_a_record_without_a_decision_comes_back(tmp_path: Path, record: CheckpointRecord) -> None:
    path = tmp_path / "a.safetensors"
    write_checkpoint(path, replace(record, decision=None, validation=()), tiny_network().state_dict())
    assert read_checkpoint(path).record == replace(record, decision=None, validation=())


def test_weights_in_another_memory_layout_come_back(tmp_path: Path, record: CheckpointRecord) -> None:
    # Training keeps convolutions in channels-last order.
    tensor = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last).requires_grad_(True)
    write_checkpoint(tmp_path / "a.safetensors", record, {"w": tensor})
    assert torch.equal(read_checkpoint(tmp_path / "a.safetensors").weights["w"], tensor)


def test_equal_input_gives_equal_bytes(tmp_path: Path, written: Path, record: CheckpointRecord) -> None:
    reordered = dict(reversed(tiny_network().state_dict().items()))
    write_checkpoint(tmp_path / "b.safetensors", record, reordered)
    assert (tmp_path / "b.safetensors").read_bytes() == written.read_bytes()


def test_another_weight_or_record_gives_other_bytes(tmp_path: Path, written: Path, record: CheckpointRecord) -> None:
    weights = tiny_network().state_dict()
    write_checkpoint(tmp_path / "b.safetensors", replace(record, validation=()), weights)
    weights["quality.bias"] = weights["quality.bias"] + 1e-3
    write_checkpoint(tmp_path / "c.safetensors", record, weights)
    assert len({path.read_bytes() for path in tmp_path.glob("*.safetensors")}) == 3


def test_the_file_is_safetensors_and_holds_no_pickle(written: Path) -> None:
    data = written.read_bytes()
    assert set(load(data)) == set(tiny_network().state_dict())
    header = header_of(data)
    # Header and tensors are all there is: the tensors' ranges tile the rest of the file without a gap.
    ranges = sorted(entry["data_offsets"] for name, entry in header.items() if name != "__metadata__")
    (length,) = struct.unpack("<Q", data[:8])
    assert [r[0] for r in ranges] == [0, *(r[1] for r in ranges[:-1])]
    assert ranges[-1][1] == len(data) - 8 - length
    assert list(header["__metadata__"]) == ["crystaledge"]
    assert not data.startswith((b"PK", b"\x80"))
    with pytest.raises(ValueError, match="opcode"):
        list(pickletools.genops(data))


def test_nothing_else_is_left_beside_the_file(written: Path) -> None:
    assert [p.name for p in written.parent.iterdir()] == [written.name]


def test_a_record_that_json_cannot_hold_leaves_the_old_file(written: Path, record: CheckpointRecord) -> None:
    before = written.read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        write_checkpoint(written, replace(record, validation=(("auc", math.nan),)), tiny_network().state_dict())
    assert written.read_bytes() == before
    assert [p.name for p in written.parent.iterdir()] == [written.name]


class TestRefuses:
    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="Cannot read the checkpoint"):
            read_checkpoint(tmp_path / "none.safetensors")

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="Cannot read the checkpoint"):
            read_checkpoint(tmp_path)

    @pytest.mark.parametrize("kept", [0, 4, 8, 200, -1])
    def test_a_truncated_file(self, written: Path, kept: int) -> None:
        written.write_bytes(written.read_bytes()[:kept])
        with pytest.raises(DataError, match="Cannot read the checkpoint"):
            read_checkpoint(written)

    def test_a_file_with_something_behind_it(self, written: Path) -> None:
        written.write_bytes(written.read_bytes() + b"\0")
        with pytest.raises(DataError, match="Cannot read the checkpoint"):
            read_checkpoint(written)

    def test_a_pickle(self, tmp_path: Path) -> None:
        torch.save(tiny_network().state_dict(), tmp_path / "a.pt")
        with pytest.raises(DataError, match="Cannot read the checkpoint"):
            read_checkpoint(tmp_path / "a.pt")

    @pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
    def test_a_foreign_safetensors_file(self, tmp_path: Path, metadata: dict[str, str] | None) -> None:
        save_file({"w": torch.zeros(2)}, tmp_path / "a.safetensors", metadata=metadata)
        with pytest.raises(DataError, match="carries no CrystalEdge record"):
            read_checkpoint(tmp_path / "a.safetensors")

    @pytest.mark.parametrize("version", [0, 2])
    def test_an_unknown_version(self, written: Path, version: int) -> None:
        data = written.read_bytes()
        record = json.loads(header_of(data)["__metadata__"]["crystaledge"])
        written.write_bytes(with_record(data, json.dumps(record | {"schema_version": version})))
        with pytest.raises(DataError, match=f"schema version {version}; this package reads version 1"):
            read_checkpoint(written)

    def test_a_later_version_by_its_version_and_not_by_its_new_keys(self, written: Path) -> None:
        data = written.read_bytes()
        record = json.loads(header_of(data)["__metadata__"]["crystaledge"])
        written.write_bytes(with_record(data, json.dumps(record | {"schema_version": 2, "novelty": 1})))
        with pytest.raises(DataError, match="schema version 2"):
            read_checkpoint(written)

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"novelty": 1}, "unknown key 'novelty'"),
            ({"system": "hal9000"}, "'hal9000'"),
            ({"validation": 3}, "expected a list"),
            ({"network": {"encoding": 12.5}}, "expected an integer"),
            ({"provenance": None}, "expected an object"),
        ],
    )
    def test_a_record_it_does_not_understand(self, written: Path, change: dict[str, Any], says: str) -> None:
        data = written.read_bytes()
        record = json.loads(header_of(data)["__metadata__"]["crystaledge"])
        written.write_bytes(with_record(data, json.dumps(record | change)))
        with pytest.raises(DataError, match=says):
            read_checkpoint(written)

    @pytest.mark.parametrize("text", ["", "{", "[]", "null"])
    def test_a_record_that_is_no_record(self, written: Path, text: str) -> None:
        written.write_bytes(with_record(written.read_bytes(), text))
        with pytest.raises(DataError, match=r"a\.safetensors"):
            read_checkpoint(written)
