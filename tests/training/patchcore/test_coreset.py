"""The greedy k-centre choice against its definition, recomputed naively."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from crystaledge_training.patchcore.coreset import PROJECTED_DIMS, greedy_coreset, projected


def points(count: int, dims: int = 6, *, seed: int = 0) -> Tensor:
    return torch.randn(count, dims, generator=torch.Generator().manual_seed(seed))


def reach(patches: Tensor, chosen: list[int]) -> Tensor:
    """Distance of each patch to the nearest chosen one."""
    return torch.cdist(patches.double(), patches[chosen].double()).amin(dim=1)


def naive(patches: Tensor, count: int, first: int) -> list[int]:
    """Always the one that is furthest from all that were chosen."""
    chosen = [first]
    while len(chosen) < count:
        chosen.append(int(reach(patches, chosen).argmax()))
    return chosen


@pytest.mark.parametrize("seed", range(5))
def test_each_row_is_the_farthest_from_those_before_it(seed: int) -> None:
    patches = points(200, seed=seed)
    found = greedy_coreset(patches, 20, seed=seed).tolist()
    assert found == naive(patches, 20, found[0])


def test_a_shift_of_all_patches_changes_nothing_but_rounding() -> None:
    patches = points(150)
    assert greedy_coreset(patches, 15, seed=1).tolist() == greedy_coreset(patches + 300.0, 15, seed=1).tolist()


def test_leaves_no_patch_far_away_unlike_a_random_choice() -> None:
    # Two dense clouds and a few strays: strays are what uniform choices miss.
    patches = torch.cat([0.1 * points(500, seed=1), 8.0 + 0.1 * points(500, seed=2), 4.0 * points(10, seed=3)])
    found = reach(patches, greedy_coreset(patches, 20, seed=0).tolist()).max()
    drawn = torch.randperm(len(patches), generator=torch.Generator().manual_seed(0))[:20].tolist()
    assert found < 0.5 * reach(patches, drawn).max()


def test_reaches_at_most_twice_as_far_as_the_best_choice_could() -> None:
    # Gonzalez, 1985: with k centres the greedy radius is at most twice the optimal one. Three clouds need three.
    patches = torch.cat([0.1 * points(50, seed=i) + 10.0 * i for i in range(3)])
    best = max(float(torch.cdist(c, c.mean(dim=0, keepdim=True)).max()) for c in patches.reshape(3, 50, -1))
    assert reach(patches, greedy_coreset(patches, 3, seed=2).tolist()).max() <= 2.0 * best + 1e-6


def test_equal_seeds_choose_alike_and_others_start_elsewhere() -> None:
    patches = points(100, dims=PROJECTED_DIMS + 40)
    first = greedy_coreset(patches, 10, seed=3)
    assert np.array_equal(first, greedy_coreset(patches, 10, seed=3))
    assert {int(greedy_coreset(patches, 1, seed=seed)[0]) for seed in range(8)} != {int(first[0])}


def test_copies_are_chosen_once() -> None:
    patches = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]).repeat(20, 1)
    found = greedy_coreset(patches, 10, seed=0)
    assert len(found) == 3 and len(torch.unique(patches[torch.from_numpy(found)], dim=0)) == 3


def test_no_more_come_back_than_there_are() -> None:
    assert sorted(greedy_coreset(points(4), 10, seed=0).tolist()) == [0, 1, 2, 3]
    assert greedy_coreset(points(1), 5, seed=0).tolist() == [0]


def test_tells_how_far_it_is() -> None:
    said: list[int] = []
    greedy_coreset(points(30), 6, seed=0, progress=said.append)
    assert said == [2, 3, 4, 5, 6]


def test_projections_keep_distances_of_long_patches() -> None:
    patches = points(60, dims=400)
    near = projected(patches, torch.Generator().manual_seed(0))
    assert near.shape == (60, PROJECTED_DIMS)
    ratio = torch.pdist(near) / torch.pdist(patches)
    assert ratio.min() > 0.6 and ratio.max() < 1.5 and abs(float(ratio.mean()) - 1.0) < 0.1


def test_short_patches_are_not_projected() -> None:
    patches = points(10)
    torch.testing.assert_close(projected(patches, torch.Generator()), patches - patches.mean(dim=0))
