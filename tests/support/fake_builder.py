"""The half of TensorRT that builds, in five generations: as strict as the real one, and as silent.

Whatever goes wrong is a None and a line in the log; profiles are looked at by the build alone; exceptions
in a callback are swallowed. What it builds, the engine of `tests.support.fake_tensorrt` runs. Which messages
and members are whose was measured on TensorRT-RTX 1.7.1 and read from the modules of the other versions.
"""

from __future__ import annotations

import weakref
from dataclasses import replace
from hashlib import sha256
from pickle import PickleBuffer
from typing import Any

import onnx
from onnx import TensorProto

from tests.support.fake_build_config import (
    VERBOSE,
    WARNING,
    Config,
    Profile,
    WatchedConfig,
    Workbench,
    members,
    sound_logger,
)
from tests.support.fake_cuda import FakeDriver, rule
from tests.support.fake_parser import Fault, Network, read_network
from tests.support.fake_tensorrt import Generation, ILogger, runtime_module, serialised

LEAST_WORKSPACE = 1 << 20
_PHASES = (("Building engine", None, 6), ("Optimizing graph", "Building engine", 2), ("Optimizing graph", None, 3))
"""Names come again, and a phase may end before its steps do."""
_FEATURES = {
    Generation.V8_6: {"PROFILE_SHARING_0806": 2},
    Generation.V10_3: {"PROFILE_SHARING_0806": 0},
    Generation.V10_16: {"PROFILE_SHARING_0806": 0},
}
"""Members of PreviewFeature; without this one a profile of 8.6 belongs to one context at a time."""


class IProgressMonitor:
    """Must be subclassed, all three methods with it, and its constructor called."""

    def __init__(self) -> None:
        self._sound = True


