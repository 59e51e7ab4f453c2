"""The wide network: its size, its step by hand, and what makes its state a sum of evidence."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from crystaledge.errors import DataError
from crystaledge_training.mnemosyne.config import WIDE, MnemosyneConfig, Variant
from crystaledge_training.mnemosyne.make_network import make_network
from crystaledge_training.mnemosyne.network import Mnemosyne
from crystaledge_training.mnemosyne.wide import EvidenceSum, WideMnemosyne
from crystaledge_training.parameters import parameter_count


@pytest.fixture
def network() -> WideMnemosyne:
    """Weights that are all at work; inference mode."""
    torch.manual_seed(0)
    made = WideMnemosyne(WIDE)
    torch.nn.init.normal_(made.evidence.weigh.weight, std=0.5)
    return made.eval()


def encodings(count: int, seed: int = 1) -> Tensor:
    return torch.randn(count, WIDE.encoding, generator=torch.Generator().manual_seed(seed)) * 3.0


def test_stays_below_fifty_thousand(network: WideMnemosyne) -> None:
    assert parameter_count(network) == 47_649


def test_variants_are_made_by_their_configuration() -> None:
    assert isinstance(make_network(WIDE), WideMnemosyne)
    assert isinstance(make_network(MnemosyneConfig()), Mnemosyne)
    with pytest.raises(DataError, match="must be equal"):
        MnemosyneConfig(variant=Variant.WIDE)


def test_a_face_gives_the_shapes_and_ranges_it_says(network: WideMnemosyne) -> None:
    step = network(torch.randn(3, 3, 64, 64), network.initial_state(3))
    assert step.hidden.shape == (3, 64)
    for rates in (step.velocity, step.quality):
        assert rates.shape == (3, 1)
        assert ((rates > 0) & (rates < 1)).all()
    assert step.log_variance.shape == (3, 1)


def test_the_step_is_the_formula(network: WideMnemosyne) -> None:
    encoding, hidden, quality = encodings(5), encodings(5, 2), torch.linspace(0.1, 0.9, 5).view(5, 1)
    for row in range(5):
        unit, state = encoding[row] / encoding[row].norm(), hidden[row]
        seen = torch.stack([quality[row, 0].log(), state @ unit / state.norm(), (state.norm() + 0.05).log()])
        factor, share = network.evidence.weigh(torch.tanh(network.evidence.seen(seen)))
        expected = torch.sigmoid(share) * state + quality[row] * factor.exp() * unit
        found = network.absorb(encoding[row : row + 1], quality[row : row + 1], hidden[row : row + 1])
        torch.testing.assert_close(found.hidden[0], expected)
        moved = (expected / expected.norm() - state / state.norm()).norm() / 2
        torch.testing.assert_close(found.velocity[0, 0], moved)


def test_a_new_state_takes_the_first_observation_whatever_its_quality(network: WideMnemosyne) -> None:
    encoding = encodings(4)
    for quality in (1e-4, 0.5, 1.0):
        step = network.absorb(encoding, torch.full((4, 1), quality), network.initial_state(4))
        torch.testing.assert_close(normalize(step.hidden, dim=1), normalize(encoding, dim=1))
        torch.testing.assert_close(step.velocity, torch.full((4, 1), 0.5))


@torch.no_grad()
def test_the_same_observation_moves_a_long_state_less() -> None:
    torch.manual_seed(0)
    fresh, encoding, other = EvidenceSum(), encodings(1), encodings(1, 7)
    state, moves = torch.zeros(1, 64), []
    for _ in range(5):
        moved = fresh(other, torch.full((1, 1), 0.5), state)
        moves.append(float((normalize(moved, dim=1) - normalize(state, dim=1)).norm()))
        state = fresh(encoding, torch.full((1, 1), 0.5), state)
    assert moves == sorted(moves, reverse=True)


@torch.no_grad()
def test_a_poor_observation_moves_the_state_less_than_a_good_one(network: WideMnemosyne) -> None:
    fresh = EvidenceSum()
    state, encoding = encodings(1), encodings(1, 3)
    moved = [float((fresh(encoding, torch.full((1, 1), q), state) - state).norm()) for q in (0.001, 0.1, 0.9)]
    assert moved == sorted(moved)


def test_everything_gets_a_gradient_from_a_zero_state(network: WideMnemosyne) -> None:
    network.train()
    face = torch.randn(4, 3, 64, 64)
    first = network(face, network.initial_state(4))
    second = network(face.flip(0), first.hidden)
    (second.hidden.sum() + second.velocity.sum() + second.log_variance.sum()).backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name
        assert weight.grad.abs().sum() > 0, name


def test_log_variance_is_set_and_falls_with_evidence(network: WideMnemosyne) -> None:
    network.set_log_variance(torch.tensor([-0.5]), -3.0)
    short, long = encodings(1) / 30, encodings(1)
    certainty = network.certainty(torch.cat([short, long]))
    torch.testing.assert_close(network.log_variance(certainty), -0.5 * certainty - 3.0)
    assert certainty[1] > certainty[0]
