"""An execution context of TensorRT: at one profile and one shape, bound to the memory that it works on."""

from __future__ import annotations

from collections.abc import Mapping

from crystaledge.engine.trt.logger import Log
from crystaledge.engine.trt.surface import TrtContext, TrtEngine
from crystaledge.errors import EngineError
from crystaledge.manifest.model import GraphSpec


def execution_context(
    engine: TrtEngine,
    graph: GraphSpec,
    *,
    rows: int,
    profile: int,
    addresses: Mapping[str, int],
    stream: int,
    log: Log,
) -> TrtContext:
    """Make one that runs `rows` rows; the profile is taken in the order of the stream.

    Args:
        addresses: device address of every input and output.

    Raises:
        EngineError: TensorRT refuses, in its own words.
    """
    log.clear()
    context = engine.create_execution_context()
    if context is None:
        msg = f"TensorRT could not make an execution context: {log.reason()}; is the device out of memory?"
        raise EngineError(msg)
    sound = _takes_profile(context, profile, stream)
    for spec in graph.inputs:
        sound = sound and context.set_input_shape(spec.name, (rows, *spec.row_shape))
    for name, address in addresses.items():
        sound = sound and context.set_tensor_address(name, address)
    missing = _missing(context) if sound else ["the profile, a shape or an address"]
    if missing:
        del context  # before the error, whose traceback would keep it beyond the memory that it points to
        msg = f"TensorRT does not take {', '.join(missing)} for {rows} rows of {graph.name!r}: {log.reason()}."
        raise EngineError(msg)
    return context


def _takes_profile(context: TrtContext, profile: int, stream: int) -> bool:
    """TensorRT raises here where it answers with False everywhere else."""
    try:
        return context.set_optimization_profile_async(profile, stream)
    except RuntimeError:
        return False


def _missing(context: TrtContext) -> list[str]:
    """Inputs that lack a shape; TensorRT raises for anything else that is wrong with them."""
    try:
        return list(context.infer_shapes())
    except RuntimeError:
        return ["the shapes"]
