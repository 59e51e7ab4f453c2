"""How seldom a face can be looked at once it is known: embeddings and CPU time beside whom everybody was taken for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from crystaledge.metrics.bootstrap import Estimate, estimate, resample_people
from crystaledge_benchmarks.cpu import Spread
from crystaledge_benchmarks.table import PartReport, Table, number
from crystaledge_benchmarks.video.clips import TALKING_HEADS, clips_in, frames_of
from crystaledge_benchmarks.video.identity import tally
from crystaledge_benchmarks.video.look_policies import PolicyResult, Watch, measure
from crystaledge_benchmarks.video.probe import NOBODY, UNDECIDED
from crystaledge_benchmarks.video.setup import Setup

NAME = "refresh"
_RESAMPLES = 1000
_ANSWERS = ("right", "wrong", NOBODY, UNDECIDED, "wrong at any time", "others named")
"""Of `tally`."""


def run(setup: Setup) -> PartReport:
    """All policies on all talking heads."""
    people = {path.stem: frames_of(path, setup.clip_frames) for path in clips_in(setup.folder(), TALKING_HEADS)}
    return report(measure(setup, people))


def report(results: Sequence[PolicyResult]) -> PartReport:
    """What each policy costs, whom it took everybody for, and both clip by clip."""
    tables = (_cost_table(results), _answer_table(results), _clip_table(results))
    return PartReport(name=NAME, tables=tables, findings=tuple(_findings(results)), record=results)


def looks_ratio(watched: Sequence[Watch], other: Sequence[Watch]) -> Estimate:
    """Another policy's embeddings over this one's on the same clips; 95 % interval from a bootstrap over clips."""
    ours, theirs = (np.array([one.spent.looks for one in side], np.float64) for side in (watched, other))
    draws = resample_people(len(ours), _RESAMPLES, seed=0)
    samples = np.divide(draws @ theirs, draws @ ours, out=np.full(len(draws), np.nan), where=draws @ ours > 0)
    return estimate(float(theirs.sum() / ours.sum()) if ours.sum() else float("nan"), samples)


def _cost_table(results: Sequence[PolicyResult]) -> Table:
    every = results[0]
    rows = []
    for one in results:
        film_s = sum(watch.film_s for watch in one.closed)
        looks = sum(watch.spent.looks for watch in one.closed)
        refreshes = sum(watch.spent.committed_looks for watch in one.closed)
        rows.append(
            (
                one.policy.name,
                str(looks),
                number(looks / film_s),
                number(looks / max(sum(watch.spent.tracks for watch in one.closed), 1), 1),
                str(looks - refreshes),
                str(refreshes),
                _interval(looks_ratio(one.closed, every.closed)),
                Spread.of([each.identity_cpu_ms for each in one.rounds]).text(3),
                Spread.of([each.cpu_ms for each in one.rounds]).text(),
                one.identity_ratio(every).text(1),
                one.whole_ratio(every).text(),
            )
        )
    header = (
        "policy",
        "looks",
        "a second",
        "a track",
        "while open",
        "committed",
        "fewer by [95 %]",
        "identity CPU ms/frame",
        "all CPU ms/frame",
        "identity less by",
        "all less by",
    )
    return Table("Closed: embeddings and CPU time; 'by' is how many times, against the first row", header, tuple(rows))


def _answer_table(results: Sequence[PolicyResult]) -> Table:
    rows = []
    for one in results:
        for name, watched in (("closed", one.closed), ("left out", one.left_out)):
            counts = tally([watch.probe for watch in watched])
            film_s = sum(watch.film_s for watch in watched)
            looks = number(sum(watch.spent.looks for watch in watched) / film_s)
            rows.append(
                (one.policy.name, name, str(len(watched)), looks, *(str(counts[answer]) for answer in _ANSWERS))
            )
    header = ("policy", "gallery", "clips", "looks a second", *_ANSWERS)
    return Table(
        "Whom the main track of each clip was taken for at its end; left out, wrong is false", header, tuple(rows)
    )


def _clip_table(results: Sequence[PolicyResult]) -> Table:
    rows = []
    for watched in zip(*(one.closed for one in results), strict=True):
        first = watched[0]
        cells = [f"{one.spent.looks / one.film_s:.1f} {_answer(one)}" for one in watched]
        rows.append((first.probe.person, f"{first.film_s:.1f}", *cells))
    header = ("clip", "film s", *(one.policy.name for one in results))
    return Table("Closed, clip by clip: looks a second of film, and the answer", header, tuple(rows))


def _answer(one: Watch) -> str:
    answer = one.probe.main.answer
    return "right" if answer == one.probe.person else answer


def _findings(results: Sequence[PolicyResult]) -> Iterator[str]:
    every = results[0]
    for one in results[1:]:
        closed, out = tally([watch.probe for watch in one.closed]), tally([watch.probe for watch in one.left_out])
        yield (
            f"{one.policy.name}: {_interval(looks_ratio(one.closed, every.closed))} times fewer embeddings than "
            f"{every.policy.name}, {one.identity_ratio(every).text(1)} times less CPU time for identity, "
            f"{one.whole_ratio(every).text()} times less in all; {closed['right']} of {len(one.closed)} right, "
            f"{closed['wrong']} wrong, {out['wrong']} of {len(one.left_out)} left out taken for somebody."
        )


def _interval(value: Estimate) -> str:
    return f"{value.value:.1f} [{value.low:.1f}, {value.high:.1f}]"
