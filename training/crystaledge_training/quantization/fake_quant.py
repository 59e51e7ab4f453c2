"""Attaches int8 rounding to a module made of convolutions, linear layers and GRU cells, where the graph has Q/DQ.

What each matrix product reads is rounded with one range a tensor, and its weight with one scale an output
channel; biases, activations and sums stay in float. Where both convolutions of a residual sum are rounded, so
is what its skip branch adds, as TensorRT wants it. Which products read the very same tensor is found in a
traced forward, since the graph has one quantizer there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils import parametrize

from crystaledge.errors import DataError
from crystaledge_training.quantization.gru import GemmGRUCell, spell_out_gru_cells
from crystaledge_training.quantization.rounding import ActivationRange, WeightRounding
from crystaledge_training.quantization.trace import Site, Slot, Trace

_RANGE = "range."
_SKIP_RANGE = "skip_range."


def attach(
    module: nn.Module,
    *example: Tensor,
    keep_float: Collection[str] = (),
) -> None:
    """Attach rounding to a module, in place; ranges are 1 until they are set.

    Args:
        example: arguments of one forward call, to find out who reads the same tensor.
        keep_float: names of weights whose products stay float, such as `encoder.projection.weight`.

    Raises:
        DataError: a layer that cannot be quantized so, or one that the forward call does not use.
    """
    _refuse_others(module)
    spell_out_gru_cells(module)
    _refuse_unknown(module, keep_float)
    trace = Trace(module)
    with torch.no_grad(), trace:
        module(*example)
    sites = [site for name, layer in module.named_modules() for site in _sites(name, layer)]
    _give_ranges(trace, [site for site in sites if _weight_of(site) not in keep_float])
    _give_skip_ranges(trace)
    for name, layer in list(module.named_modules()):
        for weight in _weights(layer):
            if _joined(name, weight) not in keep_float:
                parametrize.register_parametrization(layer, weight, WeightRounding())


def activation_ranges(module: nn.Module) -> dict[str, ActivationRange]:
    """Ranges by the name they have in the artifact: `range.<weight>` of what that weight is multiplied with.

    A shared range is there under each of its names; `skip_range.<weight>` is of what its layer adds to a residual sum.
    """
    found: dict[str, ActivationRange] = {}
    for name, layer in module.named_modules():
        for slot, label in _labels(layer):
            held = getattr(layer, slot.value, None)
            if isinstance(held, ActivationRange):
                prefix, weight = label.split(".")
                found[f"{prefix}.{_joined(name, weight)}"] = held
    return found


def float_parameters(module: nn.Module) -> dict[str, Tensor]:
    """Weights before rounding, and biases, by the names they had before rounding was attached."""
    return {
        name.replace("parametrizations.", "").removesuffix(".original"): parameter
        for name, parameter in module.named_parameters()
        if not name.endswith("log_amax")
    }


def _labels(layer: nn.Module) -> Iterator[tuple[Slot, str]]:
    if isinstance(layer, GemmGRUCell):
        yield Slot.INPUT, f"{_RANGE}weight_ih"
        yield Slot.STATE, f"{_RANGE}weight_hh"
    elif isinstance(layer, (nn.Conv2d, nn.Linear)):
        yield Slot.INPUT, f"{_RANGE}weight"
        yield Slot.OUTPUT, f"{_SKIP_RANGE}weight"


def _weights(layer: nn.Module) -> tuple[str, ...]:
    if isinstance(layer, GemmGRUCell):
        return ("weight_ih", "weight_hh")
    return ("weight",) if isinstance(layer, (nn.Conv2d, nn.Linear)) else ()


def _weight_of(site: Site) -> str:
    """Name of the weight that a site's tensor is multiplied with."""
    if isinstance(site.layer, GemmGRUCell):
        return _joined(site.name, "weight_hh" if site.slot is Slot.STATE else "weight_ih")
    return _joined(site.name, "weight")


def _joined(layer: str, weight: str) -> str:
    return f"{layer}.{weight}" if layer else weight


def _refuse_unknown(module: nn.Module, names: Collection[str]) -> None:
    known = {_joined(name, weight) for name, layer in module.named_modules() for weight in _weights(layer)}
    for name in names:
        if name not in known:
            msg = f"There is no weight {name!r} to keep in float; there are {', '.join(sorted(known))}."
            raise DataError(msg)


def _sites(name: str, layer: nn.Module) -> list[Site]:
    if isinstance(layer, GemmGRUCell):
        return [Site(name, layer, Slot.INPUT), Site(name, layer, Slot.STATE)]
    return [Site(name, layer, Slot.INPUT)] if isinstance(layer, (nn.Conv2d, nn.Linear)) else []


def _give_ranges(trace: Trace, sites: list[Site]) -> None:
    by_tensor: dict[int, ActivationRange] = {}
    for site in sites:
        tensors = trace.read_by(site)
        if not tensors:
            msg = f"The layer {site.name!r} is not used by the traced forward call; nothing is known about its input."
            raise DataError(msg)
        shared = next((by_tensor[t] for t in tensors if t in by_tensor), None) or ActivationRange()
        by_tensor.update(dict.fromkeys(tensors, shared))
        setattr(site.layer, site.slot.value, shared)
        if not isinstance(site.layer, GemmGRUCell):
            site.layer.register_forward_pre_hook(_round_input)


def _give_skip_ranges(trace: Trace) -> None:
    for main, skip in trace.sums():
        if all(hasattr(layer, Slot.INPUT.value) for layer in (main, skip)):
            setattr(skip, Slot.OUTPUT.value, ActivationRange())
            skip.register_forward_hook(_round_output)


# Hooks are plain functions that look into the layer they are called for, so that copies of a module have their own.
def _round_input(layer: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    held = getattr(layer, Slot.INPUT.value)
    return (held(arguments[0]), *arguments[1:])


def _round_output(layer: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> Tensor:
    rounded: Tensor = getattr(layer, Slot.OUTPUT.value)(output)
    return rounded


def _refuse_others(module: nn.Module) -> None:
    for name, layer in module.named_modules():
        other_convolution = isinstance(layer, _ConvNd) and not isinstance(layer, nn.Conv2d)
        other_recurrent = isinstance(layer, (nn.RNNBase, nn.RNNCellBase)) and not isinstance(layer, nn.GRUCell)
        if other_convolution or other_recurrent or isinstance(layer, _BatchNorm):
            msg = (
                f"The layer {name!r} is a {type(layer).__name__}; quantization-aware training knows Conv2d, Linear and "
                "GRUCell, with batch norm folded into them."
            )
            raise DataError(msg)
