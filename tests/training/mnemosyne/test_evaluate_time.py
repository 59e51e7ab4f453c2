"""Order and velocity: measured numbers against a second measurement."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from crystaledge_training.evaluation.templates import draw_templates
from crystaledge_training.mnemosyne import evaluate_time
from crystaledge_training.mnemosyne.embed import Encoded, crystallize
from crystaledge_training.mnemosyne.evaluate_time import measure_order, measure_velocity
from crystaledge_training.mnemosyne.network import Mnemosyne
from crystaledge_training.mnemosyne.rollout import Trajectory
from tests.training.builders import numbered_store, tiny_network
from tests.training.mnemosyne.encodings import random_encodings


class TestOrder:
    def test_the_same_probe_in_many_orders_is_compared_with_other_frames(self, monkeypatch: pytest.MonkeyPatch) -> None:
        store, network = numbered_store([10, 12, 9]), tiny_network()
        seen: list[NDArray[np.int64]] = []

        def watched(network: Mnemosyne, encoded: Encoded, rows: NDArray[np.int64]) -> Trajectory:
            seen.append(rows)
            return crystallize(network, encoded, rows)

        monkeypatch.setattr(evaluate_time, "crystallize", watched)
        encoded = random_encodings(store, network, one_a_person=False)
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
        found = measure_order(network, random_encodings(store, network, one_a_person=True), store, seed=0)
        assert found is not None
        assert (found.people, found.frames, found.orders) == (2, 5, 20)  # the third has too few
        assert found.cosine_std_mean == pytest.approx(0.0, abs=1e-7)
        assert found.cosine_range_mean == pytest.approx(0.0, abs=1e-7)

    def test_different_frames_have_one(self) -> None:
        store, network = numbered_store([10] * 6), tiny_network()
        found = measure_order(network, random_encodings(store, network, one_a_person=False), store, seed=0)
        assert found is not None
        assert 1e-4 < found.cosine_std_mean <= found.cosine_std_p95 <= found.cosine_range_mean < 2.0
        assert found.cosine_std_between_people > 0

    def test_is_a_function_of_the_seed(self) -> None:
        store, network = numbered_store([10] * 3), tiny_network()
        encoded = random_encodings(store, network, one_a_person=False)
        first = measure_order(network, encoded, store, seed=0)
        assert measure_order(network, encoded, store, seed=0) == first
        assert measure_order(network, encoded, store, seed=1) != first

    def test_is_not_measured_where_nobody_has_ten_frames(self) -> None:
        store, network = numbered_store([9, 5]), tiny_network()
        assert measure_order(network, random_encodings(store, network, one_a_person=True), store, seed=0) is None


class TestVelocity:
    def test_rows_by_naive_recomputation(self) -> None:
        store, network = numbered_store([6] * 5), tiny_network()
        encoded = random_encodings(store, network, one_a_person=False)
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
        rows = measure_velocity(network, random_encodings(store, network, one_a_person=False), store, seed=0)
        assert len(rows) == length
