"""External data is found wherever ONNX can hide it, by comparison with the protobuf library."""

from __future__ import annotations

import onnx
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from crystaledge.errors import BundleError
from crystaledge.onnx_wire import refuse_external_data
from tests.support.messages import message_of
from tests.support.onnx_models import (
    PLACES,
    empty_model,
    inside_tensor,
    keeps_data_outside,
    model_with,
    outside_tensor,
)
from tests.support.step_graphs import tiny_step_bytes

EVERY_PLACE = pytest.mark.parametrize("place", list(PLACES))


def is_refused(model: bytes) -> bool:
    """Whether the file is refused; any other error than the promised one passes through."""
    try:
        refuse_external_data(model, where="m.onnx")
    except BundleError as error:
        assert str(error).startswith("m.onnx ")
        assert len(str(error).splitlines()) == 1
        return True
    return False


@EVERY_PLACE
def test_a_tensor_outside_is_found(place: str) -> None:
    model = model_with(PLACES[place], outside_tensor()).SerializeToString()
    with pytest.raises(BundleError) as raised:
        refuse_external_data(model, where="m.onnx")
    assert "external data" in message_of(raised)


@EVERY_PLACE
def test_a_tensor_inside_is_left_in_peace(place: str) -> None:
    refuse_external_data(model_with(PLACES[place], inside_tensor()).SerializeToString(), where="m.onnx")


def test_half_a_reference_is_found_too() -> None:
    # Engines differ in which of the two fields they go by.
    only_flagged = TensorProto(name="w", data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    only_listed = outside_tensor()
    only_listed.ClearField("data_location")
    for tensor in (only_flagged, only_listed):
        assert is_refused(model_with(PLACES["initializer"], tensor).SerializeToString())


@given(st.lists(st.tuples(st.sampled_from(sorted(set(PLACES) - {"training-info"})), st.booleans()), max_size=6))
def test_one_tensor_outside_among_many_is_enough(tensors: list[tuple[str, bool]]) -> None:
    model = empty_model()
    for place, outside in tensors:
        PLACES[place](model, outside_tensor() if outside else inside_tensor())
    assert is_refused(model.SerializeToString()) == any(outside for _, outside in tensors)


@given(st.integers(0, 30))
def test_subgraphs_within_subgraphs_are_searched(depth: int) -> None:
    graph = helper.make_graph([], "innermost", [], [], [outside_tensor()])
    for _ in range(depth):
        graph = helper.make_graph([helper.make_node("If", ["c"], ["out"], then_branch=graph)], "branch", [], [])
    assert is_refused(onnx.ModelProto(graph=graph).SerializeToString())


def test_nesting_without_an_end_is_refused() -> None:
    graph = b""
    for _ in range(2000):
        graph = _field(1, _field(5, _field(6, graph)))  # graph: node: attribute: graph
    with pytest.raises(BundleError, match="nested too deeply"):
        refuse_external_data(_field(7, graph), where="m.onnx")


@settings(max_examples=300)
@given(st.sampled_from(sorted(PLACES)), st.data())
def test_damage_never_hides_a_reference_that_protobuf_still_sees(place: str, data: st.DataObject) -> None:
    damaged = bytearray(model_with(PLACES[place], outside_tensor()).SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    refused = is_refused(bytes(damaged))
    try:
        read = onnx.ModelProto.FromString(bytes(damaged))
    except DecodeError:
        return
    training_info_is_not_looked_at = place == "training-info"
    assert refused or not keeps_data_outside(read) or training_info_is_not_looked_at


def test_a_field_number_beyond_32_bits_is_refused() -> None:
    # The protobuf reader inside ONNX Runtime drops the high bits of a key: this is external_data to it.
    entry = onnx.StringStringEntryProto(key="location", value="../secret.bin").SerializeToString()
    tensor = (
        TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4]).SerializeToString()
        + _field(13, entry, high_bits=1 << 32)
        + _varint((14 << 3) + (1 << 32))
        + _varint(1)
    )
    model = empty_model()
    graph = model.graph.SerializeToString() + _field(5, tensor)
    model.ClearField("graph")
    assert is_refused(model.SerializeToString() + _field(7, graph))


def test_a_flag_beyond_32_bits_is_found_too() -> None:
    # Some protobuf readers keep the low 32 bits of an enum: this is EXTERNAL to them.
    flag = _varint(14 << 3) + _varint((1 << 32) + TensorProto.EXTERNAL)
    model = _field(7, _field(5, flag))
    assert is_refused(model)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_else(model: bytes) -> None:
    is_refused(model)


def test_every_truncation_is_refused_or_has_no_tensor_outside() -> None:
    model = tiny_step_bytes()
    refused = [is_refused(model[:length]) for length in range(len(model))]
    # A cut between two fields of the model is a smaller sound file; all others fall inside a field.
    assert refused.count(False) <= 5
    assert not is_refused(model)


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(b"\xff" * 30, id="number-without-an-end"),
        pytest.param(b"\x3a\xff\xff\xff\xff\x0f", id="length-beyond-the-file"),
        pytest.param(b"\x3b\x00", id="group"),
        pytest.param(b"\x3a", id="key-without-a-value"),
        pytest.param(b"not an onnx file", id="text"),
    ],
)
def test_what_is_no_protobuf_is_refused(model: bytes) -> None:
    with pytest.raises(BundleError, match="is not a readable ONNX file"):
        refuse_external_data(model, where="m.onnx")


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def _field(number: int, content: bytes, *, high_bits: int = 0) -> bytes:
    return _varint((number << 3 | 2) + high_bits) + _varint(len(content)) + content
