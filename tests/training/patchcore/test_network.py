"""PatchCore's network: features of cells, the nearest row by brute force, a memory that a checkpoint brings back."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from crystaledge.anomaly.bank import Bank
from crystaledge.errors import DataError
from crystaledge_training.anomaly.backbone_kind import BackboneKind
from crystaledge_training.patchcore.config import PUBLISHED_PATCHES, PatchCoreConfig
from crystaledge_training.patchcore.network import NearestDistance, Patches, PatchFeatures
from tests.training.patchcore.builders import SIZES, random_network


def image(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class TestNearestDistance:
    @pytest.mark.parametrize("scale", [0.1, 30.0])
    def test_is_that_of_brute_force(self, scale: float) -> None:
        bank, features = scale * image(50, 12), scale * image(2, 12, 5, 7, seed=1)
        search = NearestDistance(50, 12)
        search.remember(bank)
        found = search(features)
        cells = features.permute(0, 2, 3, 1).reshape(-1, 12)
        expected = (cells[:, None].double() - bank[None].double()).square().sum(dim=2).sqrt().amin(dim=1)
        assert found.shape == (2, 1, 5, 7)
        torch.testing.assert_close(found.flatten().double(), expected, rtol=1e-4, atol=1e-4 * scale)

    def test_of_a_remembered_patch_is_nearly_nothing_and_never_nan(self) -> None:
        bank = 40.0 + image(30, 12)
        search = NearestDistance(30, 12)
        search.remember(bank)
        found = search(bank.T[None, :, None, :])
        assert torch.isfinite(found).all() and found.max() < 0.1


class TestFeatures:
    def test_of_a_level_are_the_mean_of_its_neighbourhood_inside_the_image(self) -> None:
        config = replace(SIZES, levels=(8,), bank_rows=1)
        features = PatchFeatures(config, pretrained=False)
        (level,) = features.backbone(image(1, 3, 40, 56))
        found = features(image(1, 3, 40, 56))
        for y, x in ((0, 0), (2, 3), (4, 6)):
            around = level[0, :, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
            torch.testing.assert_close(found[0, :, y, x], around.mean(dim=(1, 2)))

    def test_of_coarser_levels_are_brought_to_the_finest_ones_cells(self) -> None:
        features = PatchFeatures(replace(SIZES, neighbourhood=1), pretrained=False)
        fine, coarse = features.backbone(image(2, 3, 32, 48))
        found = features(image(2, 3, 32, 48))
        assert found.shape == (2, SIZES.bank_dims, 8, 12)
        assert torch.equal(found[:, : fine.shape[1]], fine)
        wide = functional.interpolate(coarse, size=(8, 12), mode="bilinear", align_corners=False)
        torch.testing.assert_close(found[:, fine.shape[1] :], wide)

    @pytest.mark.parametrize("size_hw", [(33, 47), (8, 100), (5, 5)])
    def test_sides_need_not_be_multiples_of_anything(self, size_hw: tuple[int, int]) -> None:
        found: Patches = random_network()(image(1, 3, *size_hw))
        assert found.distance.shape[2:] == tuple(-(-side // 4) for side in size_hw)
        assert torch.isfinite(found.distance).all()


class TestPatchCore:
    def test_distances_are_those_of_the_runtimes_bank(self) -> None:
        network = random_network()
        found = network(image(1, 3, 32, 32))
        queries = found.features[0].flatten(1).T.contiguous().numpy()
        exact, _ = Bank(network.bank.numpy()).nearest(queries)
        torch.testing.assert_close(found.distance.flatten(), torch.from_numpy(exact), rtol=1e-4, atol=1e-4)

    def test_the_memory_has_float16s_values(self) -> None:
        network = random_network()
        assert torch.equal(network.bank, network.bank.half().float())
        assert not torch.equal(network.bank, torch.zeros_like(network.bank))

    def test_the_memory_is_kept_once_and_searched_when_it_comes_back(self) -> None:
        network, other = random_network(seed=1), random_network(seed=2)
        kept = network.state_dict()
        assert [name for name in kept if "bank" in name or "search" in name] == ["bank"]
        assert not torch.equal(network(image(1, 3, 32, 32)).distance, other(image(1, 3, 32, 32)).distance)
        other.load_state_dict(kept)
        assert torch.equal(network(image(1, 3, 32, 32)).distance, other(image(1, 3, 32, 32)).distance)

    def test_where_the_host_searches_only_features_come_out(self) -> None:
        inside, outside = random_network(), random_network(replace(SIZES, search_in_graph=False))
        (features,) = outside(image(1, 3, 32, 32))
        assert torch.equal(features, inside(image(1, 3, 32, 32)).features)

    def test_nothing_of_it_trains_and_images_of_a_batch_do_not_meet(self) -> None:
        network = random_network().train()
        assert not any(parameter.requires_grad for parameter in network.parameters())
        pair = image(2, 3, 32, 32)
        torch.testing.assert_close(network(pair).distance[1:], network(pair[1:]).distance, rtol=1e-5, atol=1e-5)


class TestConfig:
    def test_a_patch_is_as_long_as_its_levels_together(self) -> None:
        assert PatchCoreConfig().bank_dims == 40 + 112
        assert PatchFeatures(SIZES, pretrained=False)(image(1, 3, 16, 16)).shape[1] == SIZES.bank_dims

    def test_the_published_sizes_are_the_originals(self) -> None:
        network = random_network(PUBLISHED_PATCHES)
        # Reference: architectures, 6.1; 64 patches of an image of 64 x 64 px.
        assert sum(parameter.numel() for parameter in network.backbone.parameters()) == 371_712
        assert network(image(1, 3, 64, 64)).features.shape == (1, 256, 8, 8)

    def test_a_neighbourhood_has_a_middle(self) -> None:
        with pytest.raises(DataError, match="4 cells has no middle"):
            replace(SIZES, neighbourhood=4)

    def test_levels_are_those_of_the_backbone(self) -> None:
        with pytest.raises(DataError, match=r"no levels \[32\]"):
            random_network(PatchCoreConfig(backbone=BackboneKind.PUBLISHED, levels=(32,)))
