"""Look a TensorRT module over: `python -m tests.support.tensorrt_surface.extract tensorrt_rtx > rtx1.7.1.json`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from inspect import get_annotations, isfunction
from pathlib import Path
from typing import Any

from crystaledge.engine.trt import surface as running
from crystaledge_export.trt import surface as building

PROTOCOLS: Mapping[str, type] = {
    "IExecutionContext": running.TrtContext,
    "ICudaEngine": running.TrtEngine,
    "Runtime": running.TrtRuntime,
    "Builder": building.TrtBuilder,
    "IBuilderConfig": building.TrtConfig,
    "INetworkDefinition": building.TrtNetwork,
    "IOptimizationProfile": building.TrtProfile,
    "ITensor": building.TrtTensor,
    "ITimingCache": building.TrtTimingCache,
    "OnnxParser": building.TrtParser,
    "ParserError": building.TrtNamingError,
}
"""What stands for each class of TensorRT."""
BESIDE: Mapping[str, tuple[str, ...]] = {
    "ILogger": ("__init__", "log"),
    "IProgressMonitor": ("__init__", "phase_finish", "phase_start", "step_complete"),
    "Runtime": ("__init__",),
    "Builder": ("__init__",),
    "OnnxParser": ("__init__",),
    "IBuilderConfig": ("set_preview_feature",),
    "INetworkDefinition": ("num_outputs",),
}
"""Members that are touched without standing in a protocol."""
ENUMS: Mapping[str, tuple[str, ...]] = {
    "TensorIOMode": ("INPUT", "OUTPUT"),
    "DataType": ("FLOAT", "HALF", "INT8"),
    "NetworkDefinitionCreationFlag": ("EXPLICIT_BATCH", "EXPLICIT_PRECISION", "STRONGLY_TYPED"),
    "BuilderFlag": ("FP16", "INT8", "TF32"),
    "MemoryPoolType": ("WORKSPACE",),
    "PreviewFeature": ("PROFILE_SHARING_0806",),
}
HERE = Path(__file__).parent
Surface = dict[str, Any]
_CALL = re.compile(r"\s*(?:\d+\. )?\w+\(self: \w+(?:, )?(.*)\) -> .*")
_SPELLINGS = (
    (r"\btensorrt\w*\.tensorrt\w*\.|\btensorrt_bindings\.tensorrt\.", ""),
    (r"\btyping\.SupportsInt\b", "int"),
    (r"\btyping_extensions\.Buffer\b", "buffer"),
)


def members_of(protocol: type) -> list[str]:
    """Names that a protocol promises, with those that it inherits."""
    found: set[str] = set()
    for kind in protocol.__mro__:
        if kind.__module__ in (running.__name__, building.__name__):
            found |= set(get_annotations(kind))
            found |= {name for name, value in vars(kind).items() if isfunction(value) and not name.startswith("_")}
    return sorted(found)


def touched(name: str) -> list[str]:
    """Members of one class that are touched."""
    return sorted({*(members_of(PROTOCOLS[name]) if name in PROTOCOLS else ()), *BESIDE.get(name, ())})


def calls(docstring: str) -> list[str]:
    """The parameters of each form in which a function can be called, as its docstring says."""
    lines = []
    for line in docstring.splitlines():
        for pattern, spelling in _SPELLINGS:
            line = re.sub(pattern, spelling, line)
        match = _CALL.fullmatch(line)
        if match is not None and "*args, **kwargs" not in line:
            lines.append(match[1])
    return lines


def extract(version: str, look: Callable[[str, str], Any], enum: Callable[[str], Mapping[str, int] | None]) -> Surface:
    """What a TensorRT has of all that is touched.

    Args:
        look: what a member of a class is: call forms, "property ro", "property rw", or None.
        enum: the members of an enum.
    """
    classes = {}
    for name in sorted({*PROTOCOLS, *BESIDE}):
        found = {member: look(name, member) for member in touched(name)}
        if any(form is not None for form in found.values()):
            classes[name] = {member: form for member, form in found.items() if form is not None}
    enums = {}
    for name, wanted in sorted(ENUMS.items()):
        values = enum(name)
        if values is not None:
            enums[name] = {member: values[member] for member in wanted if member in values}
    return {"version": version, "classes": classes, "enums": enums}


def extract_module(module: Any) -> Surface:
    """The same of a module that can be imported."""

    def look(name: str, member: str) -> Any:
        found = getattr(getattr(module, name, None), member, None)
        if isinstance(found, property):
            return "property ro" if found.fset is None else "property rw"
        return None if found is None else calls(found.__doc__ or "")

    def enum(name: str) -> Mapping[str, int] | None:
        kind = getattr(module, name, None)
        return None if kind is None else {key: int(value) for key, value in kind.__members__.items()}

    return extract(module.__version__, look, enum)


def read_surface(name: str) -> Surface:
    """The extract of a version."""
    surface: Surface = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    return surface


def versions() -> Iterable[str]:
    """The versions that there are extracts of."""
    return sorted(path.stem for path in HERE.glob("*.json"))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(extract_module(import_module(sys.argv[1])), indent=1) + "\n")
