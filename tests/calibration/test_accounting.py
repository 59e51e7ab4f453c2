"""Where the bytes of a graph go, counted a second time."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from crystaledge.manifest.model import Target
from crystaledge_calibration.accounting import accounting
from crystaledge_calibration.records import ByteAccount
from crystaledge_calibration.step_model import weighted_nodes
from tests.calibration.builders import QUANTIZABLE, constants, small_draft, small_model, small_weights


def rows_of(int8: onnx.ModelProto, float32: onnx.ModelProto | None = None) -> dict[str, ByteAccount]:
    return {row.what: row for row in accounting(float32 or small_model(), int8)}


@pytest.mark.parametrize("target", Target)
@pytest.mark.parametrize("nodes", [QUANTIZABLE, QUANTIZABLE[:2]])
def test_the_rows_add_up_to_the_files(target: Target, nodes: tuple[str, ...]) -> None:
    built = small_draft(target, nodes=nodes).build()
    rows = accounting(small_model(), built)
    assert rows[-1].what == "file"
    assert rows[-1].float32_bytes == len(small_model().SerializeToString())
    assert rows[-1].int8_bytes == len(built.SerializeToString())
    assert sum(row.float32_bytes for row in rows[:-1]) == rows[-1].float32_bytes
    assert sum(row.int8_bytes for row in rows[:-1]) == rows[-1].int8_bytes
    assert min(row.int8_bytes for row in rows) >= 0


def test_int8_weights_take_a_byte_and_float_ones_four() -> None:
    nodes = weighted_nodes(small_model())
    int8 = [node for node in nodes if node.name in QUANTIZABLE[:3]]
    found = rows_of(small_draft(nodes=QUANTIZABLE[:3]).build())["weights"]
    assert found.float32_bytes == 4 * sum(node.weights for node in nodes)
    assert found.int8_bytes == found.float32_bytes - 3 * sum(node.weights for node in int8)


def test_biases_of_tensorrt_stay_as_large_as_they_were() -> None:
    found = rows_of(small_draft().build())["biases and constants"]
    expected = 4 * sum(value.size for name, value in small_weights().items() if name.startswith("b_"))
    assert (found.float32_bytes, found.int8_bytes) == (expected, expected)


def test_scales_are_those_of_every_tensor_and_every_channel() -> None:
    built = small_draft().build()
    scales = [value for name, value in constants(built).items() if name.endswith("_scale")]
    found = rows_of(built)["scales"]
    assert (found.float32_bytes, found.int8_bytes) == (0, 4 * sum(scale.size for scale in scales))
    assert rows_of(built)["zero points"].int8_bytes >= sum(scale.size for scale in scales)


def test_what_is_not_stored_raw_is_counted_too() -> None:
    model = small_model()
    for name, kind, values, size in (
        ("floats", TensorProto.FLOAT, np.ones(5), 20),
        ("longs", TensorProto.INT64, np.ones(3), 24),
    ):
        before = rows_of(model)["biases and constants"].int8_bytes
        model.graph.initializer.append(helper.make_tensor(name, kind, [len(values)], values))
        assert not model.graph.initializer[-1].raw_data
        assert rows_of(model)["biases and constants"].int8_bytes == before + size


def test_int32_biases_of_the_cpu_are_biases() -> None:
    built = small_draft(Target.CPU).build()
    assert rows_of(built)["weights"].int8_bytes == rows_of(small_draft().build())["weights"].int8_bytes