class ParserError:
    """`ParserError` of 8.6; every attribute is a method."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault

    def desc(self) -> str:
        return self._fault.text

    def node(self) -> int:
        return self._fault.index


class NamingError(ParserError):
    """`ParserError` from 10 on."""

    def node_name(self) -> str:
        return self._fault.name

    def node_operator(self) -> str:
        return self._fault.operator


class OnnxParser:
    """Reads one file into a network, which it does not keep alive."""

    def __init__(self, network: Network, logger: ILogger, bench: Workbench) -> None:
        self._network, self._logger, self._bench = weakref.ref(network), sound_logger(logger), bench
        self._faults: tuple[Fault, ...] = ()
        self._used = False

    @property
    def num_errors(self) -> int:
        return len(self._faults)

    def parse(self, model: bytes) -> bool:
        network = self._network()
        rule(network is not None, "a parser is used whose network is gone")
        assert network is not None
        if self._used:  # and no error is told
            return False
        self._used = True
        warnings, self._faults = read_network(network, model)
        for text in warnings:
            self._bench.say(self._logger, WARNING, text)
        for fault in self._faults:
            self._bench.fail(self._logger, f"In node {fault.index} with name: {fault.name}: {fault.text}")
        return not self._faults

    def get_error(self, index: int) -> ParserError | None:
        if not 0 <= index < len(self._faults):
            return None
        kind = ParserError if self._bench.generation is Generation.V8_6 else NamingError
        return kind(self._faults[index])


class Builder:
    """`Builder`."""

    def __init__(self, logger: ILogger, bench: Workbench) -> None:
        self._logger, self._bench = sound_logger(logger), bench

    def create_network(self, flags: int = 0) -> Network | None:
        known = self._bench.generation.flags
        if flags >= 1 << (max(known.values()) + 1):
            self._bench.fail(self._logger, f"createNetworkV2: Error Code 3: API Usage Error (unknown flag in {flags})")
            return None
        names = tuple(name for name, bit in known.items() if flags >> bit & 1)
        return Network(names, oldest=self._bench.generation is Generation.V8_6)

    def create_builder_config(self) -> Config:
        kind = Config if self._bench.generation is Generation.V8_6 else WatchedConfig
        return kind(self._logger, self._bench)

    def create_optimization_profile(self) -> Profile:
        return Profile()

    def build_serialized_network(self, network: Network, config: Config) -> PickleBuffer | None:
        self._bench.builds.append(replace(config._setup, network_flags=network._flags))
        wrong = _wrong(network, config, self._bench.generation)
        if wrong is None and not self._told(getattr(config, "progress_monitor", None)):
            wrong = "Error Code 7: BuildCanceled (Build canceled by user."
        self._bench.say(self._logger, VERBOSE, "Building is over.")
        if wrong is not None:
            self._bench.fail(self._logger, f"IBuilder::buildSerializedNetwork: {wrong}")
            return None
        assert network._data is not None
        cache = config.get_timing_cache()
        if cache is not None:
            cache._timed += (sha256(network._data).hexdigest(),)
        sharing = "PROFILE_SHARING_0806" in config._setup.features
        profiles = config._setup.profiles
        return PickleBuffer(serialised(network._data, profiles, self._bench.generation, profile_sharing=sharing))

    def _told(self, monitor: Any) -> bool:
        """Whether the build may go on after every step."""
        if monitor is None:
            return True
        rule(getattr(monitor, "_sound", False), "the monitor's own constructor was not called")
        for number, (phase, parent, steps) in enumerate(_PHASES):
            self._bench.call("phase_start", monitor.phase_start, phase, parent, steps)
            for step in range(steps - (number == 0)):
                if not self._bench.call("step_complete", monitor.step_complete, phase, step):
                    return False
            self._bench.call("phase_finish", monitor.phase_finish, phase)
        return True


def builder_module(generation: Generation, driver: FakeDriver) -> Any:
    """A TensorRT module that builds and runs; see `bench_of`."""
    bench = Workbench(generation)
    module = runtime_module(generation, driver)
    module._bench = bench
    module.NetworkDefinitionCreationFlag = members(generation.flags)
    module.BuilderFlag = members(generation.builder_flags)
    module.MemoryPoolType = members({"WORKSPACE": 0})
    module.Builder = lambda logger: Builder(logger, bench)
    module.OnnxParser = lambda network, logger: OnnxParser(network, logger, bench)
    if generation is not Generation.V8_6:
        module.IProgressMonitor = IProgressMonitor
    if generation in _FEATURES:
        module.PreviewFeature = members(_FEATURES[generation])
    return module


def bench_of(module: Any) -> Workbench:
    """What a module was asked for."""
    bench: Workbench = module._bench
    return bench


def _wrong(network: Network, config: Config, generation: Generation) -> str | None:
    """Why a network cannot be built with a configuration."""
    if network._model is None or not network.num_outputs:
        return "Error Code 4: API Usage Error (Network must have at least one output.)"
    strong = "STRONGLY_TYPED" in network._flags or "INT8" not in generation.builder_flags
    for flag, needed in (("INT8", _quantized(network._model)), ("FP16", _half(network._model))):
        if strong and flag in config._setup.flags:
            return f"Error Code 3: API Usage Error (the flag k{flag} cannot be set for a strongly typed network.)"
        if not strong and needed and flag not in config._setup.flags:
            return f"Error Code 4: Internal Error (the network has layers that need the builder flag k{flag}.)"
    setup = config._setup
    if setup.pools.get("WORKSPACE", LEAST_WORKSPACE) < LEAST_WORKSPACE:
        return "Error Code 10: Internal Error (no tactics to implement the operation within workspace limit.)"
    if not setup.profiles:
        return "Error Code 4: Network has dynamic or shape inputs, but no optimization profile has been defined."
    if not all(_fits(profile, network) for profile in setup.profiles):
        return "Error Code 4: Internal Error (an optimization profile does not fit the network.)"
    return None


def _fits(profile: dict[str, list[list[int]]], network: Network) -> bool:
    tensors = [network.get_input(index) for index in range(network.num_inputs)]
    if set(profile) != {tensor.name for tensor in tensors}:
        return False
    return all(
        len(low) == len(best) == len(high) == len(tensor.shape)
        and all(
            0 < a <= b <= c and size in (-1, a) for a, b, c, size in zip(low, best, high, tensor.shape, strict=True)
        )
        for tensor in tensors
        for low, best, high in [profile[tensor.name]]
    )


def _quantized(model: onnx.ModelProto) -> bool:
    return any(node.op_type in ("QuantizeLinear", "DequantizeLinear") for node in model.graph.node)


def _half(model: onnx.ModelProto) -> bool:
    return any(initializer.data_type == TensorProto.FLOAT16 for initializer in model.graph.initializer)
