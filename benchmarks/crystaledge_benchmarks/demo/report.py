"""The demo's report: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from crystaledge.manifest.model import identity_decision
from crystaledge_benchmarks.demo.chain import DemoResult
from crystaledge_benchmarks.demo.film import ENROLMENT_FRAMES, SHOWN_EVERY, PersonFilm
from crystaledge_benchmarks.demo.plots import (
    closed_loop_error,
    crowd_sheet,
    film_strip,
    latency_percentiles,
    likelihood_over_time,
    recomputed_share,
    state_over_time,
    state_trajectories,
    velocity_over_time,
)
from crystaledge_benchmarks.machine import describe_machine


def demo_html(result: DemoResult) -> str:
    """The report as HTML text."""
    environment = Environment(
        loader=PackageLoader("crystaledge_benchmarks"), autoescape=True, undefined=StrictUndefined
    )
    manifest = result.bundle.manifest
    decision = identity_decision(manifest.decision, where="The bundle")
    engine_plots = [latency_percentiles(result.single)]
    if result.drifts:
        engine_plots.append(closed_loop_error(result.drifts))
    identity_plots = [
        likelihood_over_time(result.films, decision),
        velocity_over_time(result.films, decision.stopping.velocity_threshold),
        state_trajectories(result.films),
        state_over_time(result.films[0]),
    ]
    return environment.get_template("demo.html.j2").render(
        system=manifest.system.value,
        checkpoint=manifest.provenance.checkpoint_sha256,
        data=manifest.provenance.data,
        stages=result.stages,
        films=[_film_row(film) for film in result.films],
        enrolment_frames=ENROLMENT_FRAMES,
        shown_every=SHOWN_EVERY,
        stopping=decision.stopping,
        crowd=None if result.crowd is None else _base64(crowd_sheet(result.crowd)),
        recomputed=None if result.crowd is None else _base64(recomputed_share(result.crowd)),
        identity_plots=[_base64(p) for p in identity_plots],
        engine_plots=[_base64(p) for p in engine_plots],
        latencies=[*result.single, *result.many],
        machine=describe_machine(),
    )


def _film_row(film: PersonFilm) -> dict[str, Any]:
    last, first = film.events[-1], film.events[0]
    after = "" if last.committed_frame is None else last.committed_frame - first.frame + 1
    committed = (last.committed_match or "nobody enrolled") if last.crystallized else "not committed"
    return {"name": film.name, "strip": _base64(film_strip(film)), "committed": committed, "after": after}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
