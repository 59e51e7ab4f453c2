"""The part of TensorRT's Python API that builds an engine, as far as this package touches it.

Its form is the same from 8.6 to 11.x and in TensorRT-RTX; members that some versions lack are looked for
with `hasattr` where they are used. Of flags only names are stable, their numbers are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from crystaledge.engine.trt.surface import TrtModule


class TrtParserError(Protocol):
    """`ParserError` of 8.6."""

    def desc(self) -> str: ...

    def node(self) -> int: ...


@runtime_checkable
class TrtNamingError(TrtParserError, Protocol):
    """`ParserError` from 10 on."""

    def node_name(self) -> str: ...

    def node_operator(self) -> str: ...


class TrtParser(Protocol):
    """`OnnxParser`: keep the network alive beside it, it does not do so itself, and parse once."""

    num_errors: int

    def parse(self, model: bytes) -> bool: ...

    def get_error(self, index: int) -> TrtParserError: ...


class TrtTensor(Protocol):
    """`ITensor`."""

    name: str
    shape: Sequence[int]


class TrtNetwork(Protocol):
    """`INetworkDefinition`."""

    num_layers: int
    num_inputs: int

    def get_input(self, index: int) -> TrtTensor: ...


class TrtProfile(Protocol):
    """`IOptimizationProfile`. It checks nothing: a wrong name or shape is seen at the build, without a reason."""

    def set_shape(self, input: str, min: Sequence[int], opt: Sequence[int], max: Sequence[int]) -> None: ...


class TrtTimingCache(Protocol):
    """`ITimingCache`."""

    def serialize(self) -> Any: ...


class TrtConfig(Protocol):
    """`IBuilderConfig`; `progress_monitor` exists from 10 on."""

    progress_monitor: Any

    def set_flag(self, flag: Any) -> None: ...

    def clear_flag(self, flag: Any) -> None: ...

    def set_preview_feature(self, feature: Any, enable: bool) -> None: ...

    def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None: ...

    def add_optimization_profile(self, profile: TrtProfile) -> int: ...

    def create_timing_cache(self, serialized_timing_cache: bytes) -> TrtTimingCache | None: ...

    def set_timing_cache(self, cache: TrtTimingCache, ignore_mismatch: bool) -> bool: ...

    def get_timing_cache(self) -> TrtTimingCache | None: ...


class TrtBuilder(Protocol):
    """`Builder`."""

    def create_network(self, flags: int) -> TrtNetwork | None: ...

    def create_builder_config(self) -> TrtConfig: ...

    def create_optimization_profile(self) -> TrtProfile: ...

    def build_serialized_network(self, network: TrtNetwork, config: TrtConfig) -> Any: ...


class TrtBuilderModule(TrtModule, Protocol):
    """`tensorrt` or `tensorrt_rtx`."""

    NetworkDefinitionCreationFlag: Any
    BuilderFlag: Any
    MemoryPoolType: Any
    PreviewFeature: Any

    def Builder(self, logger: Any) -> TrtBuilder: ...

    def OnnxParser(self, network: TrtNetwork, logger: Any) -> TrtParser: ...
