"""The thin surface and the fakes against what every TensorRT was really seen to have."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from enum import Enum, EnumMeta
from pathlib import Path
from typing import Any

import pytest
import tensorrt_rtx
from cuda.bindings import driver as real_driver

from crystaledge.engine.trt import cuda_python
from crystaledge.engine.trt import surface as running
from crystaledge_export.trt import surface as building
from tests.support import fake_build_config, fake_builder, fake_parser, fake_tensorrt
from tests.support.fake_builder import builder_module
from tests.support.fake_cuda import FakeDriver
from tests.support.fake_tensorrt import Generation
from tests.support.tensorrt_surface.extract import (
    BESIDE,
    ENUMS,
    PROTOCOLS,
    Surface,
    extract_module,
    members_of,
    read_surface,
    touched,
    versions,
)

ALL = ("10.13.3.9", "10.16.1.11", "10.3.0", "11.4.0.106", "8.6.1", "lean11.4", "rtx1.7.1")
FAKED = {
    Generation.V8_6: "8.6.1",
    Generation.V10_3: "10.3.0",
    Generation.V10_16: "10.16.1.11",
    Generation.V11_4: "11.4.0.106",
    Generation.RTX_1_7: "rtx1.7.1",
}
LEAN = frozenset({"lean11.4"})
OLD = frozenset({"8.6.1"})
BUILDING = ("Builder", "IBuilderConfig", "INetworkDefinition", "ITensor", "OnnxParser", "ParserError")
ABSENT: Mapping[tuple[str, str], tuple[frozenset[str], str]] = {
    **{(name, "*"): (LEAN, "the lean runtime builds nothing") for name in BUILDING},
    ("IProgressMonitor", "*"): (OLD, "asked for with hasattr: a build of 8.6 shows nothing"),
    ("IBuilderConfig", "progress_monitor"): (OLD, "set where there is an IProgressMonitor"),
    ("ParserError", "node_name"): (OLD, "the node is looked up in the file by its number"),
    ("ParserError", "node_operator"): (OLD, "as node_name"),
}
"""What some versions lack, and what is done about it; nothing else may be missing anywhere."""
ALWAYS = ("TensorIOMode.INPUT", "TensorIOMode.OUTPUT", "DataType.FLOAT")
PASSED = {"int": {"int"}, "str": {"str"}, "bytes": {"buffer"}, "bool": {"bool"}, "Sequence[int]": {"tuple", "Dims"}}
"""What a parameter of a protocol's type is called by pybind."""
FAKES: Mapping[str, tuple[type, ...]] = {
    "ILogger": (fake_tensorrt.ILogger,),
    "IExecutionContext": (fake_tensorrt.Context,),
    "ICudaEngine": (fake_tensorrt.Engine,),
    "Runtime": (fake_tensorrt.Runtime,),
    "Builder": (fake_builder.Builder,),
    "OnnxParser": (fake_builder.OnnxParser,),
    "IProgressMonitor": (fake_builder.IProgressMonitor,),
    "IOptimizationProfile": (fake_build_config.Profile,),
    "ITimingCache": (fake_build_config.TimingCache,),
    "INetworkDefinition": (fake_parser.Network,),
    "ITensor": (fake_parser.Tensor,),
}


def fakes_of(generation: Generation) -> Mapping[str, tuple[type, ...]]:
    """The fakes of one version: two classes differ between 8.6 and the rest."""
    old = generation is Generation.V8_6
    config = fake_build_config.Config if old else fake_build_config.WatchedConfig
    error = fake_builder.ParserError if old else fake_builder.NamingError
    return {**FAKES, "IBuilderConfig": (config,), "ParserError": (error,)}


def lacking(surface: Surface, name: str, member: str, version: str) -> bool:
    """Whether the table says that a version lacks a member."""
    return any(version in ABSENT.get((name, key), (frozenset(), ""))[0] for key in ("*", member))


def missing(surface: Surface, version: str) -> Iterator[str]:
    """Members that are touched, that a version lacks, and that the table does not excuse."""
    for name in sorted({*PROTOCOLS, *BESIDE}):
        for member in touched(name):
            there = member in surface["classes"].get(name, {})
            if there == lacking(surface, name, member, version):
                yield f"{name}.{member} {'is there' if there else 'is missing'}"
    for one in ALWAYS:
        kind, member = one.split(".")
        if member not in surface["enums"].get(kind, {}):
            yield f"{one} is missing"


