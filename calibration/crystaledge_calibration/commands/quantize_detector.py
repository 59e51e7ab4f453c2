"""`crystaledge quantize`, of detectors."""

from __future__ import annotations

from argparse import Namespace

from crystaledge.bundle import Bundle
from crystaledge.cli.verb import Outcome
from crystaledge.jsonio import encode
from crystaledge.manifest.model import GraphSpec, Precision
from crystaledge_calibration.commands.images import images_of
from crystaledge_calibration.commands.sequences import progress_bar, threads_of
from crystaledge_calibration.quantize import Quantized, add_to_bundle
from crystaledge_calibration.quantize_detector import detectors_to_quantize, quantize_detectors
from crystaledge_calibration.recipe import RecipeOptions
from crystaledge_calibration.search import Goal

_AGREEMENT = 0.98
"""Mean agreement of an image that the search for precision aims at; bytes do not matter, weights are few."""


def run(arguments: Namespace, bundle: Bundle) -> Outcome:
    """Quantize every graph of a bundle's detector; see the verb's help."""
    members = detectors_to_quantize(bundle, arguments.graph, arguments.target, force=arguments.force)
    images = images_of(arguments, bundle)
    goal = Goal(least_int8=arguments.least_int8, cosine_mean=_AGREEMENT, cosine_p01=0.0, most_bytes=1.0)
    options = RecipeOptions(
        target=arguments.target,
        calibrator=arguments.calibrator,
        equalize=not arguments.no_equalize,
        correct_bias=not arguments.no_bias_correction,
        goal=None if arguments.no_search else goal,
        keep_float=tuple(arguments.keep_float),
        workers=threads_of(arguments),
    )
    with progress_bar(None, "observing images") as advance:
        made = quantize_detectors(bundle, members, images, options, progress=advance)
    add_to_bundle(bundle, *made)
    left = tuple(g.name for g in bundle.manifest.graphs if g.precision is Precision.FLOAT32 and g not in members)
    data = {"graphs": [encode(one.record) for one in made], "left_in_float32": list(left)}
    return Outcome(text=_text(made, left, members[0]), data=data)


def _text(made: tuple[Quantized, ...], left: tuple[str, ...], whole: GraphSpec) -> str:
    record = made[0].record
    rows = [f"{', '.join(one.graph.name for one in made)}: {record.calibrated_on.sequences} images, one network"]
    width = max(len(step.name) for step in record.recipe)
    rows += [
        f"  {'+' if step.taken else ' '} {step.name:{width}}  1 - agreement {step.loss:.4f}, "
        f"agreement of images: mean {step.cosine_mean:.4f}, 1st percentile {step.cosine_p01:.3f}"
        for step in record.recipe
    ]
    rows += [f"  {node.node} ({node.weight}): {node.reason}" for node in record.nodes if node.reason != "int8"]
    file = record.accounting[-1]
    rows.append(
        f"  {record.macs_int8:.1%} of the MACs in int8; {whole.name}: {file.int8_bytes / 1000:.1f} kB, "
        f"{file.int8_bytes / file.float32_bytes:.2f} of float32"
    )
    rows += [f"  {name} stays in float32: it holds another network, or reads more than an image" for name in left]
    rows.append("  not fit to run before `crystaledge verify` has passed them")
    return "\n".join(rows)
