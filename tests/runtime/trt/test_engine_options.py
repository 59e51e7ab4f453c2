"""Options of a command line that choose an engine."""

from __future__ import annotations

from argparse import ArgumentError, ArgumentParser
from pathlib import Path

import pytest

from crystaledge.commands.engines import add_engine_options, engine_options
from crystaledge.commands.parsers import threads
from crystaledge.engine.select import Backend, EngineOptions
from crystaledge.engine.trt.cuda import HostMemory
from crystaledge.engine.trt.precision import BuiltPrecision
from crystaledge.errors import CrystalEdgeError, UsageError
from tests.support.messages import message_of


def options_of(*arguments: str) -> EngineOptions:
    """What a command line means."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--threads", type=threads)  # which each verb has by itself
    add_engine_options(parser)
    return engine_options(parser.parse_args(arguments))


def test_nothing_said_is_onnxruntime_with_one_thread() -> None:
    assert options_of() == EngineOptions() == EngineOptions(backend=Backend.ONNXRUNTIME, threads=1)


def test_everything_said_is_kept() -> None:
    words = ["--backend", "tensorrt", "--engines", "there", "--precision", "float16"]
    words += ["--host-memory", "mapped", "--threads", "3"]
    assert options_of(*words) == EngineOptions(
        backend=Backend.TENSORRT,
        threads=3,
        engines=Path("there"),
        precision=BuiltPrecision.FLOAT16,
        host_memory=HostMemory.MAPPED,
    )


@pytest.mark.parametrize("backend", ["tensorrt", "tensorrt-rtx"])
def test_built_engines_need_nothing_more(backend: str) -> None:
    assert options_of("--backend", backend) == EngineOptions(backend=Backend(backend))


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["--engines", "there"], "--engines"),
        (["--precision", "int8"], "--precision"),
        (["--host-memory", "device"], "--host-memory"),
        (["--backend", "onnxruntime", "--host-memory", "device"], "--host-memory"),
    ],
)
def test_options_of_built_engines_are_refused_without_one(words: list[str], name: str) -> None:
    with pytest.raises(UsageError) as raised:
        options_of(*words)
    assert message_of(raised) == f"{name} is about built engines; give --backend tensorrt too, or leave it out."


@pytest.mark.parametrize(
    "words",
    [
        ["--backend", "tensorflow"],
        ["--backend", "tensorrt", "--precision", "float8"],
        ["--backend", "tensorrt", "--host-memory", "shared"],
    ],
)
def test_values_that_there_are_not_are_refused(words: list[str]) -> None:
    with pytest.raises((ArgumentError, CrystalEdgeError)) as raised:
        options_of(*words)
    assert words[-1] in str(raised.value) and len(str(raised.value).splitlines()) == 1


def test_an_engine_in_float16_is_an_engine_of_its_own() -> None:
    assert options_of("--backend", "tensorrt", "--precision", "float16").label == "tensorrt-float16"
    assert options_of("--backend", "tensorrt", "--precision", "int8").label == "tensorrt"
    assert options_of().label == "onnxruntime"
