"""The JSON file beside an engine: what it was built from, on and with; whether it fits here, and why not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import Enum
from pathlib import Path
from typing import Annotated

from crystaledge.engine.trt.flavour import Flavour
from crystaledge.engine.trt.precision import BuiltPrecision
from crystaledge.errors import BundleError
from crystaledge.files import sha256_of
from crystaledge.jsonio import Bounds, dumps, loads
from crystaledge.manifest.model import Sha256

SIDECAR_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What an engine depends on. A device is "any" for an engine that is finished on its target (TensorRT-RTX)."""

    graph: str
    onnx_sha256: Sha256
    precision: BuiltPrecision
    backend: Flavour
    tensorrt: str
    """Version that built it; no other can be relied on to read it."""
    device: str
    compute_capability: str
    driver: str
    """CUDA version of the driver."""
    l4t: str
    """Jetson's release, "none" elsewhere."""
    profiles: tuple[Annotated[int, Bounds(1)], ...]
    """Rows of each optimization profile."""
    flags: tuple[str, ...]
    """Network and builder flags by name: their numbers change from version to version. Told, never compared."""
    rules: int
    """Version of the rules that made the typed graph from the bundle's; 0 where the bundle's file was built."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """What is written beside an engine."""

    schema_version: Annotated[int, Bounds(SIDECAR_VERSION, SIDECAR_VERSION)]
    package_version: str
    engine_sha256: Sha256
    engine_bytes: int
    build_seconds: float
    fingerprint: Fingerprint


_WORDS = {
    "graph": "its graph",
    "onnx_sha256": "the ONNX file",
    "precision": "its precision",
    "backend": "its backend",
    "tensorrt": "TensorRT",
    "device": "the device",
    "compute_capability": "the compute capability",
    "driver": "the driver's CUDA",
    "l4t": "the Jetson release (L4T)",
    "profiles": "its list of track buckets",
}
_NOT_COMPARED = ("flags", "rules")
"""The builder's affair: `build` looks at the rules itself, and the flags follow from the rest."""
ANY = "any"


def engine_folder(bundle: Path) -> Path:
    """Where a bundle's engines lie unless told otherwise: beside it, since they belong to one device."""
    return bundle.parent / f"{bundle.name}.engines"


def engine_path(folder: Path, graph: str, precision: BuiltPrecision, backend: Flavour) -> Path:
    """The engine's file; its sidecar has the same name and ends in .json."""
    return folder / f"{graph}.{precision.value}.{backend.value}.engine"


def sidecar_path(engine: Path) -> Path:
    """The sidecar of an engine file."""
    return engine.with_suffix(".json")


def differences(built: Fingerprint, here: Fingerprint) -> tuple[str, ...]:
    """One sentence for each thing that is not as it was when the engine was built."""
    return tuple(_differences(built, here))


def read_sidecar(engine: Path) -> Sidecar:
    """Read the sidecar of an engine file.

    Raises:
        BundleError: it is missing, or no sidecar.
    """
    path = sidecar_path(engine)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"The engine {engine} has no readable {path.name} beside it; build it with `crystaledge build`."
        raise BundleError(msg) from error
    return loads(Sidecar, text, where=str(path), error=BundleError)


def read_engine(engine: Path, here: Fingerprint) -> bytes:
    """The engine's bytes, if it was built for what is here.

    Raises:
        BundleError: it is missing, cut off, changed, or was built for something else; the message says what.
    """
    if not engine.is_file():
        msg = f"There is no engine {engine}; build it here with `crystaledge build`."
        raise BundleError(msg)
    sidecar = read_sidecar(engine)
    data = engine.read_bytes()
    if sha256_of(data) != sidecar.engine_sha256:
        msg = (
            f"The engine {engine} has {len(data)} bytes that are not the {sidecar.engine_bytes} of its sidecar; "
            "build it again."
        )
        raise BundleError(msg)
    reasons = differences(sidecar.fingerprint, here)
    if reasons:
        msg = f"The engine {engine} does not fit here: {'; '.join(reasons)}. Run `crystaledge build` to build it again."
        raise BundleError(msg)
    return data


def sidecar_text(sidecar: Sidecar) -> str:
    """The file's contents."""
    return dumps(sidecar)


def _differences(built: Fingerprint, here: Fingerprint) -> Iterator[str]:
    for one in fields(Fingerprint):
        if one.name in _NOT_COMPARED:
            continue
        was, is_now = getattr(built, one.name), getattr(here, one.name)
        if was == is_now or ANY in (was, is_now):
            continue
        if one.name == "onnx_sha256":
            yield "the bundle's ONNX file is another one than it was built from"
        else:
            yield f"{_WORDS[one.name]} was {_text(was)} when it was built and is {_text(is_now)} here"


def _text(value: object) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple):
        return ", ".join(str(part) for part in value) or "none"
    return str(value)
