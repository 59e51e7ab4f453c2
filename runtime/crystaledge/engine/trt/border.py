"""What a plan says of itself, held against what the manifest promises."""

from __future__ import annotations

from collections.abc import Iterator

from crystaledge.engine.trt.surface import TrtEngine, TrtModule
from crystaledge.manifest.model import GraphSpec
from crystaledge.tensors import BATCH, TensorSpec


def contradictions(graph: GraphSpec, engine: TrtEngine, module: TrtModule) -> Iterator[str]:
    """One line for each tensor or bucket of which the plan says something else.

    Lines and no errors, since the traceback of an error would keep the engine alive beyond its CUDA context.
    """
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    for specs, mode in ((graph.inputs, module.TensorIOMode.INPUT), (graph.outputs, module.TensorIOMode.OUTPUT)):
        yield from _other_names(graph, specs, [n for n in names if engine.get_tensor_mode(n) == mode])
    for spec in (*graph.inputs, *graph.outputs):
        shape, kind = tuple(engine.get_tensor_shape(spec.name)), engine.get_tensor_dtype(spec.name)
        if kind != module.DataType.FLOAT or shape != (-1, *spec.row_shape):
            yield (
                f"Graph {graph.name!r}: {spec.name!r} is {kind} {list(shape)} in its file; the manifest "
                f"promises {spec.dtype.value} {[BATCH, *spec.row_shape]}."
            )
    found = profiles_of(graph, engine)
    missing = [bucket for bucket in graph.batch.buckets if bucket not in found]
    if missing:
        yield f"The engine of {graph.name!r} has no profile for {missing} rows; build it again."


def profiles_of(graph: GraphSpec, engine: TrtEngine) -> dict[int, int]:
    """Number of the profile for each bucket: one whose range holds it, the narrowest first."""
    name = graph.inputs[0].name
    found: dict[int, tuple[int, int]] = {}
    for profile in range(engine.num_optimization_profiles):
        low, _, high = (int(shape[0]) for shape in engine.get_tensor_profile_shape(name, profile))
        for bucket in graph.batch.buckets:
            if low <= bucket <= high and (bucket not in found or high - low < found[bucket][0]):
                found[bucket] = (high - low, profile)
    return {bucket: profile for bucket, (_, profile) in found.items()}


def _other_names(graph: GraphSpec, specs: tuple[TensorSpec, ...], found: list[str]) -> Iterator[str]:
    if sorted(spec.name for spec in specs) != sorted(found):
        yield (
            f"Graph {graph.name!r} has the tensors {sorted(found)} in its file and "
            f"{sorted(s.name for s in specs)} in the manifest; build the engine again."
        )
