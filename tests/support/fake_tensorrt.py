"""TensorRT of four generations without a device: ONNX Runtime computes, and every rule of the real one is checked.

An engine file of a fake holds the ONNX file, its profiles, and the version it was built with. What one
generation has and another has not is missing here too: `tests.support.tensorrt_surface` says what is what.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from google.protobuf.message import DecodeError
from onnx import TensorProto

from tests.support.fake_cuda import ALIGNMENT, ILLEGAL_ADDRESS, FakeDriver, rule

_MAGIC = b"fake-plan"
_ERROR = 1


class Generation(Enum):
    """Versions that differ in form; the value is what `__version__` says."""

    V8_6 = "8.6.1"
    V10_3 = "10.3.0"
    V10_16 = "10.16.1.11"
    V11_4 = "11.4.0.106"
    RTX_1_7 = "1.7.1.116"

    @property
    def flags(self) -> dict[str, int]:
        """Members of NetworkDefinitionCreationFlag."""
        if self is Generation.V8_6:
            return {"EXPLICIT_BATCH": 0, "EXPLICIT_PRECISION": 1}
        if self in (Generation.V10_3, Generation.V10_16):
            return {"EXPLICIT_BATCH": 0, "STRONGLY_TYPED": 1}
        return {"STRONGLY_TYPED": 0}

    @property
    def builder_flags(self) -> dict[str, int]:
        """Members of BuilderFlag that matter here."""
        old = self in (Generation.V8_6, Generation.V10_3, Generation.V10_16)
        return {"FP16": 0, "INT8": 1, "TF32": 7 if self is Generation.V8_6 else 6} if old else {"TF32": 6}


class ILogger:
    """Must be subclassed, and its constructor called."""

    def __init__(self) -> None:
        self.sound = True

    def log(self, severity: int, text: str) -> None:
        """Overridden."""


class IProgressMonitor:
    """See the real one."""


class TensorIOMode(Enum):
    """As the real one."""

    INPUT = 1
    OUTPUT = 2


class DataType(Enum):
    """The types that are met here."""

    FLOAT = 0
    HALF = 1
    INT8 = 2


class _PybindEnum:
    """Members that can be converted to int, and to nothing else."""

    def __init__(self, name: str, value: int) -> None:
        self.name, self._value = name, value

    def __int__(self) -> int:
        return self._value


@dataclass(frozen=True)
class _Plan:
    version: str
    onnx_hex: str
    profiles: tuple[dict[str, list[list[int]]], ...]


class Context:
    """`IExecutionContext`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._profile: int | None = None
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        rule(stream_handle in self.engine.driver.streams, "a profile is set in a stream that is not alive")
        self._profile, self._shapes = profile_index, {}
        return 0 <= profile_index < self.engine.num_optimization_profiles

    def set_input_shape(self, name: str, shape: Sequence[int]) -> bool:
        rule(self._profile is not None, "an input shape is set before the profile")
        assert self._profile is not None
        low, _, high = self.engine.get_tensor_profile_shape(name, self._profile)
        inside = all(a <= n <= b for a, n, b in zip(low, shape, high, strict=True))
        if inside:
            self._shapes[name] = tuple(shape)
        return inside

    def set_tensor_address(self, name: str, memory: int) -> bool:
        if name not in self.engine.names:
            return False
        rule(memory % ALIGNMENT == 0, f"the address of {name!r} is not aligned to {ALIGNMENT} bytes")
        self._addresses[name] = memory
        return True

    def infer_shapes(self) -> list[str]:
        return [name for name in self.engine.inputs if name not in self._shapes]

    def execute_async_v3(self, stream_handle: int) -> bool:
        driver = self.engine.driver
        rule(stream_handle in driver.streams, "work is put into a stream that is not alive")
        rule(not self.infer_shapes(), "a step is run before every input has its shape")
        missing = [name for name in self.engine.names if name not in self._addresses]
        rule(not missing, f"a step is run without the addresses of {missing}")
        shapes, addresses = dict(self._shapes), dict(self._addresses)
        driver.streams[stream_handle].put(lambda: self.engine.compute(shapes, addresses))
        return True


