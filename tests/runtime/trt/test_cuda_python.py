"""CUDA through NVIDIA's bindings: every failure is one clear line, and the context always comes off again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import IntEnum
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import crystaledge.engine.trt.cuda_python as cuda_python
from crystaledge.engine.trt.cuda import Cuda, DeviceFacts
from crystaledge.engine.trt.cuda_python import CudaPython, load_bindings
from crystaledge.errors import ContractError, DeviceError, MissingExtraError
from tests.support.fake_cuda import Code, FakeDriver
from tests.support.messages import message_of


@pytest.fixture
def driver() -> Iterator[FakeDriver]:
    """A device on which, whatever happens, no context stays behind."""
    device = FakeDriver()
    yield device
    assert device.depth == 0


class Result(IntEnum):
    """Answers of the real driver, by their real names."""

    CUDA_SUCCESS = 0
    CUDA_ERROR_OUT_OF_MEMORY = 2
    CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER = 36
    CUDA_ERROR_NO_DEVICE = 100
    CUDA_ERROR_ILLEGAL_ADDRESS = 700
    CUDA_ERROR_SYSTEM_DRIVER_MISMATCH = 803


class Refusing(FakeDriver):
    """One function gives one error."""

    def __init__(self, name: str, code: int) -> None:
        super().__init__()
        answer = Result(code) if code in set(Result) else code
        setattr(self, name, lambda *arguments: (answer,))


def opening(driver: Any) -> str:
    """What is said when the device is opened."""
    with pytest.raises(DeviceError) as raised:
        CudaPython(driver=driver)
    return message_of(raised)


def test_the_real_bindings_without_a_driver_say_so() -> None:
    """They are installed here; where there is a driver too, this is nothing to test."""
    try:
        CudaPython().close()
    except DeviceError as error:
        assert str(error).startswith("No CUDA driver can be loaded (")
        assert str(error).endswith("); install NVIDIA's driver.")
        assert len(str(error).splitlines()) == 1
    else:
        pytest.skip("this machine has a CUDA driver")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Failed to dlopen libcuda.so.1", "(Failed to dlopen libcuda.so.1)", id="12.6"),
        pytest.param("no library\nfound\nanywhere", "(no library)", id="more-than-one-line"),
    ],
)
def test_older_bindings_raise_what_is_said_in_one_line(text: str, expected: str) -> None:
    def missing(flags: int) -> None:
        raise RuntimeError(text)

    assert opening(SimpleNamespace(cuInit=missing)) == (
        f"No CUDA driver can be loaded {expected}; install NVIDIA's driver."
    )


def test_a_driver_that_is_too_old_says_what_to_do() -> None:
    assert opening(Refusing("cuInit", 35)) == (
        "CUDA's cuInit failed with error (35); the driver is older than this CUDA: update the driver, or install an "
        "older cuda-bindings."
    )


@pytest.mark.parametrize("code", [36, 803])
def test_a_driver_that_is_too_old_says_so_in_its_own_codes(code: int) -> None:
    """35 is the runtime library's code; the driver, which is what is called here, says 36 or 803."""
    assert "update the driver" in opening(Refusing("cuInit", code))


def test_no_device_is_one_line() -> None:
    with pytest.raises(DeviceError) as raised:
        CudaPython(7, driver=FakeDriver())
    assert message_of(raised) == "CUDA's cuDeviceGet failed with CUDA_ERROR_NO_DEVICE (100); there is no CUDA device."


def test_too_little_memory_says_what_to_do(driver: FakeDriver) -> None:
    cuda = CudaPython(driver=driver)
    with pytest.raises(DeviceError) as raised, cuda.current():
        cuda.allocate(driver.total_bytes + 1)
    assert message_of(raised) == (
        "CUDA's cuMemAlloc failed with CUDA_ERROR_OUT_OF_MEMORY (2); the device is out of memory: close other "
        "programs, or use fewer tracks at once."
    )


def test_any_other_code_is_named_with_its_number(driver: FakeDriver) -> None:
    assert opening(Refusing("cuDevicePrimaryCtxRetain", 700)) == (
        "CUDA's cuDevicePrimaryCtxRetain failed with CUDA_ERROR_ILLEGAL_ADDRESS (700)."
    )
    assert opening(Refusing("cuInit", 12345)) == "CUDA's cuInit failed with error (12345)."


def test_facts_are_read_from_the_device() -> None:
    driver = FakeDriver(integrated=True, total_bytes=123, name="Orin (nvgpu)")
    assert CudaPython(driver=driver).facts() == DeviceFacts(
        name="Orin (nvgpu)", compute_capability="8.7", driver="12.6", integrated=True, memory_bytes=123
    )
    assert not CudaPython(driver=FakeDriver()).facts().integrated


@pytest.mark.parametrize(("number", "text"), [(11080, "11.8"), (12060, "12.6"), (13000, "13.0"), (13010, "13.1")])
def test_the_version_of_the_driver_is_spelled_as_cuda_spells_it(
    number: int, text: str, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "cuDriverGetVersion", lambda: (Code.CUDA_SUCCESS, number))
    assert CudaPython(driver=driver).facts().driver == text


class Stop(Exception):
    """Raised by a test."""


