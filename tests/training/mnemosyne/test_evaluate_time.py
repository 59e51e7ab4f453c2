"""Order, velocity and stopping: measured numbers against a second measurement."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from crystaledge.identity.spec import IdentityDecision
from crystaledge_training.data.frames import FrameStore
from crystaledge_training.evaluation.templates import draw_templates
from crystaledge_training.mnemosyne import evaluate_time
from crystaledge_training.mnemosyne.embed import Encoded, crystallize
from crystaledge_training.mnemosyne.evaluate_time import (
    StoppingResult,
    measure_order,
    measure_stopping,
    measure_velocity,
)
from crystaledge_training.mnemosyne.network import Mnemosyne
from crystaledge_training.mnemosyne.rollout import Trajectory
from tests.training.builders import naive_match_score, numbered_store, sample_decision, tiny_network

ALWAYS, NEVER = 1e9, -1e9
"""As an intercept of the likelihood ratio: certain of the same person, or of another."""


def with_encodings(store: FrameStore, network: Mnemosyne, *, one_a_person: bool) -> Encoded:
    """Random encodings, of each frame or of each person, and a quality of about one half."""
    generator = torch.Generator().manual_seed(1)
    rows = torch.rand(len(store.pixels), network.config.encoding, generator=generator) * 3
    if one_a_person:
        rows = rows[torch.from_numpy(store.person)]
    return Encoded(rows, torch.full((len(rows), 1), 0.5))


class TestOrder:
    def test_the_same_probe_in_many_orders_is_compared_with_other_frames(self, monkeypatch: pytest.MonkeyPatch) -> None:
        store, network = numbered_store([10, 12, 9]), tiny_network()
        seen: list[NDArray[np.int64]] = []

        def watched(network: Mnemosyne, encoded: Encoded, rows: NDArray[np.int64]) -> Trajectory:
            seen.append(rows)
            return crystallize(network, encoded, rows)

        monkeypatch.setattr(evaluate_time, "crystallize", watched)
        encoded = with_encodings(store, network, one_a_person=False)
        found = measure_order(network, encoded, store, seed=0)
        scores = []
        for person, rows in enumerate(seen):
            template, orders = rows[0], rows[1:]
            assert len({frozenset(order) for order in orders.tolist()}) == 1
            assert len({tuple(order) for order in orders.tolist()}) > 10
            frames = set(template.tolist()) | set(orders[0].tolist())
            assert len(frames) == 10  # nothing is in both
            assert frames <= set(store.rows_of(person).tolist())
            states = crystallize(network, encoded, rows).hidden[-1].double().numpy()
            unit = states / np.linalg.norm(states, axis=1, keepdims=True)
            scores.append([float(unit[0] @ probe) for probe in unit[1:]])
        assert found is not None
        deviations = np.std(scores, axis=1)
        assert found.cosine_std_mean == pytest.approx(deviations.mean())
        assert found.cosine_std_p95 == pytest.approx(np.quantile(deviations, 0.95))
        assert found.cosine_range_mean == pytest.approx(np.mean([max(s) - min(s) for s in scores]))
        assert found.cosine_std_between_people == pytest.approx(np.std(np.mean(scores, axis=1)))

    def test_equal_frames_have_no_order(self) -> None:
        store, network = numbered_store([10, 12, 9]), tiny_network()
        found = measure_order(network, with_encodings(store, network, one_a_person=True), store, seed=0)
        assert found is not None
        assert (found.people, found.frames, found.orders) == (2, 5, 20)  # the third has too few
        assert found.cosine_std_mean == pytest.approx(0.0, abs=1e-7)
        assert found.cosine_range_mean == pytest.approx(0.0, abs=1e-7)

    def test_different_frames_have_one(self) -> None:
        store, network = numbered_store([10] * 6), tiny_network()
        found = measure_order(network, with_encodings(store, network, one_a_person=False), store, seed=0)
        assert found is not None
        assert 1e-4 < found.cosine_std_mean <= found.cosine_std_p95 <= found.cosine_range_mean < 2.0
        assert found.cosine_std_between_people > 0

    def test_is_a_function_of_the_seed(self) -> None:
        store, network = numbered_store([10] * 3), tiny_network()
        encoded = with_encodings(store, network, one_a_person=False)
        first = measure_order(network, encoded, store, seed=0)
        assert measure_order(network, encoded, store, seed=0) == first
        assert measure_order(network, encoded, store, seed=1) != first

    def test_is_not_measured_where_nobody_has_ten_frames(self) -> None:
        store, network = numbered_store([9, 5]), tiny_network()
        assert measure_order(network, with_encodings(store, network, one_a_person=True), store, seed=0) is None


class TestVelocity:
    def test_rows_by_naive_recomputation(self) -> None:
        store, network = numbered_store([6] * 5), tiny_network()
        encoded = with_encodings(store, network, one_a_person=False)
        found = measure_velocity(network, encoded, store, seed=4)
        templates = draw_templates(store, 6, seed=4)
        trajectory = crystallize(network, encoded, templates.rows)
        states = trajectory.hidden.double().numpy()
        assert [row.observation for row in found] == [1, 2, 3, 4, 5, 6]
        for t, row in enumerate(found):
            velocity = trajectory.velocity[t].double().numpy()
            moved = np.sqrt(((states[t] - (states[t - 1] if t else 0.0)) ** 2).mean(axis=1))
            assert row.velocity_mean == pytest.approx(velocity.mean())
            assert (row.velocity_p10, row.velocity_p90) == pytest.approx(tuple(np.quantile(velocity, (0.1, 0.9))))
            assert row.movement_mean == pytest.approx(moved.mean(), rel=1e-5)

    @pytest.mark.parametrize(("counts", "length"), [([30, 30], 10), ([30, 4, 7], 7), ([8, 1], 1), ([1, 1], 1)])
    def test_covers_as_many_observations_as_two_people_have(self, counts: list[int], length: int) -> None:
        store, network = numbered_store(counts), tiny_network()
        rows = measure_velocity(network, with_encodings(store, network, one_a_person=False), store, seed=0)
        assert len(rows) == length


class TestStopping:
    def measure(self, decision: IdentityDecision, counts: list[int] | None = None) -> dict[str, StoppingResult]:
        store, network = numbered_store(counts or [8] * 6), tiny_network()
        encoded = with_encodings(store, network, one_a_person=True)
        return {r.rule: r for r in measure_stopping(network, encoded, store, decision, seed=0)}

    def test_counts_one_genuine_claim_and_five_impostors_a_person(self) -> None:
        for result in self.measure(sample_decision(), [8] * 6 + [1]).values():
            assert (result.genuine, result.impostors) == (6, 30)
        for result in self.measure(sample_decision(), [8] * 3).values():
            assert (result.genuine, result.impostors) == (3, 6)  # there are not more others

    def test_impostors_of_a_person_are_different_people(self) -> None:
        # With six people, five impostors are all the others, each once: scored by hand below.
        store, network = numbered_store([8] * 6), tiny_network()
        encoded = with_encodings(store, network, one_a_person=True)
        one_row_each = np.arange(6)[:, None] * 8
        enrolled = crystallize(network, encoded, np.repeat(one_row_each, 3, axis=1))
        probes = crystallize(network, encoded, np.repeat(one_row_each, 5, axis=1))
        scores = np.empty((6, 6))
        for i, j in np.ndindex(6, 6):
            scores[i, j] = naive_match_score(
                probes.hidden[-1, i].double().numpy(),
                probes.log_variance[-1, i].item(),
                enrolled.hidden[-1, j].double().numpy(),
                enrolled.log_variance[-1, j].item(),
            )
        impostors = scores[~np.eye(6, dtype=bool)]
        threshold = float(np.median(impostors))
        result = self.measure(sample_decision(threshold=threshold))["all frames"]
        assert result.false_accepts == pytest.approx((impostors >= threshold).mean())
        assert result.false_rejects == pytest.approx((np.diag(scores) < threshold).mean())

    def test_looking_at_all_frames_commits_to_nothing(self) -> None:
        accept_all, accept_none = (self.measure(sample_decision(threshold=t))["all frames"] for t in (-1e9, 1e9))
        for result in (accept_all, accept_none):
            assert (result.committed_genuine, result.committed_impostors) == (0.0, 0.0)
            assert (result.frames_genuine, result.frames_impostors) == (5.0, 5.0)  # of eight, three enrol
        assert (accept_all.false_rejects, accept_all.false_accepts) == (0.0, 1.0)
        assert (accept_none.false_rejects, accept_none.false_accepts) == (1.0, 0.0)

    @pytest.mark.parametrize(("intercept", "rejects", "accepts"), [(ALWAYS, 0.0, 1.0), (NEVER, 1.0, 0.0)])
    def test_a_certain_likelihood_ratio_commits_at_the_first_frame(
        self, intercept: float, rejects: float, accepts: float
    ) -> None:
        result = self.measure(sample_decision(slope=0.0, intercept=intercept))["sprt"]
        assert (result.committed_genuine, result.committed_impostors) == (1.0, 1.0)
        assert (result.frames_genuine, result.frames_impostors) == (1.0, 1.0)
        assert (result.false_rejects, result.false_accepts) == (rejects, accepts)

    def test_an_undecided_test_falls_back_on_the_operating_point(self) -> None:
        measured = self.measure(sample_decision(slope=0.0, intercept=0.0, threshold=-1e9))
        result = measured["sprt"]
        assert (result.committed_genuine, result.frames_genuine) == (0.0, 5.0)
        assert (result.false_rejects, result.false_accepts) == (0.0, 1.0)

    @pytest.mark.parametrize("still", [1, 2, 4])
    def test_a_state_that_is_always_still_commits_after_that_many_frames(self, still: int) -> None:
        decision = sample_decision(velocity_threshold=1.0, velocity_frames=still, threshold=1e9)
        result = self.measure(decision)["velocity"]
        assert (result.committed_genuine, result.committed_impostors) == (1.0, 1.0)
        assert (result.frames_genuine, result.frames_impostors) == (float(still), float(still))
        assert (result.false_rejects, result.false_accepts) == (1.0, 0.0)

    def test_a_state_that_is_never_still_never_commits(self) -> None:
        result = self.measure(sample_decision(velocity_threshold=0.0))["velocity"]
        assert (result.committed_genuine, result.frames_genuine) == (0.0, 5.0)

    def test_thresholds_of_more_observations_take_over(self) -> None:
        decision = sample_decision(threshold=1e9)
        later = replace(decision.operating_points[0], observations=3, threshold=-1e9)
        decision = replace(decision, operating_points=(*decision.operating_points, later))
        assert self.measure(decision)["all frames"].false_accepts == 1.0  # judged at the fifth frame
        early = replace(decision.stopping, velocity_threshold=1.0, velocity_frames=2)
        assert self.measure(replace(decision, stopping=early))["velocity"].false_accepts == 0.0  # at the second

    def test_an_enrolment_of_few_frames_is_judged_as_few_observations(self) -> None:
        # Five images: two enrol, three probe. Three observations on both sides never come about.
        decision = sample_decision(threshold=1e9)
        later = replace(decision.operating_points[0], observations=3, threshold=-1e9)
        decision = replace(decision, operating_points=(*decision.operating_points, later))
        assert self.measure(decision, [5] * 6)["all frames"].false_accepts == 0.0

    def test_is_a_function_of_the_seed(self) -> None:
        store, network = numbered_store([8] * 6), tiny_network()
        encoded = with_encodings(store, network, one_a_person=False)
        # At half of the velocities there are, so that the frame of commitment depends on the draw.
        velocity = crystallize(network, encoded, np.arange(48)[:, None]).velocity.median().item()
        decision = sample_decision(velocity_threshold=velocity, velocity_frames=1)
        first = measure_stopping(network, encoded, store, decision, seed=0)
        assert measure_stopping(network, encoded, store, decision, seed=0) == first
        assert measure_stopping(network, encoded, store, decision, seed=1) != first
