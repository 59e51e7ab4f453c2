"""The part of TensorRT's Python API that runs an engine, as far as this package touches it.

It has the same form in 8.6, 10.x, 11.x, the lean runtime and TensorRT-RTX; `tests/support/tensorrt_surface`
holds what each of them was seen to have. All objects keep what they were made from alive; addresses,
streams and host memory they do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class TrtContext(Protocol):
    """`IExecutionContext`. Order: profile, input shapes, addresses, `infer_shapes`, then enqueue."""

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool: ...

    def set_input_shape(self, name: str, shape: Sequence[int]) -> bool: ...

    def set_tensor_address(self, name: str, memory: int) -> bool: ...

    def infer_shapes(self) -> Sequence[str]: ...

    def execute_async_v3(self, stream_handle: int) -> bool: ...


class TrtEngine(Protocol):
    """`ICudaEngine`."""

    num_io_tensors: int
    num_optimization_profiles: int

    def get_tensor_name(self, index: int) -> str: ...

    def get_tensor_mode(self, name: str) -> Any: ...

    def get_tensor_dtype(self, name: str) -> Any: ...

    def get_tensor_shape(self, name: str) -> Sequence[int]: ...

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> Sequence[Sequence[int]]: ...

    def create_execution_context(self) -> TrtContext | None: ...


class TrtRuntime(Protocol):
    """`Runtime`."""

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> TrtEngine | None: ...


class TrtModule(Protocol):
    """`tensorrt`, `tensorrt_lean` or `tensorrt_rtx`."""

    __version__: str
    ILogger: Any
    TensorIOMode: Any
    DataType: Any

    def Runtime(self, logger: Any) -> TrtRuntime | None: ...
