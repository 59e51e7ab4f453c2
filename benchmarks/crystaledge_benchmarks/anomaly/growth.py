"""How the cost of PatchCore grows with the image and with the memory, searched in the graph and on the host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from crystaledge.bundle import Bundle
from crystaledge.sources.frame import Frame
from crystaledge_benchmarks.anomaly.speed import GraphCost, cost_of
from crystaledge_benchmarks.table import PartReport, Table
from crystaledge_export.export import export_checkpoint
from crystaledge_training.checkpoint import Checkpoint
from crystaledge_training.patchcore.load import patchcore_config

NAME = "growth"
SIDES_PX = (128, 192, 256, 320, 384)
BANK_ROWS = (500, 1000, 2000, 4000, 8000, 16000)
_BANK = "bank"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """One size of image and memory."""

    side_px: int
    bank_rows: int
    in_graph: GraphCost
    on_host: GraphCost


def run(checkpoint: Checkpoint, frames: Sequence[Frame], *, repeats: int) -> PartReport:
    """Measure the checkpoint's network at other sizes; what it would find there is not looked at."""
    config = patchcore_config(checkpoint)
    side = checkpoint.record.preprocessing.size_hw[0]
    wanted = [(s, config.bank_rows) for s in SIDES_PX] + [(side, rows) for rows in BANK_ROWS]
    grown = [_grown(checkpoint, s, rows, frames, repeats=repeats) for s, rows in wanted]
    rows = tuple(
        (f"{g.side_px}", f"{g.bank_rows}", g.in_graph.whole_ms.text(), g.on_host.whole_ms.text()) for g in grown
    )
    table = Table("CPU ms an image, one thread", ("side px", "bank rows", "in the graph", "on the host"), rows)
    return PartReport(name=NAME, tables=(table,), findings=(), record=grown)


def _grown(checkpoint: Checkpoint, side: int, rows: int, frames: Sequence[Frame], *, repeats: int) -> Grown:
    costs = []
    for in_graph in (True, False):
        with TemporaryDirectory() as folder:
            bundle = variant(checkpoint, Path(folder) / "b", side_px=side, bank_rows=rows, in_graph=in_graph)
            costs.append(cost_of(bundle, bundle.manifest.graphs[0].name, frames, repeats=repeats))
    return Grown(side_px=side, bank_rows=rows, in_graph=costs[0], on_host=costs[1])


def variant(checkpoint: Checkpoint, out: Path, *, side_px: int, bank_rows: int, in_graph: bool) -> Bundle:
    """The bundle of a checkpoint with another size of image and of memory; rows are repeated with a little noise."""
    config, record = patchcore_config(checkpoint), checkpoint.record
    bank = checkpoint.weights[_BANK]
    generator = torch.Generator().manual_seed(bank_rows)
    chosen = bank[torch.randint(len(bank), (bank_rows,), generator=generator)]
    noisy = chosen + 0.05 * bank.std() * torch.randn(chosen.shape, generator=generator)
    other = replace(
        record,
        network=replace(config, bank_rows=bank_rows, search_in_graph=in_graph),
        preprocessing=replace(record.preprocessing, size_hw=(side_px, side_px)),
    )
    weights = {**checkpoint.weights, _BANK: noisy.half().float()}
    return export_checkpoint(replace(checkpoint, record=other, weights=weights), out).bundle
