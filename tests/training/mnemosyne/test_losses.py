"""Each term of the loss, recomputed naively, and the defects of the original that must not come back.

The original had one hinge for the whole batch, normalised by the norm of the whole batch, added the
convergence as a constant, and gave velocity no gradient at all (architectures, 1.7).
"""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from crystaledge.identity.matching import unit_rows
from crystaledge_training.mnemosyne.losses import (
    CrystallizationLoss,
    LossConfig,
    LossTerms,
    convergence_loss,
    step_weights,
    uniformity_loss,
    velocity_loss,
)
from crystaledge_training.mnemosyne.rollout import Trajectory, roll_out
from tests.training.builders import random_faces, tiny_network, trajectory_of


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def loss_of(
    people: int = 4, hidden: int = 2, encoding: int = 3, config: LossConfig | None = None
) -> CrystallizationLoss:
    torch.manual_seed(0)
    return CrystallizationLoss(people=people, hidden=hidden, encoding=encoding, config=config or LossConfig())


def backward(value: Tensor) -> None:
    value.backward()  # type: ignore[no-untyped-call]


def gradient(tensor: Tensor) -> Tensor:
    assert tensor.grad is not None
    return tensor.grad


def on_circle(*degrees: float) -> Tensor:
    """Unit vectors in the plane."""
    angles = torch.tensor(degrees).deg2rad()
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def ragged(
    people: int, sizes: tuple[int, ...] = (3, 1), *, hidden: int = 5, seed: int = 0
) -> tuple[Trajectory, Tensor]:
    """Two sequences of each person, of `sizes` frames in turn, with everything drawn at random."""
    lengths = torch.tensor([sizes[i % len(sizes)] for i in range(people) for _ in range(2)])
    steps = int(lengths.max())
    valid = torch.arange(steps)[:, None] < lengths[None, :]
    shape = (steps, 2 * people)
    trajectory = trajectory_of(
        draw(*shape, hidden, seed=seed),
        velocity=draw(*shape, seed=seed + 1).sigmoid(),
        log_variance=draw(*shape, seed=seed + 2),
        encoding=draw(*shape, 3, seed=seed + 3).abs() * valid[..., None],
        valid=valid,
    )
    return trajectory, torch.arange(people).repeat_interleave(2)


