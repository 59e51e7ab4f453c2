"""What the builders of five generations of TensorRT are told: enums, profiles, timing caches, configurations.

pybind's barrier between C++ and Python stands in `Workbench.call`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pickle import PickleBuffer
from signal import SIGINT, raise_signal
from types import SimpleNamespace
from typing import Any

from tests.support.fake_cuda import rule
from tests.support.fake_tensorrt import Generation, ILogger

ERROR, WARNING, VERBOSE = 1, 2, 4
NOISE = "[checkMacros.cpp::catchCudaError::250] Error Code 1: Cuda Runtime (In catchCudaError: cudaError 35.)"
_CACHE_MAGIC = b"fake-cache "


class Member:
    """An enum member of pybind: int() converts it, and arithmetic does not."""

    def __init__(self, name: str, value: int) -> None:
        self.name, self._value = name, value

    def __int__(self) -> int:
        return self._value


def members(values: dict[str, int]) -> SimpleNamespace:
    """An enum of pybind."""
    return SimpleNamespace(**{name: Member(name, value) for name, value in values.items()})


@dataclass
class Setup:
    """What one build was asked for, flags by name."""

    network_flags: tuple[str, ...] = ()
    flags: list[str] = field(default_factory=lambda: ["TF32"])
    """TF32 is on unless somebody says otherwise, as in every real one."""
    features: list[str] = field(default_factory=list)
    pools: dict[str, int] = field(default_factory=dict)
    profiles: list[dict[str, list[list[int]]]] = field(default_factory=list)


@dataclass
class Workbench:
    """What the objects of one module share, and what a test wants to know or to bring about."""

    generation: Generation
    signal_in_build: bool = False
    """Ctrl-C comes while TensorRT computes: Python notices on entering the next callback."""
    builds: list[Setup] = field(default_factory=list)

    def say(self, logger: ILogger, severity: int, text: str) -> None:
        """A line of the log, through the barrier that pybind puts between C++ and Python."""
        self.call("log", logger.log, severity, text)

    def fail(self, logger: ILogger, text: str) -> None:
        """An error, as it sounds on a machine without a driver."""
        self.say(logger, ERROR, text)
        if self.generation is Generation.RTX_1_7:
            self.say(logger, ERROR, NOISE)

    def call(self, name: str, callback: Callable[..., Any], *arguments: object) -> Any:
        """What a callback gives; None if it raises, which is printed and forgotten."""
        try:
            if self.signal_in_build and self.builds:
                self.signal_in_build = False
                raise_signal(SIGINT)
            return callback(*arguments)
        except BaseException as error:
            print(f"[ERROR] Exception caught in {name}(): {type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
            return None


def sound_logger(logger: ILogger) -> ILogger:
    """A logger whose own constructor was called: without that it holds nothing."""
    rule(bool(vars(logger)), "the logger's own constructor was not called")
    return logger


class Profile:
    """`IOptimizationProfile`: takes whatever it is given."""

    def __init__(self) -> None:
        self._shapes: dict[str, list[list[int]]] = {}

    def set_shape(self, input: str, min: Sequence[int], opt: Sequence[int], max: Sequence[int]) -> None:
        self._shapes[input] = [list(min), list(opt), list(max)]


class TimingCache:
    """`ITimingCache`: which models were timed, behind the version that did it."""

    def __init__(self, version: str, timed: tuple[str, ...]) -> None:
        self._version, self._timed = version, timed

    def serialize(self) -> PickleBuffer:
        return PickleBuffer(_CACHE_MAGIC + " ".join((self._version, *self._timed)).encode())


class Config:
    """`IBuilderConfig` of 8.6: without a monitor, and pybind objects take no new attributes."""

    __slots__ = ("_bench", "_cache", "_logger", "_setup")

    def __init__(self, logger: ILogger, bench: Workbench) -> None:
        self._logger, self._bench = logger, bench
        self._cache: TimingCache | None = None
        self._setup = Setup()

    def set_flag(self, flag: Member) -> None:
        self._setup.flags.append(flag.name)

    def clear_flag(self, flag: Member) -> None:
        self._setup.flags = [name for name in self._setup.flags if name != flag.name]

    def set_preview_feature(self, feature: Member, enable: bool) -> None:
        rule(enable, "nothing is on that could be switched off")
        self._setup.features.append(feature.name)

    def set_memory_pool_limit(self, pool: Member, pool_size: int) -> None:
        self._setup.pools[pool.name] = pool_size

    def add_optimization_profile(self, profile: Profile) -> int:
        self._setup.profiles.append(profile._shapes)
        return len(self._setup.profiles) - 1

    def create_timing_cache(self, serialized_timing_cache: bytes) -> TimingCache | None:
        rule(self._bench.generation is not Generation.RTX_1_7, "TensorRT-RTX has no use for a timing cache")
        if not serialized_timing_cache:
            return TimingCache(self._bench.generation.value, ())
        if not serialized_timing_cache.startswith(_CACHE_MAGIC):
            self._bench.fail(self._logger, "Error Code 1: Serialization (the timing cache has no magic tag)")
            return None
        version, *timed = serialized_timing_cache.removeprefix(_CACHE_MAGIC).decode().split()
        return TimingCache(version, tuple(timed))

    def set_timing_cache(self, cache: TimingCache, ignore_mismatch: bool) -> bool:
        if cache._version != self._bench.generation.value and not ignore_mismatch:
            return False
        self._cache = cache
        return True

    def get_timing_cache(self) -> TimingCache | None:
        return self._cache


class WatchedConfig(Config):
    """`IBuilderConfig` from 10 on."""

    __slots__ = ("progress_monitor",)

    def __init__(self, logger: ILogger, bench: Workbench) -> None:
        super().__init__(logger, bench)
        self.progress_monitor: Any = None
