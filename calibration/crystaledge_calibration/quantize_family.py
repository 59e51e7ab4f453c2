"""From a bundle with float graphs that read images to the same bundle with Q/DQ graphs beside them, of one network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import onnx
from onnx import ModelProto

from crystaledge.bundle import Bundle
from crystaledge.errors import OutputExistsError
from crystaledge.manifest.model import GraphSpec, Target
from crystaledge_calibration.accounting import accounting
from crystaledge_calibration.calibration_record import calibration_record, node_records, range_records
from crystaledge_calibration.draft import Draft
from crystaledge_calibration.family import family_of, resized
from crystaledge_calibration.image_judge import ImageJudge
from crystaledge_calibration.image_set import ImageSet
from crystaledge_calibration.image_task import ImageTask
from crystaledge_calibration.quantize import (
    CHOOSE_BY_EVERY,
    Quantized,
    quantized_name,
    quantized_spec,
    refuse_illegal,
    refuse_unknown_nodes,
)
from crystaledge_calibration.recipe import Recipe, RecipeOptions, Workbench
from crystaledge_calibration.search import sensitivities
from crystaledge_calibration.step_model import quantizable_nodes


def family_to_quantize(bundle: Bundle, name: str | None, target: Target, *, force: bool) -> tuple[GraphSpec, ...]:
    """The float graphs that are meant, that of whole images first; see `family_of`.

    Raises:
        OutputExistsError: the bundle has one for that target and `force` is false.
    """
    members = family_of(bundle, name)
    wanted = {quantized_name(member, target) for member in members}
    if not force and any(graph.name in wanted for graph in bundle.manifest.graphs):
        msg = (
            f"{bundle.path} has graphs for {target.value} already; give --force to replace them and what verified them."
        )
        raise OutputExistsError(msg)
    return members


def quantize_family(
    bundle: Bundle,
    members: Sequence[GraphSpec],
    images: ImageSet,
    task: ImageTask[Any, Any, Any],
    options: RecipeOptions,
    *,
    progress: Callable[[int], object] = lambda done: None,
) -> tuple[Quantized, ...]:
    """Calibrate one network on all octaves of whole images, and quantize every graph that holds it alike.

    Equal weights and equal ranges make the maps of a window those of the whole image.

    Args:
        members: graphs of one family, that of whole images first.
        progress: told how many images of an octave were observed since the last call.

    Raises:
        GateFailedError: a result is not legal for the target.
    """
    models = [onnx.load_from_string(bundle.graph_bytes(member)) for member in members]
    whole, model = members[0], models[0]
    refuse_unknown_nodes(model, options.keep_float)
    calibrating, choosing = images.split(every=CHOOSE_BY_EVERY)
    preprocessing = bundle.manifest.preprocessing
    judge = ImageJudge(whole, model, choosing.first(task.judged), preprocessing, task, workers=options.workers)
    recipe = Recipe(Workbench(whole, model, calibrating, judge, preprocessing, options, progress))
    draft = recipe.run(None).draft
    everything = tuple(node.name for node in quantizable_nodes(model))
    alone = sensitivities(judge, replace(recipe.uncorrected or draft, nodes=everything))
    built = draft.build()

    def finished(member: GraphSpec, float32: ModelProto) -> Quantized:
        return _finished(
            member, float32, resized(built, float32), draft, recipe, alone, images, options, judge.sequences
        )

    return tuple(finished(member, float32) for member, float32 in zip(members, models, strict=True))


def _finished(
    graph: GraphSpec,
    float32: ModelProto,
    int8: ModelProto,
    draft: Draft,
    recipe: Recipe,
    sensitivity: dict[str, float],
    images: ImageSet,
    options: RecipeOptions,
    chosen_on: int,
) -> Quantized:
    spec = quantized_spec(graph, int8, options.target)
    refuse_illegal((graph, float32), (spec, int8))
    record = calibration_record(
        spec,
        sequences=images,
        chosen_on=chosen_on,
        recipe=tuple(recipe.rows),
        ranges=range_records(spec, draft),
        nodes=node_records(float32, draft, sensitivity, given_back=recipe.given_back, kept=options.keep_float),
        accounting=accounting(float32, int8),
    )
    return Quantized(spec, int8, record)