def misfits(surface: Surface) -> Iterator[str]:
    """Methods of the protocols that a version cannot be called as."""
    for name, protocol in PROTOCOLS.items():
        real = surface["classes"].get(name, {})
        for member in members_of(protocol):
            promised, found = getattr(protocol, member, None), real.get(member)
            if found is None:
                continue
            if not inspect.isfunction(promised):
                if not str(found).startswith("property"):
                    yield f"{name}.{member} is no property"
            elif isinstance(found, str) or not any(_takes(form, promised) for form in found):
                yield f"{name}.{member} is called as {found}"


def _takes(form: str, promised: Any) -> bool:
    """Whether a call as a protocol has it fits one call form of pybind: same names, same order, fitting types."""
    theirs = [re.fullmatch(r"(\w+): ([\w:.]+)( = .*)?", part) for part in form.split(", ")] if form else []
    ours = list(inspect.signature(promised).parameters.values())[1:]
    if any(match is None for match in theirs) or len(ours) > len(theirs):
        return False
    for parameter, match in zip(ours, theirs, strict=False):
        assert match is not None
        kinds = PASSED.get(str(parameter.annotation), {match[2]})
        if parameter.name != match[1] or match[2] not in kinds:
            return False
    return all(match is not None and match[3] for match in theirs[len(ours) :])


def test_there_is_an_extract_of_every_version() -> None:
    assert tuple(versions()) == ALL
    assert set(FAKED.values()) < set(ALL)
    assert {read_surface(name)["version"] for name in FAKED.values()} == {g.value for g in Generation}


@pytest.mark.parametrize("version", ALL)
def test_every_version_has_what_is_touched_and_can_be_called_so(version: str) -> None:
    surface = read_surface(version)
    assert list(missing(surface, version)) == []
    assert list(misfits(surface)) == []


def test_the_table_of_what_is_missing_excuses_nothing_that_is_there() -> None:
    for (name, member), (lacked, why) in ABSENT.items():
        assert why and lacked
        for version in lacked:
            real = read_surface(version)["classes"].get(name, {})
            assert (not real) if member == "*" else member not in real


def test_every_protocol_is_compared() -> None:
    found = {
        kind
        for module in (running, building)
        for kind in vars(module).values()
        if inspect.isclass(kind) and kind.__module__ == module.__name__
    }
    modules = {running.TrtModule, building.TrtBuilderModule, building.TrtParserError}  # the last within its heir
    assert found == {*PROTOCOLS.values(), *modules}


def test_a_method_that_changed_would_be_seen() -> None:
    surface = read_surface("10.3.0")
    context = surface["classes"]["IExecutionContext"]
    context["execute_async_v3"] = ["stream_handle: int, extra: int"]
    context["set_input_shape"] = ["name: str, sizes: tuple"]
    context["set_tensor_address"] = ["name: str, memory: str"]
    surface["classes"]["ICudaEngine"]["num_io_tensors"] = [""]
    del surface["classes"]["ICudaEngine"]["get_tensor_name"]
    assert [text.split(" is ")[0] for text in misfits(surface)] == [
        "IExecutionContext.execute_async_v3",
        "IExecutionContext.set_input_shape",
        "IExecutionContext.set_tensor_address",
        "ICudaEngine.num_io_tensors",
    ]
    assert list(missing(surface, "10.3.0")) == ["ICudaEngine.get_tensor_name is missing"]


def public(kind: type) -> set[str]:
    """Names of a fake that code under test could touch."""
    slots = {name for base in kind.__mro__ for name in getattr(base, "__slots__", ())}
    fields = set(getattr(kind, "__dataclass_fields__", {}))
    return {name for name in {*dir(kind), *slots, *fields} if not name.startswith("_")}


