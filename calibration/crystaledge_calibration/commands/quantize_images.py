"""`crystaledge quantize`, of graphs that read images."""

from __future__ import annotations

from argparse import Namespace

from crystaledge.bundle import Bundle
from crystaledge.cli.verb import Outcome
from crystaledge.jsonio import encode
from crystaledge.manifest.model import GraphSpec, Precision
from crystaledge_calibration.commands.images import images_of
from crystaledge_calibration.commands.recipe_options import recipe_options
from crystaledge_calibration.commands.sequences import progress_bar
from crystaledge_calibration.image_folders import Purpose
from crystaledge_calibration.image_task import task_of
from crystaledge_calibration.quantize import Quantized, add_to_bundle
from crystaledge_calibration.quantize_family import family_to_quantize, quantize_family
from crystaledge_calibration.search import Goal


def run(arguments: Namespace, bundle: Bundle) -> Outcome:
    """Quantize every graph of a bundle's network; see the verb's help."""
    task = task_of(bundle)
    members = family_to_quantize(bundle, arguments.graph, arguments.target, force=arguments.force)
    images = images_of(arguments, octaves=task.octaves, purpose=Purpose.CALIBRATE, defects=task.defects)
    # Bytes do not matter to the search: what these networks decide stands and falls with few weights.
    goal = Goal(least_int8=arguments.least_int8, cosine_mean=task.aim, cosine_p01=0.0, most_bytes=1.0)
    options = recipe_options(arguments, goal)
    with progress_bar(None, "observing images") as advance:
        made = quantize_family(bundle, members, images, task, options, progress=advance)
    add_to_bundle(bundle, *made)
    left = tuple(g.name for g in bundle.manifest.graphs if g.precision is Precision.FLOAT32 and g not in members)
    data = {"graphs": [encode(one.record) for one in made], "left_in_float32": list(left)}
    return Outcome(text=_text(made, left, members[0]), data=data)


def _text(made: tuple[Quantized, ...], left: tuple[str, ...], whole: GraphSpec) -> str:
    record = made[0].record
    used = record.calibrated_on
    rows = [f"{', '.join(one.graph.name for one in made)}: {used.sequences} {used.source.value}, one network"]
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