class TestTriplet:
    """The hinge, through the very objects that training uses."""

    @pytest.mark.parametrize(
        ("positive_degrees", "negative_cosine", "expected"),
        [(0.0, 0.0, 0.0), (90.0, 0.9, 1.2)],
        ids=["a.p=1, a.n=0", "a.p=0, a.n=0.9"],
    )
    def test_golden_numbers(self, positive_degrees: float, negative_cosine: float, expected: float) -> None:
        negative_degrees = math.degrees(math.acos(negative_cosine))
        embeddings = on_circle(0.0, positive_degrees, negative_degrees)
        indices = (torch.tensor([0]), torch.tensor([1]), torch.tensor([2]))
        loss = loss_of(config=LossConfig(triplet_margin=0.3))
        value = loss.triplet(embeddings, torch.tensor([0, 0, 1]), indices)
        assert value.item() == pytest.approx(expected, abs=1e-6)

    def test_golden_numbers_at_the_margin(self) -> None:
        # cos 0 - cos 45.57 deg is the margin: just inside costs a little, just outside nothing.
        margin_degrees = math.degrees(math.acos(0.7))
        indices = (torch.tensor([0]), torch.tensor([1]), torch.tensor([2]))
        loss, labels = loss_of(config=LossConfig(triplet_margin=0.3)), torch.tensor([0, 0, 1])
        assert loss.triplet(on_circle(0.0, 0.0, margin_degrees + 1.0), labels, indices).item() == 0.0
        assert loss.triplet(on_circle(0.0, 0.0, margin_degrees - 1.0), labels, indices).item() > 0.0

    @pytest.mark.parametrize("seed", range(4))
    def test_hardest_triplets_are_mined_and_each_has_its_own_hinge(self, seed: int) -> None:
        hidden, labels = draw(8, 5, seed=seed), torch.arange(4).repeat_interleave(2)
        unit = hidden.double().numpy() / np.linalg.norm(hidden.double().numpy(), axis=1, keepdims=True)
        hinges = []
        for anchor in range(8):
            cosines = {other: float(unit[anchor] @ unit[other]) for other in range(8) if other != anchor}
            positive = min(c for other, c in cosines.items() if labels[other] == labels[anchor])
            negative = max(c for other, c in cosines.items() if labels[other] != labels[anchor])
            hinges.append(max(0.0, negative - positive + 0.3))
        active = [h for h in hinges if h > 0]
        loss = loss_of(hidden=5)
        found = loss(trajectory_of(hidden[None]), labels, labels).triplet.item()
        assert found == pytest.approx(sum(active) / len(active), rel=1e-5)

    def bad_among_good(self, copies: int) -> tuple[Tensor, Tensor]:
        """`copies` people who are told apart with ease, and one pair that lies on top of another person.

        Persons 0 to copies - 1 sit on axes of their own; person `copies` has one sequence on its own
        axis and one on the axis of person 0.
        """
        axes = torch.eye(copies + 1)
        good = axes[:copies].repeat_interleave(2, dim=0)
        bad = torch.stack([axes[copies], axes[0]])
        return torch.cat([good, bad]), torch.arange(copies + 1).repeat_interleave(2)

    @pytest.mark.parametrize("copies", [2, 8, 30])
    def test_one_bad_triplet_keeps_its_gradient_among_any_number_of_good_ones(self, copies: int) -> None:
        states, labels = self.bad_among_good(copies)
        gaps = []
        unit = states.numpy()
        for row in range(len(unit)):
            same = [unit[row] @ unit[o] for o in range(len(unit)) if o != row and labels[o] == labels[row]]
            other = [unit[row] @ unit[o] for o in range(len(unit)) if labels[o] != labels[row]]
            gaps.append(min(same) - max(other))
        if copies >= 8:
            # The original's single hinge over the batch average has been satisfied here, gradient 0.
            assert np.mean(gaps) > 0.3
        hidden = states.clone().requires_grad_(True)
        loss = loss_of(people=copies + 1, hidden=copies + 1)
        backward(loss(trajectory_of(hidden[None]), labels, labels).triplet)
        norms = gradient(hidden).norm(dim=1)
        assert norms[-2:].min() > 1e-2
        assert not norms[2:-2].any()  # those who are told apart with ease are left alone

    def test_good_triplets_do_not_dilute_a_bad_one(self) -> None:
        norms = []
        for copies in (2, 30):
            states, labels = self.bad_among_good(copies)
            hidden = states.requires_grad_(True)
            loss = loss_of(people=copies + 1, hidden=copies + 1)
            backward(loss(trajectory_of(hidden[None]), labels, labels).triplet)
            norms.append(gradient(hidden)[-1].norm().item())
        assert norms[1] == pytest.approx(norms[0], rel=1e-5)

    def test_the_order_of_the_batch_does_not_matter(self) -> None:
        states, labels = self.bad_among_good(8)
        states = states + 0.05 * draw(*states.shape)
        order = torch.randperm(len(states), generator=torch.Generator().manual_seed(1))
        loss = loss_of(people=9, hidden=9)
        gradients = []
        for rows in (torch.arange(len(states)), order):
            hidden = states[rows].requires_grad_(True)
            backward(loss(trajectory_of(hidden[None]), labels[rows], labels[rows]).triplet)
            gradients.append(gradient(hidden))
        torch.testing.assert_close(gradients[0][order], gradients[1])
        assert gradients[0].abs().max() > 1e-3

    def test_every_step_counts_with_its_weight(self) -> None:
        trajectory, labels = ragged(4)
        loss = loss_of(hidden=5)
        weights = step_weights(trajectory.valid)
        single = [loss(trajectory_of(h[None]), labels, labels).triplet for h in trajectory.hidden]
        expected = sum(float(w) * float(s) for w, s in zip(weights, single, strict=True))
        assert loss(trajectory, labels, labels).triplet.item() == pytest.approx(expected, rel=1e-5)
        assert min(float(s) for s in single) > 0