@pytest.mark.parametrize("generation", Generation, ids=lambda generation: generation.value)
def test_fakes_have_all_that_is_touched_and_nothing_that_is_not_real(generation: Generation) -> None:
    surface = read_surface(FAKED[generation])
    for name, kinds in fakes_of(generation).items():
        real = surface["classes"].get(name, {})
        for kind in kinds:
            if name in surface["classes"]:
                assert public(kind) <= set(real), f"{name} of the fake has more than the real one"
            if name in PROTOCOLS:
                promised = {one for one in members_of(PROTOCOLS[name]) if one in real}
                assert promised <= public(kind), f"{name} of the fake lacks what is touched"
    assert set(fakes_of(generation)) == {*PROTOCOLS, *BESIDE}


@pytest.mark.parametrize("generation", Generation, ids=lambda generation: generation.value)
def test_fakes_are_called_as_the_real_ones(generation: Generation) -> None:
    surface = read_surface(FAKED[generation])
    for name, kinds in fakes_of(generation).items():
        for member, forms in surface["classes"].get(name, {}).items():
            for kind in kinds if isinstance(forms, list) and not member.startswith("__") else ():
                method = getattr(kind, member, None)
                if method is not None:  # a monitor's methods are its heir's
                    assert any(_named(form, method) for form in forms), f"{name}.{member} is called as {forms}"


def _named(form: str, method: Any) -> bool:
    theirs = [part.split(":")[0] for part in form.split(", ")] if form else []
    ours = list(inspect.signature(method).parameters)[1:]
    if ours == ["severity", "text"]:  # called by TensorRT, by position
        return len(theirs) == 2
    return theirs[: len(ours)] == ours and all("=" in part for part in form.split(", ")[len(ours) :] if part)


@pytest.mark.parametrize("generation", Generation, ids=lambda generation: generation.value)
def test_the_enums_of_the_fakes_are_the_real_ones(generation: Generation) -> None:
    module, real = builder_module(generation, FakeDriver()), read_surface(FAKED[generation])["enums"]
    for name in ENUMS:
        fake = getattr(module, name, None)
        if fake is None:
            assert not real.get(name), f"the fake lacks {name}"
            continue
        members = fake if isinstance(fake, EnumMeta) else vars(fake).values()
        values = {member.name: member.value if isinstance(member, Enum) else int(member) for member in members}
        assert values == real[name], name


def test_the_installed_tensorrt_rtx_is_as_its_extract_says() -> None:
    """Importing it needs no GPU; another version than the extract's has to have the same forms."""
    found, expected = extract_module(tensorrt_rtx), read_surface("rtx1.7.1")
    assert list(missing(found, "rtx1.7.1")) == []
    assert list(misfits(found)) == []
    if found["version"] == expected["version"]:
        assert found == expected


NAMES = sorted(set(re.findall(r'"(cu[A-Z]\w+)"', Path(cuda_python.__file__).read_text(encoding="utf-8"))))


@pytest.mark.parametrize("name", NAMES)
def test_every_function_of_cuda_that_is_named_is_there_and_is_called_so(name: str) -> None:
    first = (getattr(real_driver, name).__doc__ or "").splitlines()[0]
    match = re.match(rf"{name}\((.*)\)", first)
    assert match is not None, first
    real = [part for part in match[1].split(", ") if part]
    fake = inspect.signature(getattr(FakeDriver(), name)).parameters
    assert len(real) == len(fake), f"{first} against {list(fake)}"


def test_the_fake_driver_has_nothing_that_cuda_has_not() -> None:
    assert len(NAMES) > 20
    faked = {name for name in dir(FakeDriver) if re.match("cu[A-Z]|CU", name)}
    assert {name for name in faked if not hasattr(real_driver, name)} == set()
    assert {name for name in faked if name.startswith("cu")} == set(NAMES)


def test_the_numbers_that_are_passed_are_cudas() -> None:
    assert int(real_driver.CUstream_flags.CU_STREAM_NON_BLOCKING) == cuda_python._STREAM_NON_BLOCKING
    assert int(real_driver.CU_MEMHOSTALLOC_PORTABLE) == cuda_python._HOST_PORTABLE
    assert int(real_driver.CU_MEMHOSTALLOC_DEVICEMAP) == cuda_python._HOST_MAPPED
    local = real_driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
    assert real_driver.CUstreamCaptureMode(cuda_python._CAPTURE_THREAD_LOCAL) == local
    for attribute in FakeDriver.CUdevice_attribute:
        assert int(getattr(real_driver.CUdevice_attribute, attribute.name)) == attribute.value
