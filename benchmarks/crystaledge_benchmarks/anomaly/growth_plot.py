"""The plot of `growth`: cost against the image's size and against the memory's."""

from __future__ import annotations

import io
from collections.abc import Sequence

from matplotlib.figure import Figure

from crystaledge_benchmarks.anomaly.growth import Grown


def growth_png(grown: Sequence[Grown]) -> bytes:
    """PNG of two panels; a point that varies in both is in neither."""
    side = max({g.side_px for g in grown}, key=lambda s: sum(g.side_px == s for g in grown))
    rows = max({g.bank_rows for g in grown}, key=lambda r: sum(g.bank_rows == r for g in grown))
    figure = Figure(figsize=(9.0, 3.4), layout="constrained")
    by_size, by_bank = figure.subplots(1, 2, sharey=True)
    sizes = sorted({g.side_px: g for g in grown if g.bank_rows == rows}.values(), key=lambda g: g.side_px)
    banks = sorted({g.bank_rows: g for g in grown if g.side_px == side}.values(), key=lambda g: g.bank_rows)
    for axes, points, places, label in (
        (by_size, sizes, [g.side_px for g in sizes], f"side of the image, px ({rows} patches in the bank)"),
        (by_bank, banks, [g.bank_rows for g in banks], f"patches in the bank ({side} px)"),
    ):
        axes.plot(places, [g.in_graph.whole_ms.median for g in points], "o-", label="searched in the graph")
        axes.plot(places, [g.on_host.whole_ms.median for g in points], "s--", label="searched on the host")
        axes.set_xlabel(label)
        axes.grid(alpha=0.3)
    by_bank.set_ylim(bottom=0.0)  # once both are drawn: it fixes the top, too
    by_size.set_ylabel("CPU ms an image, one thread")
    by_size.legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
    return buffer.getvalue()
