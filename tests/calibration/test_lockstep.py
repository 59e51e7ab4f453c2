"""Two graphs side by side over many sequences, against rollouts that keep everything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from crystaledge.identity.matching import likelihood_ratio_scores, unit_rows
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_calibration import lockstep
from crystaledge_calibration.clips import Clip
from crystaledge_calibration.lockstep import ENROLMENT_STEPS, Lockstep, LockstepRun, Side
from crystaledge_calibration.rollout import roll_out
from crystaledge_calibration.sequence_set import Batch, Half, SequenceSet
from tests.calibration.closed_loop_builders import noise_sequences, side_of_model
from tests.support.manifests import small_decision, tiny_graph_spec
from tests.support.step_graphs import HIDDEN, SIDE, tiny_step, tiny_step_model, tiny_weights

Array = NDArray[np.float32]
CHECKED = (1, 2, 4, 7)
PREPROCESSING = Preprocessing(size_hw=(SIDE, SIDE))
LIMIT = 0.5
SEQUENCES = 7


def off_side(factor: float) -> Side:
    """The tiny step with a recurrence that is a little stronger."""
    model = tiny_step_model()
    for initializer in model.graph.initializer:
        if initializer.name == "w_recurrent":
            value = (factor * tiny_weights()["recurrent"]).astype(np.float32)
            initializer.CopyFrom(numpy_helper.from_array(value, initializer.name))
    return side_of_model(model)


SOUND = side_of_model(tiny_step_model())


def over(sequences: SequenceSet, deployed: Side, *, workers: int = 1, told: list[int] | None = None) -> Lockstep:
    run = LockstepRun(
        graph=tiny_graph_spec(),
        sides=(SOUND, deployed),
        preprocessing=PREPROCESSING,
        decision=small_decision(HIDDEN),
        checked=CHECKED,
        clip_limits={"hidden": LIMIT},
        workers=workers,
        progress=(told if told is not None else []).append,
    )
    return run.over(sequences)


def people(count: int = SEQUENCES) -> SequenceSet:
    return noise_sequences(count, steps=3)


def rolled(sequences: SequenceSet, side: Side, steps: int, half: Half) -> Mapping[str, Array]:
    """Every output of every step, `(T, S, ...)`, of one half of the frames."""
    (batch,) = replace(sequences, steps=steps, half=half).batches(PREPROCESSING)
    face = np.stack([rows.copy() for rows in batch.steps()])
    return roll_out(tiny_graph_spec(), side.make_step(), {"face": face})


def test_a_graph_beside_itself_differs_in_nothing() -> None:
    shown = over(people(), SOUND)
    assert max(shown.trace.state().relative_error) == 0.0
    assert min(shown.trace.state().cosine_min) == pytest.approx(1.0)
    agreement = shown.agreement
    assert agreement.same_match == agreement.same_verdict == agreement.same_commit == 1.0
    assert agreement.most_frames_apart == 0


def test_the_trace_is_that_of_two_whole_rollouts_on_the_probes_half() -> None:
    deployed = off_side(1.3)
    state = over(people(), deployed).trace.state()
    a, b = (rolled(people(), side, CHECKED[-1], Half.PROBE)["hidden_next"] for side in (SOUND, deployed))
    for i, step in enumerate(CHECKED):
        x, y = a[step - 1].astype(float), b[step - 1].astype(float)
        errors = np.linalg.norm(y - x, axis=1) / np.linalg.norm(x, axis=1)
        assert state.relative_error[i] == pytest.approx(errors.mean(), rel=1e-4)
    assert state.relative_error[-1] > 0.01


def test_the_float_side_is_the_tiny_step_written_down_in_numpy() -> None:
    preprocessor, hidden = Preprocessor(PREPROCESSING), np.zeros((1, HIDDEN), np.float32)
    for frame in people().clips[0].frames()[4:7]:
        rows = preprocessor(frame.pixels, frame.color)[None]
        hidden = tiny_step(rows, hidden)["hidden_next"]
    found = rolled(people(), SOUND, 3, Half.PROBE)["hidden_next"][2, :1]
    np.testing.assert_allclose(found, hidden, atol=1e-6)


def test_everybody_is_enrolled_by_each_side_from_the_other_half() -> None:
    shown = over(people(), off_side(1.3))
    for index, side in enumerate((SOUND, off_side(1.3))):
        enrolled = rolled(people(), side, ENROLMENT_STEPS, Half.ENROL)
        probes = rolled(people(), side, CHECKED[-1], Half.PROBE)
        for step in CHECKED:
            outputs = {name: values[step - 1] for name, values in probes.items()}
            expected = _scores(outputs, {name: values[-1] for name, values in enrolled.items()})
            np.testing.assert_allclose(shown.agreement.scores[step][index], expected, rtol=1e-4, atol=1e-4)


def _scores(probes: Mapping[str, Array], gallery: Mapping[str, Array]) -> NDArray[np.float64]:
    return likelihood_ratio_scores(
        small_decision(HIDDEN).score,
        unit_rows(probes["hidden_next"]),
        probes["log_variance"][:, 0].astype(float),
        unit_rows(gallery["hidden_next"]),
        gallery["log_variance"][:, 0].astype(float),
    )


def test_clipping_is_counted_on_the_states_that_the_deployed_graph_is_given() -> None:
    deployed = off_side(1.3)
    (record,) = over(people(), deployed).clipping.record()
    states = rolled(people(), deployed, CHECKED[-1], Half.PROBE)["hidden_next"]
    given = np.concatenate([np.zeros_like(states[:1]), states[:-1]])  # fresh at first; the last output is not fed
    expected = (np.abs(given) > LIMIT).mean(axis=(0, 1))
    np.testing.assert_allclose(record.share, expected)
    assert 0.0 < max(record.share) < 1.0


@pytest.mark.parametrize("batch", [1, 2, 3, 32])
@pytest.mark.parametrize("workers", [1, 3])
def test_neither_the_batches_nor_the_workers_change_what_is_shown(
    monkeypatch: pytest.MonkeyPatch, batch: int, workers: int
) -> None:
    whole = over(people(), off_side(1.3))
    monkeypatch.setattr(lockstep, "BATCH", batch)
    told: list[int] = []
    parts = over(people(), off_side(1.3), workers=workers, told=told)
    for name in ("cosine_mean", "cosine_p01", "cosine_min", "relative_error"):
        found, expected = (getattr(shown.trace.state(), name) for shown in (parts, whole))
        np.testing.assert_allclose(found, expected, rtol=1e-5, err_msg=name)
    assert parts.clipping.record() == whole.clipping.record()
    for step in CHECKED:
        for found, expected in zip(parts.agreement.scores[step], whole.agreement.scores[step], strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert sum(told) == SEQUENCES * CHECKED[-1]


def test_no_more_batches_are_held_than_there_are_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockstep, "BATCH", 1)
    original, told, ahead = SequenceSet.batches, list[int](), list[int]()

    def counted(self: SequenceSet, preprocessing: Preprocessing, *, size: int) -> Iterator[Batch]:
        for number, batch in enumerate(original(self, preprocessing, size=size)):
            if self.half is Half.PROBE:
                ahead.append(number - len(told) // CHECKED[-1])
            yield batch

    monkeypatch.setattr(SequenceSet, "batches", counted)
    over(people(8), SOUND, workers=2, told=told)
    assert len(ahead) == 8
    assert max(ahead) <= 1, "a batch was decoded while two were still under way"


def test_the_operating_point_is_said() -> None:
    assert over(people(3), SOUND).false_accept_rate == 0.01


def test_clips_of_any_kind_go_side_by_side() -> None:
    films, photographs = people(3), noise_sequences(3, steps=3, in_time=False)
    mixed: tuple[Clip, ...] = (*films.clips, *photographs.clips)
    shown = over(replace(films, clips=mixed), SOUND)
    assert shown.agreement.scores[1][0].shape == (6, 6)
