"""What has to be known of a system to export it; each system has one description."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from crystaledge.bundle_writer import Part
from crystaledge.manifest.model import BatchRange
from crystaledge.tensors import StatePair, TensorSpec
from crystaledge_training.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDescription:
    """One step graph before it exists."""

    name: str
    module: nn.Module
    """In inference mode; `forward` takes the inputs and returns the outputs, in the order below."""
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    states: tuple[StatePair, ...]
    batch: BatchRange
    frames: Callable[[int, int], NDArray[np.uint8]]
    """(steps, batch) to example frames, uint8 RGB `(T, B, H, W, 3)`, of no real person; for checks and goldens."""
    observe: Callable[[NDArray[np.uint8]], dict[str, NDArray[np.float32]]]
    """Such frames to observed inputs by name, `(T, B, ...)`, as the runtime would make them."""

    goldens_hold_frames: bool = True
    """The runtime makes the one observed input from frames; else goldens hold the inputs themselves."""

    def example(self, steps: int, batch: int) -> dict[str, NDArray[np.float32]]:
        """Observed inputs of the example frames."""
        return self.observe(self.frames(steps, batch))


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemExport:
    """Everything that exporting a system takes; each system registers one."""

    describe: Callable[[Checkpoint], tuple[StepDescription, ...]]
    """A checkpoint's graphs before they exist, the main one first."""
    intended_use: str
    network: Callable[[Checkpoint], tuple[int, str]]
    """Parameters of a checkpoint's network, and its sizes in words."""
    decisions: Callable[[Checkpoint], list[str]]
    """Markdown lines of the model card on how verdicts come about."""
    resized: Callable[[Checkpoint, tuple[int, int]], Checkpoint] | None = None
    """The same checkpoint for another size of input, in pixels; None where the size is part of the network."""
    parts: Callable[[Checkpoint], tuple[Part, ...]] = lambda checkpoint: ()
    """Files that the host needs beside the graphs."""
    limits: str
    """What the model card warns of."""