@pytest.mark.parametrize("factor", [0.01, 100.0])
def test_scaling_one_state_changes_no_term_that_compares_identities(factor: float) -> None:
    # The original divided by the norm of the whole batch, so one long row shrank all others.
    states, labels = draw(1, 8, 5), torch.arange(4).repeat_interleave(2)
    scale = torch.ones(1, 8, 1)
    scale[0, 3] = factor
    loss = loss_of(hidden=5)
    plain_leaf, scaled_leaf = states.clone().requires_grad_(True), (states * scale).requires_grad_(True)
    plain = loss(trajectory_of(plain_leaf), labels, labels)
    scaled = loss(trajectory_of(scaled_leaf), labels, labels)
    for term in ("triplet", "classes", "uniformity"):
        assert getattr(scaled, term).item() == pytest.approx(getattr(plain, term).item(), abs=1e-5), term
    backward(plain.triplet + plain.classes + plain.uniformity)
    backward(scaled.triplet + scaled.classes + scaled.uniformity)
    others = [row for row in range(8) if row != 3]
    torch.testing.assert_close(gradient(scaled_leaf)[0, others], gradient(plain_leaf)[0, others], atol=1e-5, rtol=1e-4)
    assert gradient(plain_leaf)[0, others].abs().amax(dim=1).min() > 1e-4


class TestStepWeights:
    def test_are_proportional_to_the_step_and_to_the_share_of_sequences_still_there(self) -> None:
        valid = torch.tensor([[True, True, True, True], [True, True, True, False], [True, False, False, False]])
        raw = [1 * 4 / 4, 2 * 3 / 4, 3 * 1 / 4]
        expected = [r / sum(raw) for r in raw]
        assert step_weights(valid).tolist() == pytest.approx(expected)

    def test_sum_to_one_and_grow_for_full_sequences(self) -> None:
        weights = step_weights(torch.ones(6, 3, dtype=torch.bool))
        assert weights.sum().item() == pytest.approx(1.0)
        assert (weights.diff() > 0).all()
        assert weights[0] > 0


class TestUniformity:
    def test_by_naive_recomputation(self) -> None:
        hidden, labels = draw(6, 4), torch.tensor([0, 0, 1, 1, 2, 2])
        unit = unit_rows(hidden.numpy())
        terms = [
            math.exp(-2.0 * float(((unit[i] - unit[j]) ** 2).sum()))
            for i in range(6)
            for j in range(i)
            if labels[i] != labels[j]
        ]
        assert uniformity_loss(hidden, labels).item() == pytest.approx(math.log(sum(terms) / len(terms)), rel=1e-5)

    def test_is_lowest_where_people_are_far_apart(self) -> None:
        labels = torch.tensor([0, 1])
        together, apart = uniformity_loss(on_circle(0, 1), labels), uniformity_loss(on_circle(0, 180), labels)
        assert together.item() == pytest.approx(0.0, abs=1e-2)
        assert apart.item() == pytest.approx(-8.0, abs=1e-2)

    def test_a_batch_of_one_person_has_nothing_to_push_apart(self) -> None:
        assert uniformity_loss(draw(2, 4), torch.tensor([0, 0])).item() == 0.0


