"""The fit of the log-variance: its score is the runtime's, its cost is what it says, and nothing else moves."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from crystaledge.identity.matching import likelihood_ratio_scores, unit_rows
from crystaledge.identity.spec import MatchScore, Scoring, unit_vector_scoring
from crystaledge_training.data.frames import FrameStore
from crystaledge_training.mnemosyne import uncertainty
from crystaledge_training.mnemosyne.network import Mnemosyne
from crystaledge_training.mnemosyne.uncertainty import States, cllr, fit_log_variance, likelihood_ratio, states_of
from tests.training.builders import TINY_SIZES, TINY_SPEC, naive_match_score, scene_store, tiny_network

Array = NDArray[np.float64]
SEED = 4


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def wide(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def people_of(store: FrameStore, first: int, last: int) -> FrameStore:
    """Some of the people, numbered from 0."""
    rows = (store.person >= first) & (store.person < last)
    return FrameStore(store.pixels[rows], store.person[rows] - first, store.names[first:last])


@pytest.fixture(scope="module")
def training() -> FrameStore:
    return people_of(scene_store([11] * 10), 0, 6)


@pytest.fixture(scope="module")
def validation() -> FrameStore:
    return people_of(scene_store([11] * 10), 6, 10)


@pytest.fixture(scope="module")
def fitted(training: FrameStore, validation: FrameStore) -> tuple[Mnemosyne, Scoring]:
    network = tiny_network()
    return network, fit_log_variance(network, training, validation, TINY_SPEC, seed=SEED)


class TestLikelihoodRatio:
    @pytest.mark.parametrize("seed", range(6))
    def test_is_the_score_of_the_runtime(self, seed: int) -> None:
        generator = np.random.default_rng(seed)
        a, b = (unit_rows(generator.normal(size=(rows, 5)).astype(np.float32)) for rows in (6, 4))
        log_a, log_b = generator.normal(-2.0, 2.0, 6), generator.normal(-2.0, 2.0, 4)
        between, dimensions = math.exp(generator.normal(-3.0, 1.5)), math.exp(generator.normal(1.0, 1.0))
        scoring = Scoring(kind=MatchScore.LIKELIHOOD_RATIO, between_variance=between, effective_dimensions=dimensions)
        found = likelihood_ratio(
            torch.from_numpy(a @ b.T),
            torch.from_numpy(log_a)[:, None],
            torch.from_numpy(log_b),
            wide(between),
            wide(dimensions),
        )
        np.testing.assert_allclose(found.numpy(), likelihood_ratio_scores(scoring, a, log_a, b, log_b), rtol=1e-9)

    @pytest.mark.parametrize(("between", "dimensions"), [(0.5 / 7, 7.0), (0.02, 4.5), (0.6, 11.0)])
    @pytest.mark.parametrize(("log_a", "log_b"), [(-2.0, -2.0), (-4.0, 0.5), (1.0, -1.0)])
    def test_is_one_of_gaussian_densities(self, log_a: float, log_b: float, between: float, dimensions: float) -> None:
        a, b = draw(7).numpy(), draw(7, seed=1).numpy()
        cosine = float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
        found = likelihood_ratio(wide(cosine), wide(log_a), wide(log_b), wide(between), wide(dimensions))
        expected = naive_match_score(a, log_a, b, log_b, between=between, dimensions=dimensions)
        assert found.item() == pytest.approx(expected, rel=1e-9)


class TestCost:
    def test_by_naive_loops(self) -> None:
        score, person = 3.0 * draw(6, 6), [0, 0, 0, 1, 1, 2]
        genuine, impostors = [], []
        for i in range(6):
            for j in range(6):
                value = float(score[i, j])
                if i != j and person[i] == person[j]:
                    genuine.append(math.log1p(math.exp(-value)))
                elif i != j:
                    impostors.append(math.log1p(math.exp(value)))
        assert (len(genuine), len(impostors)) == (8, 22)  # unequal, and yet both kinds weigh the same
        same = torch.tensor(person)[:, None] == torch.tensor(person)
        found = cllr(score, same & ~torch.eye(6, dtype=torch.bool), ~same)
        assert found.item() == pytest.approx(0.5 * (np.mean(genuine) + np.mean(impostors)), rel=1e-9)

    def test_is_ln_2_where_there_is_no_evidence(self) -> None:
        same = torch.tensor([[True, True, False]])
        assert cllr(torch.zeros(1, 3), same, ~same).item() == pytest.approx(math.log(2.0))

    @pytest.mark.parametrize(("degrees", "surer"), [((0.0, 5.0, 90.0, 95.0), True), ((0.0, 90.0, 5.0, 95.0), False)])
    def test_asks_for_certainty_about_what_can_be_told_apart_and_for_doubt_about_the_rest(
        self, degrees: tuple[float, ...], surer: bool
    ) -> None:
        # Persons 0 and 1 have two identities each, either close together or one beside the other person's.
        angles, person = torch.tensor(degrees).double().deg2rad(), torch.tensor([0, 0, 1, 1])
        log_variance = torch.full((4,), -2.0, dtype=torch.float64, requires_grad=True)
        cosine = (angles[:, None] - angles).cos()
        score = likelihood_ratio(cosine, log_variance[:, None], log_variance, wide(0.25), wide(2.0))
        same = person[:, None] == person
        cllr(score, same & ~torch.eye(4, dtype=torch.bool), ~same).backward()  # type: ignore[no-untyped-call]
        assert log_variance.grad is not None
        descent = -log_variance.grad
        assert ((descent < -1e-3) if surer else (descent > 1e-3)).all()


class TestFit:
    def test_is_a_function_of_its_arguments(
        self, training: FrameStore, validation: FrameStore, fitted: tuple[Mnemosyne, Scoring]
    ) -> None:
        network = tiny_network()
        with torch.no_grad():  # what stood in the row before is not looked at
            network.convergence.weight[1] = 3.0
            network.convergence.bias[1] = -1.0
        torch.manual_seed(99)  # nor is the state of the global generator
        assert fit_log_variance(network, training, validation, TINY_SPEC, seed=SEED) == fitted[1]
        for name, tensor in fitted[0].state_dict().items():
            assert torch.equal(network.state_dict()[name], tensor), name
        assert fit_log_variance(network, training, validation, TINY_SPEC, seed=SEED + 1) != fitted[1]

    def test_changes_the_log_variance_row_and_nothing_else(self, fitted: tuple[Mnemosyne, Scoring]) -> None:
        before, after = tiny_network().state_dict(), fitted[0].state_dict()
        assert set(after) == set(before)
        for name, tensor in after.items():
            if name in ("convergence.weight", "convergence.bias"):
                assert torch.equal(tensor[0], before[name][0]), name
                assert (tensor[1] != before[name][1]).all(), name
            else:
                assert torch.equal(tensor, before[name]), name
        assert fitted[0].convergence.weight.shape == (2, TINY_SIZES.hidden)

    def test_gives_finite_numbers(self, fitted: tuple[Mnemosyne, Scoring]) -> None:
        network, scoring = fitted
        assert scoring.kind is MatchScore.LIKELIHOOD_RATIO
        assert 0.0 < scoring.between_variance < math.inf
        assert 0.0 < scoring.effective_dimensions < math.inf
        assert network.convergence.weight.isfinite().all()
        assert network.convergence.bias.isfinite().all()

    def test_the_row_is_the_share_kept_of_what_was_learnt_around_the_level(
        self, training: FrameStore, validation: FrameStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        direction, scoring = draw(TINY_SIZES.hidden).float(), unit_vector_scoring(TINY_SIZES.hidden)
        varied: list[Tensor] = []

        def calibrate(states: States, varying: Tensor, seed: int) -> tuple[float, float, Scoring]:
            varied.append(varying)
            return 0.25, -3.0, scoring

        monkeypatch.setattr(uncertainty, "_learn", lambda states, seed: direction)
        monkeypatch.setattr(uncertainty, "_calibrate", calibrate)
        network = tiny_network()
        assert fit_log_variance(network, training, validation, TINY_SPEC, seed=SEED) is scoring
        states = states_of(network, validation, TINY_SPEC, seed=SEED).hidden
        with torch.no_grad():
            log_variance = network.convergence(states)[:, 1]
        around = states @ direction - (states @ direction).mean()
        assert around.std() > 0.1
        torch.testing.assert_close(varied[0], around, atol=1e-5, rtol=0.0)
        torch.testing.assert_close(log_variance, 0.25 * around - 3.0, atol=1e-5, rtol=0.0)

    def test_costs_no_more_than_any_constant_on_the_people_it_is_calibrated_on(
        self, validation: FrameStore, fitted: tuple[Mnemosyne, Scoring]
    ) -> None:
        network, scoring = fitted
        states = states_of(network, validation, TINY_SPEC, seed=SEED)
        with torch.no_grad():
            own = nn.functional.linear(states.hidden, network.convergence.weight, network.convergence.bias)[:, 1]
        assert own.std() > 0
        plain = unit_vector_scoring(TINY_SIZES.hidden)
        constants = [cost_of(states, np.full(len(own), level), plain) for level in np.arange(-8.0, 8.0, 0.5)]
        assert cost_of(states, own.double().numpy(), scoring) <= min(constants)


def cost_of(states: States, log_variance: Array, scoring: Scoring) -> float:
    """Cost of the runtime's score on all pairs of states."""
    unit, person = unit_rows(states.hidden.numpy()), states.person.numpy()
    scores = likelihood_ratio_scores(scoring, unit, log_variance, unit, log_variance)
    same = person[:, None] == person
    genuine, impostor = scores[same & ~np.eye(len(person), dtype=bool)], scores[~same]
    return float(0.5 * (np.logaddexp(0.0, -genuine).mean() + np.logaddexp(0.0, impostor).mean()))
