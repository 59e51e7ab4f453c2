"""The float model in torch, as a reference for parity and latency. Imported only where torch is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from crystaledge.engine.onnxruntime_engine import OnnxRuntimeEngine
from crystaledge.system import System
from crystaledge_calibration.drift import Drift, drift
from crystaledge_calibration.rollout import roll_out_engine
from crystaledge_export.export import Exported, export_checkpoint
from crystaledge_export.guards import torch_rollout
from crystaledge_training.checkpoint import read_checkpoint
from crystaledge_training.weights import embedded_checkpoint


class TorchReference:
    """Export, closed-loop difference and eager latency of the embedded weights."""

    def export_embedded(self, system: System, out: Path) -> Exported:
        """Export the embedded weights of a system."""
        return export_checkpoint(read_checkpoint(embedded_checkpoint(system)), out)

    def closed_loop_drift(self, exported: Exported, *, steps: int, batch: int) -> tuple[Drift, ...]:
        """Difference of the bundle's graph from torch over a closed-loop rollout."""
        bundle, description = exported.bundle, exported.first.description
        graph = bundle.graph()
        observations = description.example(steps, batch)
        reference = torch_rollout(description, graph, observations)
        engine = OnnxRuntimeEngine(graph, bundle.graph_bytes(graph))
        return drift(reference, roll_out_engine(engine, observations))

    def torch_eager_step(self, exported: Exported) -> Callable[[], object]:
        """One step of one track in torch eager mode, on one thread, without gradients."""
        description = exported.first.description
        arguments = [torch.from_numpy(array[0]) for array in description.example(1, 1).values()]
        arguments += [torch.zeros(1, *pair.shape) for pair in description.states]
        torch.set_num_threads(1)

        def call() -> object:
            with torch.inference_mode():
                return description.module(*arguments)

        return call


REFERENCE = TorchReference()