class TestConvergence:
    def test_by_naive_recomputation(self) -> None:
        trajectory, _ = ragged(3)
        hidden = trajectory.hidden.double().numpy()
        terms = []
        for t, s in zip(*np.nonzero(trajectory.valid.numpy()), strict=True):
            if t > 0:  # the first step leaves the zero state and has to move
                moved = math.sqrt(((hidden[t, s] - hidden[t - 1, s]) ** 2).mean())
                terms.append(max(0.0, moved - 0.1) ** 2)
        assert convergence_loss(trajectory, 0.1).item() == pytest.approx(np.mean(terms), rel=1e-5)

    def test_a_state_that_moves_less_than_the_target_costs_nothing(self) -> None:
        hidden = torch.ones(3, 2, 4)
        hidden[1:] += 0.05
        assert convergence_loss(trajectory_of(hidden), 0.1).item() == 0.0
        assert convergence_loss(trajectory_of(hidden), 0.01).item() > 0.0

    def test_a_batch_without_second_steps_costs_nothing_and_can_be_differentiated(self) -> None:
        hidden = draw(1, 4, 5).requires_grad_(True)
        value = convergence_loss(trajectory_of(hidden), 0.1)
        backward(value)
        assert value.item() == 0.0
        assert not gradient(hidden).any()

    def test_reaches_the_recurrent_cell(self) -> None:
        # The original added it as a constant.
        network = tiny_network()
        trajectory = roll_out(network, random_faces(6), torch.ones(3, 2, dtype=torch.bool))
        backward(convergence_loss(trajectory, 0.0))
        for weight in (network.cell.weight_hh, network.cell.weight_ih):
            assert gradient(weight).abs().max() > 1e-5

    def test_a_descent_step_on_the_cell_slows_the_state_down(self) -> None:
        network = tiny_network()
        faces, valid = random_faces(6), torch.ones(3, 2, dtype=torch.bool)
        before = convergence_loss(roll_out(network, faces, valid), 0.0)
        backward(before)
        with torch.no_grad():
            for weight in network.cell.parameters():
                weight.sub_(gradient(weight), alpha=0.1)
            after = convergence_loss(roll_out(network, faces, valid), 0.0)
        assert after < before


class TestVelocity:
    def test_by_naive_recomputation(self) -> None:
        trajectory, _ = ragged(3)
        hidden = trajectory.hidden.double().numpy()
        terms, clamped = [], 0
        for t, s in zip(*np.nonzero(trajectory.valid.numpy()), strict=True):
            before = hidden[t - 1, s] if t else 0.0
            moved = math.sqrt(((hidden[t, s] - before) ** 2).mean())
            clamped += moved > 1.0
            terms.append((float(trajectory.velocity[t, s]) - min(moved, 1.0)) ** 2)
        assert 0 < clamped < len(terms)  # a velocity is at most 1; both cases are here
        assert velocity_loss(trajectory).item() == pytest.approx(np.mean(terms), rel=1e-5)

    def test_trains_the_velocity_row_of_the_convergence_head_and_only_that(self) -> None:
        # In the original nothing trained this head.
        network = tiny_network()
        backward(velocity_loss(roll_out(network, random_faces(6), torch.ones(3, 2, dtype=torch.bool))))
        rows = gradient(network.convergence.weight).abs().amax(dim=1)
        assert rows[0] > 1e-4
        assert rows[1] == 0.0

    def test_does_not_move_the_state_to_make_the_prediction_come_true(self) -> None:
        hidden = draw(3, 2, 4).requires_grad_(True)
        velocity = torch.full((3, 2), 0.5, requires_grad=True)
        backward(velocity_loss(trajectory_of(hidden, velocity=velocity)))
        assert hidden.grad is None or not hidden.grad.any()
        assert gradient(velocity).abs().min() > 0

    def test_is_zero_at_the_measured_movement(self) -> None:
        hidden = torch.full((1, 1, 4), 0.25)
        assert velocity_loss(trajectory_of(hidden, velocity=torch.tensor([[0.25]]))).item() == pytest.approx(0.0)