class Engine:
    """`ICudaEngine`, on the driver that the fakes share."""

    def __init__(self, plan: _Plan, driver: FakeDriver) -> None:
        self.driver = driver
        self.model = onnx.load_from_string(bytes.fromhex(plan.onnx_hex))
        self._profiles = plan.profiles
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 4
        self._session = ort.InferenceSession(
            self.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self.inputs = [value.name for value in self.model.graph.input]
        self.outputs = [value.name for value in self.model.graph.output]
        self.names = [*self.inputs, *self.outputs]
        self._values = {value.name: value for value in (*self.model.graph.input, *self.model.graph.output)}

    @property
    def num_io_tensors(self) -> int:
        return len(self.names)

    @property
    def num_optimization_profiles(self) -> int:
        return len(self._profiles)

    def get_tensor_name(self, index: int) -> str:
        return str(self.names[index])

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self.inputs else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> DataType:
        kinds = {TensorProto.FLOAT: DataType.FLOAT, TensorProto.FLOAT16: DataType.HALF}
        return kinds.get(self._values[name].type.tensor_type.elem_type, DataType.INT8)

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(d.dim_value or -1 for d in self._values[name].type.tensor_type.shape.dim)

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[list[int]]:
        return self._profiles[profile_index][name]

    def create_execution_context(self) -> Context | None:
        return Context(self)

    def compute(self, shapes: dict[str, tuple[int, ...]], addresses: dict[str, int]) -> None:
        """What the device does when the step's turn has come."""
        feeds = {}
        for name, shape in shapes.items():
            nbytes = 4 * int(np.prod(shape))
            feeds[name] = self.driver.at(addresses[name], nbytes).view(np.float32).reshape(shape).copy()
        try:
            results = self._session.run(self.outputs, feeds)
        except Exception:  # an illegal access on a device is seen at the next synchronisation
            self.driver.fail_in, self.driver._broken = None, True
            assert ILLEGAL_ADDRESS
            return
        for name, values in zip(self.outputs, results, strict=True):
            target = self.driver.at(addresses[name], values.nbytes)
            target[...] = np.ascontiguousarray(values).reshape(-1).view(np.uint8)


class Runtime:
    """`Runtime`."""

    def __init__(self, logger: ILogger, version: str, driver: FakeDriver) -> None:
        rule(getattr(logger, "sound", False), "the logger's own constructor was not called")
        self._logger, self._version, self._driver = logger, version, driver

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> Engine | None:
        if not serialized_engine.startswith(_MAGIC):
            self._logger.log(_ERROR, "Serialization assertion header.magicTag == kEXPECTED_MAGIC_TAG failed.")
            return None
        try:
            stored = json.loads(serialized_engine[len(_MAGIC) :])
        except ValueError:
            self._logger.log(_ERROR, "Serialization assertion plan.header.size == blobSize failed.")
            return None
        if stored["version"] != self._version:
            self._logger.log(_ERROR, f"The engine plan file is of {stored['version']}, expecting {self._version}.")
            return None
        return Engine(_Plan(stored["version"], stored["onnx"], tuple(stored["profiles"])), self._driver)


def runtime_module(generation: Generation, driver: FakeDriver) -> Any:
    """The half of a TensorRT module that runs engines."""
    version = generation.value
    return SimpleNamespace(
        __version__=version,
        ILogger=ILogger,
        TensorIOMode=TensorIOMode,
        DataType=DataType,
        Runtime=lambda logger: Runtime(logger, version, driver),
    )


def plan_of(model: bytes, buckets: Sequence[int], generation: Generation) -> bytes:
    """An engine file as the fake builder of that generation writes it, one profile a bucket.

    Raises:
        ValueError: no ONNX file with a graph in it.
    """
    try:
        inputs = onnx.load_from_string(model).graph.input
    except DecodeError as error:
        raise ValueError(str(error)) from error
    if not inputs:
        msg = "no graph"
        raise ValueError(msg)
    profiles = []
    for bucket in buckets:
        shapes = {
            value.name: [bucket, *(d.dim_value for d in value.type.tensor_type.shape.dim[1:])] for value in inputs
        }
        profiles.append({name: [shape] * 3 for name, shape in shapes.items()})
    return serialised(model, profiles, generation)


def serialised(model: bytes, profiles: Sequence[dict[str, list[list[int]]]], generation: Generation) -> bytes:
    """The file format of the fakes."""
    stored = {"version": generation.value, "onnx": model.hex(), "profiles": list(profiles)}
    return _MAGIC + json.dumps(stored).encode()
