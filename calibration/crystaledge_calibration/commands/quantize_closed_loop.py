"""`crystaledge quantize`, of step graphs."""

from __future__ import annotations

from argparse import Namespace

from crystaledge.bundle import Bundle
from crystaledge.cli.verb import Outcome, talk
from crystaledge.jsonio import encode
from crystaledge.manifest.model import Target
from crystaledge.sources.open import SYNTHETIC
from crystaledge_calibration.commands.recipe_options import recipe_options
from crystaledge_calibration.commands.sequences import SYNTHETIC_NOTE, clips_of, progress_bar, sequences_of
from crystaledge_calibration.quantize import Quantized, add_to_bundle, graph_to_quantize, quantize_graph
from crystaledge_calibration.records import Limits
from crystaledge_calibration.search import Goal

SCENE_SEED = 0


def _on_tensorrt(least_int8: float) -> Goal:
    return Goal(least_int8=least_int8)


def _on_cpu(least_int8: float) -> Goal:
    """Only what the gate demands: each float island breaks a chain of fused int8 kernels and costs time."""
    return Goal(least_int8=least_int8, cosine_mean=Limits().cosine_mean, cosine_p01=Limits().cosine_p01)


GOALS = {Target.TENSORRT: _on_tensorrt, Target.CPU: _on_cpu}


def run(arguments: Namespace, bundle: Bundle) -> Outcome:
    """Quantize a bundle's step graph; see the verb's help."""
    graph = graph_to_quantize(bundle, arguments.graph, arguments.target, force=arguments.force)
    if arguments.data == SYNTHETIC:
        talk(SYNTHETIC_NOTE)
    sequences = sequences_of(arguments, clips_of(arguments, scene_seed=SCENE_SEED), steps=arguments.steps)
    options = recipe_options(arguments, GOALS[arguments.target](arguments.least_int8))
    with progress_bar(None, "rolling out") as advance:
        quantized = quantize_graph(
            bundle,
            graph,
            sequences,
            options,
            use_trained=not arguments.no_trained,
            progress=advance,
        )
    add_to_bundle(bundle, quantized)
    return Outcome(text=_text(quantized), data=encode(quantized.record))


def _text(quantized: Quantized) -> str:
    record = quantized.record
    file = record.accounting[-1]
    rows = [f"{quantized.graph.name}: {record.calibrated_on.sequences} sequences of {record.calibrated_on.steps} steps"]
    width = max(len(step.name) for step in record.recipe)
    rows += [
        f"  {'+' if step.taken else ' '} {step.name:{width}}  1 - cosine {step.loss:.2e}, "
        f"cosine at the worst step: mean {step.cosine_mean:.5f}, 1st percentile {step.cosine_p01:.5f}"
        for step in record.recipe
    ]
    rows += [f"  {node.node} ({node.weight}): {node.reason}" for node in record.nodes if node.reason != "int8"]
    rows.append(
        f"  {record.macs_int8:.1%} of the MACs in int8; {file.int8_bytes / 1000:.1f} kB, "
        f"{file.int8_bytes / file.float32_bytes:.2f} of float32"
    )
    rows.append("  not fit to run before `crystaledge verify` has passed it")
    return "\n".join(rows)
