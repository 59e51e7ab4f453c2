"""Batch norm folded into the layer before it, as the exporter does: what is trained is what is shipped."""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from crystaledge.errors import DataError

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def fold_batch_norm(module: ModuleT) -> ModuleT:
    """A copy in inference mode whose batch norms are part of the convolution or linear layer before them.

    Names stay: the place of a batch norm is taken by an identity, so `stem.0.weight` is still called so.

    Raises:
        DataError: a batch norm does not follow a convolution or linear layer in an `nn.Sequential`.
    """
    folded = copy.deepcopy(module).eval()
    for sequence in [m for m in folded.modules() if isinstance(m, nn.Sequential)]:
        _fold_neighbours(sequence)
    left = [name for name, m in folded.named_modules() if isinstance(m, _BatchNorm)]
    if left:
        msg = f"The batch norm {left[0]!r} follows no Conv2d or Linear in an nn.Sequential; it cannot be folded."
        raise DataError(msg)
    return folded


def _fold_neighbours(sequence: nn.Sequential) -> None:
    for index in range(len(sequence) - 1):
        layer, norm = sequence[index], sequence[index + 1]
        if not isinstance(norm, _BatchNorm):
            continue
        if isinstance(layer, nn.Conv2d):
            sequence[index] = fuse_conv_bn_eval(layer, norm)
        elif isinstance(layer, nn.Linear):
            sequence[index] = fuse_linear_bn_eval(layer, norm)
        else:
            continue
        sequence[index + 1] = nn.Identity()
