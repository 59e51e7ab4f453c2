"""The recipe: every choice by closed-loop result, a row for each, and what may not be calibrated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx
import pytest

from crystaledge.errors import DataError
from crystaledge.manifest.model import Target
from crystaledge_calibration.choices import Calibrator
from crystaledge_calibration.closed_loop_score import Judge
from crystaledge_calibration.draft import Tried
from crystaledge_calibration.observe import observe_ranges
from crystaledge_calibration.ranges import cut
from crystaledge_calibration.recipe import MIGRATIONS, Recipe, RecipeOptions, Workbench
from crystaledge_calibration.search import Goal
from crystaledge_calibration.sequence_set import SequenceSet
from crystaledge_calibration.state_source import StateSource
from crystaledge_calibration.trained import Trained
from tests.calibration.builders import (
    PREPROCESSING,
    QUANTIZABLE,
    STATE_READERS,
    ScriptedJudge,
    constants,
    int8_nodes,
    memory_set,
    small_model,
    small_spec,
    small_weights,
    tailed_set,
)
from tests.support.messages import message_of

PLAIN = RecipeOptions(target=Target.TENSORRT, calibrator=Calibrator.MINMAX, equalize=False, correct_bias=False)
TRAINED_ROW = "trained in closed loop (in the place of all steps above)"
Loss = Callable[[onnx.ModelProto], float]


def recipe(
    options: RecipeOptions,
    judge: Judge | Loss,
    *,
    sequences: SequenceSet | None = None,
    model: onnx.ModelProto | None = None,
) -> Recipe:
    chosen = judge if isinstance(judge, Judge) else ScriptedJudge(judge)
    calibrating = sequences or memory_set(3, steps=3)
    progress = lambda done: None  # noqa: E731
    return Recipe(
        Workbench(small_spec(), model or small_model(), calibrating, chosen, PREPROCESSING, options, progress)
    )


def taken(made: Recipe) -> dict[str, bool]:
    return {row.name: row.taken for row in made.rows}


def amax_in(model: onnx.ModelProto, tensor: str) -> float:
    return 127.0 * float(constants(model)[f"{tensor}_scale"])


def tailed_cuts(tensor: str) -> dict[Calibrator, float]:
    seen = observe_ranges(small_spec(), small_model(), tailed_set(), PREPROCESSING, [tensor])[tensor]
    found = {calibrator: cut(seen, calibrator) for calibrator in Calibrator}
    assert len(set(found.values())) > 2, "the calibrators agree, so nothing is chosen"
    return found


def is_cut_at(model: onnx.ModelProto, tensor: str, amax: float) -> bool:
    return abs(amax_in(model, tensor) - amax) < 1e-5 * amax


@pytest.mark.parametrize("calibrator", [Calibrator.MINMAX, Calibrator.PERCENTILE, Calibrator.MSE])
def test_the_calibrator_with_the_least_loss_in_closed_loop_is_chosen(calibrator: Calibrator) -> None:
    wanted = tailed_cuts("face")[calibrator]
    made = recipe(
        replace(PLAIN, calibrator=None),
        lambda model: 0.1 if is_cut_at(model, "face", wanted) else 0.2,
        sequences=tailed_set(),
    )
    best = made.run(None)
    assert best.draft.cuts["face"].by == calibrator.value
    assert best.score.loss == pytest.approx(0.1)
    assert [row.name for row in made.rows] == [
        *(f"calibrator {one.value}" for one in Calibrator),
        "calibrators tensor by tensor",
    ]


def test_a_named_calibrator_is_tried_alone() -> None:
    made = recipe(replace(PLAIN, calibrator=Calibrator.ENTROPY), lambda model: 0.2)
    assert {cut.by for cut in made.run(None).draft.cuts.values()} == {"entropy"}
    assert taken(made) == {"calibrator entropy": True}


def test_tensors_may_be_cut_by_different_calibrators() -> None:
    face, relu = tailed_cuts("face"), tailed_cuts("stem_relu")

    def loss(model: onnx.ModelProto) -> float:
        wrong = [not is_cut_at(model, "face", face[Calibrator.MSE])]
        wrong += [not is_cut_at(model, "stem_relu", relu[Calibrator.MINMAX])]
        return 0.01 + 0.1 * sum(wrong)

    made = recipe(replace(PLAIN, calibrator=None), loss, sequences=tailed_set())
    best = made.run(None)
    assert (best.draft.cuts["face"].by, best.draft.cuts["stem_relu"].by) == ("mse", "minmax")
    assert taken(made)["calibrators tensor by tensor"]


def test_a_cut_that_hardly_helps_is_chance_and_not_taken() -> None:
    face, skip = tailed_cuts("face")[Calibrator.MSE], tailed_cuts("skip")[Calibrator.MINMAX]
    offered: list[bool] = []

    def loss(model: onnx.ModelProto) -> float:
        offered.append(is_cut_at(model, "face", face) and is_cut_at(model, "skip", skip))
        return 0.0995 if offered[-1] else 0.1

    made = recipe(replace(PLAIN, calibrator=None), loss, sequences=tailed_set())
    best = made.run(None)
    assert any(offered), "no better cut was offered"
    assert best.score.loss == pytest.approx(0.1)
    assert not taken(made)["calibrators tensor by tensor"]


def is_equalised(model: onnx.ModelProto) -> bool:
    return not np.array_equal(constants(model)["b_stem"], small_weights()["b_stem"])


def test_equalisation_is_kept_where_it_helps_and_only_where_it_helps() -> None:
    helping = recipe(replace(PLAIN, equalize=True), lambda model: 0.1 if is_equalised(model) else 0.2)
    best = helping.run(None)
    assert taken(helping) == {
        "calibrator minmax": True,
        f"equalised with migration {MIGRATIONS[0]:g}": True,
        f"equalised with migration {MIGRATIONS[1]:g}": False,
    }
    assert is_equalised(best.draft.model)
    harmful = recipe(replace(PLAIN, equalize=True), lambda model: 0.3 if is_equalised(model) else 0.2)
    assert not is_equalised(harmful.run(None).draft.model)
    assert list(taken(harmful).values()) == [True, False, False]


def test_where_no_scale_can_be_moved_nothing_is_rolled_out_for_it() -> None:
    model = small_model()
    for node in model.graph.node:
        node.op_type = "Elu" if node.op_type == "Relu" else node.op_type
    made = recipe(replace(PLAIN, equalize=True), lambda model: 0.2, model=model)
    made.run(None)
    assert list(taken(made)) == ["calibrator minmax"]


@pytest.mark.parametrize(("gain", "expected"), [(0.1, True), (-0.1, False)])
def test_bias_correction_is_kept_where_it_helps(gain: float, expected: bool) -> None:
    def loss(model: onnx.ModelProto) -> float:
        return 0.2 - gain * (not np.array_equal(constants(model)["b_quality"], small_weights()["b_quality"]))

    made = recipe(replace(PLAIN, correct_bias=True), loss)
    best = made.run(None)
    assert taken(made) == {"calibrator minmax": True, "bias corrected": expected}
    changed = not np.array_equal(constants(best.draft.model)["b_quality"], small_weights()["b_quality"])
    assert changed is expected
    assert made.uncorrected is not None and made.uncorrected.model == small_model()


@pytest.mark.parametrize("kept", ["conv_skip", "w_skip"])
def test_what_is_to_stay_float_is_never_tried_in_int8(kept: str) -> None:
    judge = ScriptedJudge(lambda model: 0.1 * len(int8_nodes(model)))
    options = replace(PLAIN, keep_float=(kept,), equalize=True, goal=Goal(cosine_mean=2.0, most_bytes=9.0))
    recipe(options, judge).run(None)
    assert len(judge.asked) > 10
    assert not any("conv_skip" in int8_nodes(model) for model in judge.asked)


def test_the_search_gives_nodes_back_and_adds_its_rows() -> None:
    goal = Goal(cosine_mean=0.75, cosine_p01=0.75, least_int8=0.0, most_bytes=9.0)
    made = recipe(replace(PLAIN, goal=goal), lambda model: 0.05 * len(int8_nodes(model)))
    best = made.run(None)
    assert len(made.given_back) == 3 and set(best.draft.nodes) == set(QUANTIZABLE) - set(made.given_back)
    assert [name for name, was in taken(made).items() if was] == [
        "calibrator minmax",
        *(f"{name} given back to float32" for name in made.given_back),
    ]


def test_a_node_whose_input_never_changes_stays_float() -> None:
    dead = small_model({"w_stem": np.zeros_like(small_weights()["w_stem"]), "b_stem": np.full(4, 0.5, np.float32)})
    best = recipe(PLAIN, lambda model: 0.1, model=dead).run(None)
    assert set(QUANTIZABLE) - set(best.draft.nodes) == {"conv_main", "conv_skip"}


def test_sequences_of_one_step_cannot_calibrate_a_state() -> None:
    with pytest.raises(DataError) as raised:
        recipe(PLAIN, lambda model: 0.1, sequences=memory_set(3, steps=1)).run(None)
    assert message_of(raised) == (
        "The state 'hidden' never left 0 in the calibration rollouts: its range is empty and a scale would be made "
        "up. Give sequences of more than one step."
    )


def test_zeros_in_the_place_of_the_state_give_it_no_scale() -> None:
    best = recipe(replace(PLAIN, states=StateSource.ZEROS), lambda model: 0.1).run(None)
    assert set(QUANTIZABLE) - set(best.draft.nodes) == set(STATE_READERS)


TRAINED_WEIGHTS = {name: value * np.float32(1.01) for name, value in small_weights().items()}
TRAINED = Trained(
    weights=TRAINED_WEIGHTS,
    amax={"w_stem": 1.75, "w_main": 5.5, "w_skip": 5.5, "w_new_hidden": 0.875},
    skip_amax={"w_skip": 3.5},
    parent_sha256="0" * 64,
    data="drawn people",
)


def is_trained(model: onnx.ModelProto) -> bool:
    return bool(np.array_equal(constants(model)["b_velocity"], TRAINED_WEIGHTS["b_velocity"]))


def with_trained(trained: Trained, *, gain: float, target: Target = Target.TENSORRT) -> tuple[Recipe, Tried]:
    goal = Goal(cosine_mean=0.75, cosine_p01=0.75, least_int8=0.0, most_bytes=9.0)
    made = recipe(
        replace(PLAIN, target=target, goal=goal),
        lambda model: 0.05 * len(int8_nodes(model)) - gain * is_trained(model),
    )
    return made, made.run(trained)


def test_trained_weights_and_ranges_take_the_place_of_all_else_where_they_are_better() -> None:
    made, best = with_trained(TRAINED, gain=0.1)
    assert taken(made)[TRAINED_ROW]
    assert best.draft.nodes == ("conv_stem", "conv_main", "conv_skip", "matmul_new_hidden")
    assert {name: (cut.amax, cut.by) for name, cut in best.draft.cuts.items() if cut.by == "trained"} == {
        "face": (1.75, "trained"),
        "stem_relu": (5.5, "trained"),
        "hidden": (0.875, "trained"),
        "skip": (3.5, "trained"),
    }
    np.testing.assert_array_equal(constants(best.draft.model)["w_stem"], TRAINED_WEIGHTS["w_stem"])
    assert made.given_back == () and made.uncorrected is best.draft
    assert amax_in(best.draft.build(), "skip") == pytest.approx(3.5)


def test_trained_weights_that_are_worse_are_not_taken() -> None:
    made, best = with_trained(TRAINED, gain=-0.2)
    assert taken(made)[TRAINED_ROW] is False
    assert not is_trained(best.draft.model)
    assert made.given_back != ()


def test_a_skip_branch_without_a_trained_range_is_cut_by_what_was_seen() -> None:
    _, best = with_trained(replace(TRAINED, skip_amax={}), gain=0.1)
    assert best.draft.cuts["skip"].by == "percentile"


def test_the_cpu_has_no_use_for_what_was_trained_for_tensorrt() -> None:
    made, best = with_trained(TRAINED, gain=0.1, target=Target.CPU)
    assert TRAINED_ROW not in taken(made)
    assert not is_trained(best.draft.model)


@pytest.mark.parametrize(
    "trained",
    [
        pytest.param(
            replace(TRAINED, weights={**TRAINED_WEIGHTS, "w_stranger": np.ones(2, np.float32)}), id="stranger"
        ),
        pytest.param(replace(TRAINED, amax={"w_stranger": 1.0}), id="no range fits"),
        pytest.param(replace(TRAINED, amax={"w_velocity": 1.0}), id="range of what must stay float"),
    ],
)
def test_trained_weights_of_another_graph_are_refused(trained: Trained) -> None:
    with pytest.raises(DataError) as raised:
        with_trained(trained, gain=0.1)
    assert message_of(raised) == "The trained weights in the bundle do not fit its graph; train and export again."


def test_with_a_real_judge_the_best_is_the_best_of_all_that_was_tried() -> None:
    sequences = memory_set(8, steps=6)
    calibrating, choosing = sequences.split(every=2)
    judge = Judge(small_spec(), small_model(), choosing, PREPROCESSING, workers=1)
    made = recipe(RecipeOptions(target=Target.TENSORRT), judge, sequences=calibrating)
    best = made.run(None)
    losses = [row.loss for row in made.rows]
    assert best.score.loss == min(losses) == judge.score(best.draft.build()).loss
    for place, row in enumerate(made.rows):  # taken is what lowers the loss of all that came before
        assert row.taken == (place == 0 or row.loss < min(losses[:place]))
