"""Pipelines of tiny bundles that a test can look inside, with decisions as a test needs them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from crystaledge.bundle import Bundle
from crystaledge.identity.spec import LikelihoodFit, OperatingPoint
from crystaledge.pipeline import Pipeline, PipelineOptions
from crystaledge.sources.frame import Frame
from crystaledge.systems.mnemosyne import MnemosynePipeline
from crystaledge.systems.mnemosyne_records import IdentityEvent
from tests.support.bundles import write_tiny_bundle
from tests.support.manifests import small_decision
from tests.support.step_graphs import HIDDEN

SPEC = small_decision(HIDDEN)


@contextmanager
def opened(bundle: Path | Bundle, **options: Any) -> Iterator[MnemosynePipeline]:
    """A pipeline of its own class, so that a test can look inside."""
    made = Pipeline.open(bundle, PipelineOptions(**options))
    assert isinstance(made, MnemosynePipeline)
    with made:
        yield made


def events_of(pipeline: MnemosynePipeline, frames: Iterable[Frame]) -> list[IdentityEvent]:
    """All events of some frames."""
    return [event for frame in frames for event in pipeline.process(frame)]


def deciding(tmp_path: Path, **changes: Any) -> Bundle:
    """A tiny bundle with other decision parameters."""
    return write_tiny_bundle(tmp_path / "other.bundle", decision=replace(SPEC, **changes))


def eager(slope: float, intercept: float) -> dict[str, Any]:
    """Decision parameters that turn a score into any likelihood ratio that a test needs."""
    return {"likelihood": (LikelihoodFit(observations=1, slope=slope, intercept=intercept),)}


def point(threshold: float) -> dict[str, Any]:
    """One operating point at one threshold."""
    only = OperatingPoint(observations=1, false_accept_rate=0.01, threshold=threshold, true_accept_rate=0.5)
    return {"operating_points": (only,)}


def stillness(threshold: float, frames: int) -> dict[str, Any]:
    """Stopping rules of a velocity and a number of frames."""
    return {"stopping": replace(SPEC.stopping, velocity_threshold=threshold, velocity_frames=frames)}
