"""TensorRT of four generations without a device: ONNX Runtime computes, and every rule of the real one is checked.

An engine file of a fake holds the ONNX file, its profiles, and the version it was built with. What one
generation has and another has not is missing here too: `tests.support.tensorrt_surface` says what is what.
"""

from __future__ import annotations

import json
import weakref
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

from tests.support.fake_cuda import ALIGNMENT, FakeDriver, Violation, rule

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
        self._sound = True

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


@dataclass(frozen=True)
class _Plan:
    version: str
    onnx_hex: str
    profiles: tuple[dict[str, list[list[int]]], ...]
    profile_sharing: bool


class Context:
    """`IExecutionContext`."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._driver = engine, engine._driver
        self._driver.holds(self)
        self._profile: int | None = None
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}
        self._settled = False

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        self._driver.entered("set_optimization_profile_async")
        rule(stream_handle in self._driver.streams, "a profile is set in a stream that is not alive")
        if profile_index not in range(self._engine.num_optimization_profiles) or self._engine._taken(profile_index):
            self._engine._refuse(f"Profile {profile_index} has been chosen by another IExecutionContext")
            msg = "Error in set optimization profile async."
            raise RuntimeError(msg)
        self._profile, self._shapes, self._settled = profile_index, {}, False
        return True

    def set_input_shape(self, name: str, shape: Sequence[int]) -> bool:
        rule(self._profile is not None, "an input shape is set before the profile")
        assert self._profile is not None
        low, _, high = self._engine.get_tensor_profile_shape(name, self._profile)
        inside = len(low) == len(shape) and all(a <= n <= b for a, n, b in zip(low, shape, high, strict=True))
        if not inside:
            return self._engine._refuse(f"Set dimension {list(shape)} for tensor {name} does not satisfy any profile.")
        self._shapes[name] = tuple(shape)
        return True

    def set_tensor_address(self, name: str, memory: int) -> bool:
        if name not in self._engine._names:
            return self._engine._refuse(f"Given invalid tensor name: {name}.")
        rule(memory % ALIGNMENT == 0, f"the address of {name!r} is not aligned to {ALIGNMENT} bytes")
        self._addresses[name] = memory
        return True

    def infer_shapes(self) -> list[str]:
        return [name for name in self._engine._inputs if name not in self._shapes]

    def execute_async_v3(self, stream_handle: int) -> bool:
        self._driver.entered("execute_async_v3")
        rule(stream_handle in self._driver.streams, "work is put into a stream that is not alive")
        rule(not self.infer_shapes(), "a step is run before every input has its shape")
        missing = [name for name in self._engine._names if not self._addresses.get(name)]
        rule(not missing, f"a step is run without the addresses of {missing}")
        stream = self._driver.streams[stream_handle]
        rule(stream.recording is None or self._settled, "a step is recorded that has not run since its profile was set")
        shapes, addresses, alive = dict(self._shapes), dict(self._addresses), weakref.ref(self)
        stream.put(lambda: _compute(alive(), shapes, addresses))
        return True


def _compute(context: Context | None, shapes: dict[str, tuple[int, ...]], addresses: dict[str, int]) -> None:
    if context is None:
        msg = "a step runs whose execution context is gone"
        raise Violation(msg)
    context._engine._compute(shapes, addresses)
    context._settled = True


class Engine:
    """`ICudaEngine`, on the driver that the fakes share; it keeps its runtime alive, as a context does its engine."""

    def __init__(self, plan: _Plan, driver: FakeDriver, runtime: Runtime) -> None:
        self._driver, self._plan, self._runtime = driver, plan, runtime
        driver.holds(self)
        model = onnx.load_from_string(bytes.fromhex(plan.onnx_hex))
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 4
        self._session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        self._inputs = [value.name for value in model.graph.input]
        self._outputs = [value.name for value in model.graph.output]
        self._names = [*self._inputs, *self._outputs]
        self._values = {value.name: value for value in (*model.graph.input, *model.graph.output)}
        self._contexts: weakref.WeakSet[Context] = weakref.WeakSet()

    @property
    def num_io_tensors(self) -> int:
        return len(self._names)

    @property
    def num_optimization_profiles(self) -> int:
        return len(self._plan.profiles)

    def get_tensor_name(self, index: int) -> str:
        return str(self._names[index])

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self._inputs else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> DataType:
        kinds = {TensorProto.FLOAT: DataType.FLOAT, TensorProto.FLOAT16: DataType.HALF}
        return kinds.get(self._values[name].type.tensor_type.elem_type, DataType.INT8)

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(d.dim_value or -1 for d in self._values[name].type.tensor_type.shape.dim)

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[list[int]]:
        return self._plan.profiles[profile_index][name]

    def create_execution_context(self) -> Context | None:
        context = Context(self)
        self._contexts.add(context)
        return context

    def _refuse(self, reason: str) -> bool:
        """TensorRT's no: the reason stands in the log alone."""
        self._runtime._logger.log(_ERROR, reason)
        return False

    def _taken(self, profile: int) -> bool:
        """Whether another context holds a profile that this version gives to one context alone."""
        held = any(context._profile == profile for context in self._contexts)
        return held and not self._plan.profile_sharing

    def _compute(self, shapes: dict[str, tuple[int, ...]], addresses: dict[str, int]) -> None:
        """What the device does when the step's turn has come."""
        feeds = {}
        for name, shape in shapes.items():
            nbytes = 4 * int(np.prod(shape))
            feeds[name] = self._driver.at(addresses[name], nbytes).view(np.float32).reshape(shape).copy()
        try:
            results = self._session.run(self._outputs, feeds)
        except Exception:  # an illegal access on a device is seen at the next synchronisation
            self._driver.breaks()
            return
        for name, values in zip(self._outputs, results, strict=True):
            target = self._driver.at(addresses[name], values.nbytes)
            target[...] = np.ascontiguousarray(values).reshape(-1).view(np.uint8)


class Runtime:
    """`Runtime`."""

    def __init__(self, logger: ILogger, version: str, driver: FakeDriver) -> None:
        rule(getattr(logger, "_sound", False), "the logger's own constructor was not called")
        driver.holds(self)
        self._logger, self._version, self._driver = logger, version, driver

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> Engine | None:
        self._driver.entered("deserialize_cuda_engine")
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
        shared = stored["profile_sharing"] or self._version != Generation.V8_6.value
        return Engine(_Plan(stored["version"], stored["onnx"], tuple(stored["profiles"]), shared), self._driver, self)


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


def plan_of(model: bytes, buckets: Sequence[int], generation: Generation, *, profile_sharing: bool = True) -> bytes:
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
    return serialised(model, profiles, generation, profile_sharing=profile_sharing)


def serialised(
    model: bytes,
    profiles: Sequence[dict[str, list[list[int]]]],
    generation: Generation,
    *,
    profile_sharing: bool = True,
) -> bytes:
    """The file format of the fakes.

    Args:
        profile_sharing: 8.6 was built with PROFILE_SHARING_0806, without which a profile belongs to one
            context at a time; from 10 on profiles are always shared.
    """
    stored = {
        "version": generation.value,
        "onnx": model.hex(),
        "profiles": list(profiles),
        "profile_sharing": profile_sharing,
    }
    return _MAGIC + json.dumps(stored).encode()
