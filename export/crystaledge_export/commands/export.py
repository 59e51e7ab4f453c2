"""`crystaledge export`."""

from __future__ import annotations

from argparse import Namespace

from crystaledge.cli.verb import Outcome, talk
from crystaledge.errors import DataError, UsageError
from crystaledge.files import refuse_existing
from crystaledge.manifest.model import MANIFEST_NAME
from crystaledge_export.export import SYSTEMS, ExportedGraph, TrainedFile, export_checkpoint
from crystaledge_training.checkpoint import Checkpoint, read_checkpoint
from crystaledge_training.commands.choose_checkpoint import chosen_checkpoint
from crystaledge_training.mnemosyne.config import Variant
from crystaledge_training.weights import embedded_trained


def run(arguments: Namespace) -> Outcome:
    """Export a checkpoint; see the verb's help."""
    refuse_existing(arguments.out, force=arguments.force, marker=MANIFEST_NAME)
    path = chosen_checkpoint(arguments)
    checkpoint = read_checkpoint(path)
    if checkpoint.record.system is not arguments.system:
        msg = f"{path} is a checkpoint of {checkpoint.record.system.value}, not of {arguments.system.value}."
        raise DataError(msg)
    if arguments.size is not None:
        checkpoint = _resized(checkpoint, arguments.size)
    talk(f"exporting {path}")
    exported = export_checkpoint(checkpoint, arguments.out, trained=_trained(arguments), force=arguments.force)
    graph, parity = exported.first.graph, exported.first.parity
    text = "\n".join(f"{arguments.out}: {_sentence(exported_graph)}" for exported_graph in exported.graphs)
    data = {
        "bundle": str(arguments.out),
        "graph": graph.file,
        "bytes": len(exported.bundle.graph_bytes(graph)),
        "opset": graph.opset,
        "ir_version": graph.ir_version,
        "max_abs_error": parity.max_abs_error,
        "graphs": [{"graph": g.graph.name, "max_abs_error": g.parity.max_abs_error} for g in exported.graphs],
    }
    return Outcome(text=text, data=data)


def _resized(checkpoint: Checkpoint, size_hw: tuple[int, int]) -> Checkpoint:
    system = checkpoint.record.system
    resized = SYSTEMS[system].resized
    if resized is None:
        msg = f"The size of the input is part of {system.value}; leave --size out."
        raise UsageError(msg)
    return resized(checkpoint, size_hw)


def _sentence(exported: ExportedGraph) -> str:
    graph, parity = exported.graph, exported.parity
    return (
        f"{graph.file}, {len(exported.model) / 1000:.0f} kB, opset {graph.opset}, IR {graph.ir_version}; "
        f"parity with torch {parity.max_abs_error:.1e} over {parity.steps} closed-loop steps at batches "
        f"{', '.join(map(str, parity.batches))}"
    )


def _trained(arguments: Namespace) -> TrainedFile | None:
    """`--trained`, or what is embedded beside the embedded weights."""
    embedded = arguments.checkpoint is None and arguments.variant in (None, Variant.PUBLISHED)
    path = arguments.trained or (embedded_trained(arguments.system) if embedded else None)
    if path is None:
        return None
    try:
        return TrainedFile(path.read_bytes(), str(path))
    except OSError as error:
        msg = f"Cannot read {path}: {error.strerror}; expected a file that `train --qat` wrote."
        raise DataError(msg) from error