class TestClasses:
    @staticmethod
    def naive(head: Any, rows: Tensor, owners: Tensor, people: int) -> float:
        """Cross-entropy over scaled cosines to the class weights, a margin off the right one; per log people."""
        weights = head.W.detach().double().numpy()
        weights = weights / np.linalg.norm(weights, axis=0)
        unit = rows.double().numpy() / np.linalg.norm(rows.double().numpy(), axis=1, keepdims=True)
        losses = []
        for cosines, owner in zip(unit @ weights, owners.tolist(), strict=True):
            logits = 12.0 * cosines
            logits[owner] -= 12.0 * 0.1
            losses.append(math.log(np.exp(logits).sum()) - logits[owner])
        return float(np.mean(losses)) / math.log(people)

    def test_states_by_naive_recomputation(self) -> None:
        trajectory, people = ragged(4)
        loss = loss_of(hidden=5)
        expected = sum(
            float(w) * self.naive(loss.classes, h, people, 4)
            for w, h in zip(step_weights(trajectory.valid), trajectory.hidden, strict=True)
        )
        assert loss(trajectory, people, people).classes.item() == pytest.approx(expected, rel=1e-5)

    def test_encodings_by_naive_recomputation_leave_padding_out(self) -> None:
        trajectory, people = ragged(4)
        loss = loss_of(hidden=5)
        places = list(zip(*np.nonzero(trajectory.valid.numpy()), strict=True))
        rows = torch.stack([trajectory.encoding[t, s] for t, s in places])
        owners = torch.stack([people[s] for _, s in places])
        expected = self.naive(loss.encodings, rows, owners, 4)
        assert loss(trajectory, people, people).encoding.item() == pytest.approx(expected, rel=1e-5)

    def test_single_frames_by_naive_recomputation(self) -> None:
        loss, encodings, people = loss_of(), draw(6, 3).abs(), torch.tensor([0, 3, 1, 1, 2, 0])
        assert loss.frame_loss(encodings, people).item() == pytest.approx(
            self.naive(loss.encodings, encodings, people, 4), rel=1e-5
        )

    def test_people_are_those_of_the_training_set_and_labels_those_of_the_batch(self) -> None:
        trajectory, labels = ragged(3)
        loss = loss_of(people=9, hidden=5)
        first, second = loss(trajectory, labels, labels), loss(trajectory, labels, labels + 5)
        assert first.triplet == second.triplet
        assert first.classes != second.classes
        assert first.encoding != second.encoding


def test_the_total_is_the_weighted_sum_of_the_terms() -> None:
    names = [field.name for field in fields(LossTerms) if field.name != "total"]
    weights = {name: 0.25 * (index + 1) for index, name in enumerate(names)}
    weights_by_field = {f"{'class' if n == 'classes' else n}_weight": w for n, w in weights.items()}
    assert {f.name for f in fields(LossConfig) if f.name.endswith("_weight")} == set(weights_by_field)
    trajectory, labels = ragged(4)
    terms = loss_of(hidden=5, config=LossConfig(**weights_by_field))(trajectory, labels, labels)
    named = {name: getattr(terms, name).item() for name in names}
    assert all(value != 0.0 for value in named.values())
    expected = sum(weights[name] * value for name, value in named.items())
    assert terms.total.item() == pytest.approx(expected, rel=1e-5)


def test_the_total_trains_every_parameter_of_the_network_and_of_the_heads() -> None:
    network = tiny_network().train()
    loss = loss_of(people=4, hidden=8, encoding=12)
    people = torch.arange(4).repeat_interleave(2)
    trajectory = roll_out(network, random_faces(24), torch.ones(3, 8, dtype=torch.bool))
    backward(loss(trajectory, people, people).total)
    # Batch norm takes a constant out again, so the biases in front of it cannot learn, here as anywhere.
    before_norm = {f"{n}.0.bias" for n, m in network.named_modules() if isinstance(m, nn.Sequential) and len(m) == 2}
    named = dict(network.named_parameters()) | {f"loss.{n}": p for n, p in loss.named_parameters()}
    idle = {name for name, p in named.items() if p.grad is None or gradient(p).abs().max() < 1e-6}
    assert idle <= before_norm
    # The log-variance is fitted afterwards, on identities that no longer change.
    assert not gradient(network.convergence.weight)[1].any()
    assert not gradient(network.convergence.bias)[1].any()
