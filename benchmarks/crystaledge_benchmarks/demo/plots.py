"""The demo's pictures, as PNG bytes."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from crystaledge.identity.spec import IdentityDecision
from crystaledge_benchmarks.demo.crowd_film import CrowdFilm
from crystaledge_benchmarks.demo.film import PersonFilm
from crystaledge_benchmarks.figures import new_axes, png_bytes
from crystaledge_benchmarks.latency import Latency
from crystaledge_calibration.drift import Drift


def film_strip(film: PersonFilm) -> bytes:
    """The frames that are shown, side by side."""
    figure = Figure(figsize=(0.75 * len(film.shown), 0.8), dpi=100, layout="constrained")
    for index, pixels in enumerate(film.shown):
        axes = figure.add_subplot(1, len(film.shown), index + 1)
        axes.imshow(pixels)
        axes.axis("off")
    return png_bytes(figure)


def state_trajectories(films: tuple[PersonFilm, ...]) -> bytes:
    """All states projected on their two main directions, one line a person, start to end."""
    figure, axes = new_axes("State trajectories, two main directions", "first", "second")
    everything = np.concatenate([film.states for film in films])
    centre = everything.mean(axis=0)
    _, _, directions = np.linalg.svd(everything - centre, full_matrices=False)
    for film in films:
        path = (np.vstack([np.zeros_like(film.states[:1]), film.states]) - centre) @ directions[:2].T
        (line,) = axes.plot(path[:, 0], path[:, 1], marker=".", linewidth=1, label=film.name)
        axes.plot(path[-1, 0], path[-1, 1], marker="o", markersize=9, color=line.get_color())
    axes.legend(fontsize=8)
    return png_bytes(figure)


def state_over_time(film: PersonFilm) -> bytes:
    """Every channel of one person's state after each frame."""
    figure = Figure(figsize=(5.6, 3.6), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    limit = float(np.abs(film.states).max())
    shown = axes.imshow(film.states.T, aspect="auto", cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    axes.set(title=f"State of {film.name}", xlabel="observation", ylabel="channel")
    figure.colorbar(shown)
    return png_bytes(figure)


def velocity_over_time(films: tuple[PersonFilm, ...], threshold: float) -> bytes:
    """Velocity of each person's track."""
    figure, axes = new_axes("Velocity", "observation", "velocity")
    for film in films:
        axes.plot(range(1, len(film.events) + 1), [e.velocity for e in film.events], label=film.name)
    axes.axhline(threshold, color="grey", linestyle="--", linewidth=1, label="threshold")
    axes.legend(fontsize=8)
    return png_bytes(figure)


def likelihood_over_time(films: tuple[PersonFilm, ...], decision: IdentityDecision) -> bytes:
    """Log-likelihood ratio of the best match; hollow where the best match is somebody else."""
    figure, axes = new_axes("Evidence for the best match", "observation", "log-likelihood ratio")
    for film in films:
        ratio = np.array([np.nan if e.llr is None else e.llr for e in film.events])
        right = np.array([e.match == film.name for e in film.events])
        time = np.arange(1, len(ratio) + 1)
        (line,) = axes.plot(time, ratio, linewidth=1, label=film.name)
        axes.plot(time[right], ratio[right], ".", color=line.get_color())
        axes.plot(time[~right], ratio[~right], "o", markerfacecolor="white", color=line.get_color())
    for level in (decision.stopping.accept_llr, decision.stopping.reject_llr):
        axes.axhline(level, color="grey", linestyle="--", linewidth=1)
    axes.legend(fontsize=8)
    return png_bytes(figure)


def closed_loop_error(drifts: tuple[Drift, ...]) -> bytes:
    """Largest difference from torch at each step of the rollout, by tensor."""
    figure, axes = new_axes("Closed-loop difference from torch", "step", "largest absolute difference")
    for drift in drifts:
        axes.semilogy(range(1, len(drift.max_abs) + 1), np.maximum(drift.max_abs, 1e-9), label=drift.tensor)
    axes.legend(fontsize=8)
    return png_bytes(figure)


def latency_percentiles(latencies: tuple[Latency, ...]) -> bytes:
    """Share of calls that took at most so long."""
    figure, axes = new_axes("Latency of one step", "milliseconds", "share of calls")
    for latency in latencies:
        samples = np.sort(latency.samples_ms)
        axes.semilogx(samples, np.arange(1, len(samples) + 1) / len(samples), label=latency.name)
    axes.legend(fontsize=8)
    return png_bytes(figure)


def crowd_sheet(film: CrowdFilm) -> bytes:
    """Some annotated frames of the drawn crowd."""
    figure = Figure(figsize=(11.0, 5.8), dpi=100, layout="constrained")
    for index, pixels in enumerate(film.shown[:6]):
        axes = figure.add_subplot(2, 3, index + 1)
        axes.imshow(pixels[:, :, ::-1])
        axes.axis("off")
    return png_bytes(figure)


def recomputed_share(film: CrowdFilm) -> bytes:
    """Share of the picture that went through the network, frame by frame."""
    figure, axes = new_axes("Share of the picture that was recomputed", "frame", "share")
    axes.fill_between(range(len(film.recomputed)), film.recomputed, step="mid", alpha=0.6)
    axes.set_ylim(0.0, 1.05)
    return png_bytes(figure)
