"""Weight initialisation of the published systems (reference: architectures, 0.3)."""

from __future__ import annotations

import math

from torch import Tensor, nn


def fan_in_uniform_(weight: Tensor) -> None:
    """Fill with U(-b, b), b = sqrt(6 / fan_in); fan_in = product of all axes but the first."""
    bound = math.sqrt(6.0 / weight[0].numel())
    nn.init.uniform_(weight, -bound, bound)


def initialise(module: nn.Module) -> None:
    """Initialise one layer in place, for use with `Module.apply`.

    Convolution and linear: `fan_in_uniform_`, bias 0. GRU cell: both matrices U(-b, b) with
    b = sqrt(6 / (fan_in + 3 H)), biases 0. Other layers keep PyTorch's values.
    """
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        fan_in_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.GRUCell):
        for weight in (module.weight_ih, module.weight_hh):
            bound = math.sqrt(6.0 / (weight.shape[1] + weight.shape[0]))
            nn.init.uniform_(weight, -bound, bound)
        nn.init.zeros_(module.bias_ih)
        nn.init.zeros_(module.bias_hh)
