"""dlib's network and the reader of its file, on a file that is written here in dlib's own way."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from crystaledge.errors import DataError
from crystaledge_training.distillation.dlib_file import read_dlib_resnet
from crystaledge_training.distillation.teacher import EMBEDDING, Block, DlibResNet, add_padded


def integer(value: int) -> bytes:
    """dlib's: a byte with the length, then the bytes that are needed."""
    body = value.to_bytes(max(1, math.ceil(value.bit_length() / 8)), "little")
    return bytes([len(body)]) + body


def layer(name: bytes, values: Tensor, *, before: int = 0) -> bytes:
    numbers = b"".join(integer(n) for n in [7] * before + [2, len(values), 1, 1, 1])
    return bytes([len(name)]) + name + numbers + values.numpy().astype("<f4").tobytes()


def written(network: DlibResNet, affines: list[tuple[Tensor, Tensor]]) -> bytes:
    """A file with these convolutions and affine layers; the first convolution has no bias."""
    parts = [b"\x01\x02 a header"]
    for index, (module, (gamma, beta)) in enumerate(zip(network.convolutions, affines, strict=True)):
        bias = [] if index == 0 or module.bias is None else [module.bias]
        parts.append(layer(b"con_4", torch.cat([module.weight.flatten(), *bias]).detach()))
        parts.append(layer(b"affine_", torch.cat([gamma, beta])))
    parts.append(layer(b"fc_2", network.embedding.weight.detach().T.flatten(), before=2))
    return b"".join(parts)


@pytest.fixture(scope="module")
def drawn() -> tuple[DlibResNet, list[tuple[Tensor, Tensor]], bytes]:
    torch.manual_seed(0)
    network = DlibResNet()
    affines = [(torch.rand(m.out_channels) + 0.5, torch.randn(m.out_channels)) for m in network.convolutions]
    return network, affines, written(network, affines)


class TestNetwork:
    def test_has_dlibs_size(self) -> None:
        network = DlibResNet()
        assert len(network.convolutions) == 29
        assert network.embedding.weight.shape == (EMBEDDING, 256)

    def test_makes_descriptors_of_chips(self) -> None:
        found = DlibResNet()(torch.rand(2, 3, 150, 150) * 255)
        assert found.shape == (2, EMBEDDING)

    def test_a_block_that_halves_pads_the_shortcut(self) -> None:
        x = torch.rand(1, 4, 35, 35)
        assert Block(4, 8, halves=True)(x).shape == (1, 8, 17, 17)
        assert Block(4, 4, halves=False)(x).shape == x.shape

    def test_what_is_missing_in_a_sum_counts_as_nothing(self) -> None:
        a, b = torch.ones(1, 1, 3, 2), torch.ones(1, 2, 2, 3)
        found = add_padded(a, b)[0]
        assert found[0].tolist() == [[2, 2, 1], [2, 2, 1], [1, 1, 0]]
        assert found[1].tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, 0]]


class TestFile:
    def test_affine_layers_are_folded_into_the_convolutions(
        self, drawn: tuple[DlibResNet, list[tuple[Tensor, Tensor]], bytes]
    ) -> None:
        network, affines, raw = drawn
        found = read_dlib_resnet(raw, where="here")
        for index, (ours, plain, (gamma, beta)) in enumerate(
            zip(found.convolutions, network.convolutions, affines, strict=True)
        ):
            x = torch.rand(1, plain.in_channels, 9, 9)
            bias = 0.0 if index == 0 else plain.bias.view(1, -1, 1, 1)  # type: ignore[union-attr]
            without = torch.nn.functional.conv2d(x, plain.weight, None, plain.stride, plain.padding) + bias
            expected = without * gamma.view(1, -1, 1, 1) + beta.view(1, -1, 1, 1)
            torch.testing.assert_close(ours(x), expected, atol=1e-4, rtol=1e-4)
        assert torch.equal(found.embedding.weight, network.embedding.weight)

    def test_the_network_is_frozen(self, drawn: tuple[DlibResNet, list[tuple[Tensor, Tensor]], bytes]) -> None:
        found = read_dlib_resnet(drawn[2], where="here")
        assert not found.training
        assert not any(p.requires_grad for p in found.parameters())

    @pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.9999])
    def test_that_is_cut_off_is_refused(
        self, drawn: tuple[DlibResNet, list[tuple[Tensor, Tensor]], bytes], share: float
    ) -> None:
        with pytest.raises(DataError, match="here does not hold dlib's face recognition network"):
            read_dlib_resnet(drawn[2][: int(len(drawn[2]) * share)], where="here")

    @pytest.mark.parametrize("name", [b"\x05con_4", b"\x07affine_", b"\x04fc_2"])
    def test_that_lacks_a_layer_is_refused(
        self, drawn: tuple[DlibResNet, list[tuple[Tensor, Tensor]], bytes], name: bytes
    ) -> None:
        other = drawn[2].replace(name, b"\x05other"[: len(name)].ljust(len(name), b"_"), 1)
        with pytest.raises(DataError, match="here does not hold"):
            read_dlib_resnet(other, where="here")