@pytest.mark.parametrize("error", [Stop, KeyboardInterrupt, DeviceError])
def test_the_context_comes_off_whatever_is_raised(error: type[BaseException], driver: FakeDriver) -> None:
    cuda = CudaPython(driver=driver)
    with pytest.raises(error), cuda.current():
        assert driver.depth == 1
        with cuda.current():
            assert driver.depth == 2
        raise error
    assert driver.depth == 0


def test_what_was_current_before_is_current_again(driver: FakeDriver) -> None:
    mine, other = CudaPython(driver=driver), CudaPython(driver=driver)
    with other.current():
        with mine.current():
            pass
        assert driver.depth == 1


def test_a_context_that_cannot_be_pushed_is_not_popped(driver: FakeDriver) -> None:
    refusing = Refusing("cuCtxPushCurrent", 700)
    cuda = CudaPython(driver=refusing)
    with pytest.raises(DeviceError), cuda.current():
        pytest.fail("entered without a context")
    assert refusing.depth == 0


@pytest.mark.parametrize("mapped", [False, True])
def test_page_locked_memory_is_zeroed_and_seen_by_the_device_where_it_is_mapped(
    mapped: bool, driver: FakeDriver
) -> None:
    cuda = CudaPython(driver=driver)
    with cuda.current():
        block = cuda.allocate_host(8, mapped=mapped)
        assert (block.array == 0).all() and block.array.dtype == np.uint8
        assert (block.device_pointer is not None) == mapped
        if block.device_pointer is not None:
            block.array[3] = 9
            assert driver.at(block.device_pointer, 8)[3] == 9
        cuda.free_host(block)
    assert not driver.pinned and not driver.mapped


def test_bytes_go_there_and_back_in_the_order_of_the_stream(driver: FakeDriver) -> None:
    cuda = CudaPython(driver=driver)
    with cuda.current():
        stream = cuda.make_stream()
        there, back = cuda.allocate_host(16, mapped=False), cuda.allocate_host(16, mapped=False)
        first, second = cuda.allocate(16), cuda.allocate(16)
        there.array[...] = np.arange(16)
        cuda.upload(first, there.array, stream)
        cuda.copy(second + 4, first, 12, stream)
        cuda.copy(second, first + 12, 4, stream)
        cuda.download(back.array, second, stream)
        assert not back.array.any()
        cuda.synchronise(stream)
        assert back.array.tolist() == [12, 13, 14, 15, *range(12)]
        assert cuda.free_bytes() == driver.total_bytes - 32
        cuda.drop_stream(stream)


def test_a_recording_that_cannot_be_made_ready_is_destroyed(
    driver: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    destroyed = []

    def destroy(graph: object) -> tuple[Code]:
        destroyed.append(graph)
        return (Code.CUDA_SUCCESS,)

    monkeypatch.setattr(driver, "cuGraphInstantiate", lambda graph, flags: (Code.CUDA_ERROR_OUT_OF_MEMORY, None))
    monkeypatch.setattr(driver, "cuGraphDestroy", destroy)
    cuda = CudaPython(driver=driver)
    with cuda.current():
        stream = cuda.make_stream()
        assert cuda.begin_capture(stream)
        with pytest.raises(DeviceError):
            cuda.end_capture(stream)
    assert len(destroyed) == 1


def test_a_reset_gives_the_context_up_and_takes_a_fresh_one(driver: FakeDriver) -> None:
    cuda = CudaPython(driver=driver)
    with cuda.current():
        cuda.allocate(8)
    driver.breaks()
    cuda.reset()
    assert driver.live["device"] == 0 and driver.resets == 1 and driver.retained == 1
    with cuda.current():
        cuda.allocate(8)


def test_closing_twice_releases_once(driver: FakeDriver) -> None:
    cuda = CudaPython(driver=driver)
    for _ in range(2):
        cuda.close()
        assert driver.retained == 0


def importing(found: dict[str, object]) -> Callable[[str], object]:
    """`import_module` where only these modules exist."""

    def only(name: str) -> object:
        if name not in found:
            raise ModuleNotFoundError(name=name)
        return found[name]

    return only


@pytest.mark.parametrize("name", ["cuda.bindings.driver", "cuda.cuda"])
def test_the_driver_is_found_where_each_version_keeps_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = object()
    monkeypatch.setattr(cuda_python, "import_module", importing({name: module}))
    assert load_bindings() is module


def test_without_the_bindings_the_doctor_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_python, "import_module", importing({}))
    with pytest.raises(MissingExtraError) as raised:
        CudaPython()
    assert message_of(raised) == (
        "Using a CUDA device needs the package 'cuda-bindings' of its CUDA's version, which is not installed; "
        "`crystaledge doctor` names it for this board."
    )


@pytest.mark.parametrize("call", ["end_capture", "launch", "drop_graph"])
def test_a_backend_that_records_no_graphs_says_so_and_is_not_asked_again(call: str, driver: FakeDriver) -> None:
    cuda = CudaPython(driver=driver)
    assert not Cuda.begin_capture(cuda, None)
    arguments = (None, None) if call == "launch" else (None,)
    with pytest.raises(ContractError) as raised:
        getattr(Cuda, call)(cuda, *arguments)
    assert message_of(raised) == "cuda-python records no CUDA graphs; ask `begin_capture` first."
    cuda.close()
