"""Ranges of closed-loop rollouts against those of the numpy twin, batch by batch."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from crystaledge.errors import EngineError
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_calibration.observe import closed_loop, observe_ranges, watched_step
from crystaledge_calibration.ranges import Observations
from crystaledge_calibration.sequence_set import BATCH, Batch, SequenceSet
from crystaledge_calibration.state_source import StateSource
from tests.calibration.builders import PREPROCESSING, memory_set, small_batch, small_model, small_spec, small_step
from tests.support.messages import message_of
from tests.support.step_graphs import HIDDEN

Array = NDArray[np.float32]
FRONT, BACK = ("face", "stem_relu", "skip", "pooled"), ("hidden", "raw_update")


def rolled(batch: Batch) -> Iterator[dict[str, Array]]:
    """The twin's own rollout, states included."""
    hidden = np.zeros((len(batch), HIDDEN), np.float32)
    for rows in batch.steps():
        outputs = small_step(rows, hidden)
        yield {**outputs, "hidden": hidden}
        hidden = outputs["hidden_next"]


@cache
def observed(source: StateSource = StateSource.ROLLOUT, *, sequences: int = 5) -> dict[str, Observations]:
    chosen = memory_set(sequences, steps=7)
    return observe_ranges(small_spec(), small_model(), chosen, PREPROCESSING, (*FRONT, *BACK), source=source)


def test_a_watched_step_answers_with_inner_tensors_too() -> None:
    batch = small_batch()
    hidden = np.full((len(batch.frames), HIDDEN), 0.25, np.float32)
    found = watched_step(small_model(), ["features", "hidden_next"])({"face": batch.frames, "hidden": hidden})
    expected = small_step(batch.frames, hidden)
    assert set(found) == {spec.name for spec in small_spec().outputs} | {"features"}
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name], atol=1e-5, err_msg=name)


def test_a_step_that_fails_is_the_engines_error_in_one_line() -> None:
    step = watched_step(small_model(), [])
    with pytest.raises(EngineError) as raised:
        step({"face": np.zeros((1, 3, 8, 8), np.float32), "hidden": np.zeros((1, HIDDEN + 1), np.float32)})
    assert message_of(raised).startswith("ONNX Runtime failed while a rollout ran: ")


def test_the_closed_loop_feeds_the_state_back() -> None:
    batch = small_batch(sequences=3, steps=6)
    loop = closed_loop(small_spec(), watched_step(small_model(), []), batch)
    for found, expected in zip(loop, rolled(batch), strict=True):
        np.testing.assert_allclose(found["hidden_next"], expected["hidden_next"], atol=1e-5)


def test_extremes_are_those_of_the_rollouts() -> None:
    (batch,) = memory_set(5, steps=7).batches(PREPROCESSING)
    steps = list(rolled(batch))
    for name, seen in observed().items():
        if name == "raw_update":
            continue
        # What depends on the frame alone is looked at once a frame; a clip of 4 shows all of them in 7 steps.
        values = np.concatenate([batch.frames if name == "face" else step[name] for step in steps])
        others = tuple(axis for axis in range(values.ndim) if axis != 1)
        np.testing.assert_allclose((seen.low, seen.high), (values.min(), values.max()), atol=1e-5, err_msg=name)
        np.testing.assert_allclose(seen.channel_low, values.min(axis=others), atol=1e-5, err_msg=name)
        np.testing.assert_allclose(seen.channel_high, values.max(axis=others), atol=1e-5, err_msg=name)


def test_every_step_of_every_sequence_is_counted_behind_the_state_and_every_frame_before_it() -> None:
    seen = observed()
    assert seen["raw_update"].counts.sum() == 7 * 5 * HIDDEN
    assert seen["pooled"].counts.sum() == 5 * 4 * 4


def test_states_that_are_made_up_have_other_ranges() -> None:
    sources = (StateSource.ROLLOUT, StateSource.NORMAL, StateSource.ZEROS)
    rollout, noise, zeros = (observed(source)["hidden"] for source in sources)
    assert zeros.degenerate and not rollout.degenerate
    assert noise.largest > 2.0 > 1.0 >= rollout.largest > 0.1
    # What the frame alone decides is not touched.
    assert observed(StateSource.NORMAL)["pooled"].high == observed()["pooled"].high


def test_progress_adds_up_to_all_sequence_steps() -> None:
    told: list[int] = []
    chosen = memory_set(BATCH + 3, steps=2, distinct=2)
    observe_ranges(small_spec(), small_model(), chosen, PREPROCESSING, ["hidden"], progress=told.append)
    assert told == [BATCH, BATCH, 3, 3]


def counting(alive: list[int]) -> SequenceSet:
    """A set that notes how many of its batches are alive whenever it is asked for another."""

    class Counting(SequenceSet):
        def batches(self, preprocessing: Preprocessing, *, size: int = BATCH) -> Iterator[Batch]:
            given: list[weakref.ref[Array]] = []
            for number in range(5):
                alive.append(sum(reference() is not None for reference in given))
                batch = small_batch(seed=number)
                given.append(weakref.ref(batch.frames))
                yield batch
                del batch
            alive.append(sum(reference() is not None for reference in given))

    source = memory_set(2)
    return Counting(clips=source.clips, files=(), steps=source.steps, seed=0, box=source.box, too_short=0)


def test_batches_are_let_go_one_after_another() -> None:
    alive: list[int] = []
    observe_ranges(small_spec(), small_model(), counting(alive), PREPROCESSING, (*FRONT, *BACK))
    assert alive == [0, 1, 1, 1, 1, 1]  # the one whose rollout has just ended


def test_what_is_kept_of_a_long_set_is_as_large_as_of_a_short_one() -> None:
    def kept(seen: dict[str, Observations]) -> int:
        return sum(np.asarray(value).nbytes for one in seen.values() for value in vars(one).values())

    assert kept(observed(sequences=2)) == kept(observed(sequences=20))
