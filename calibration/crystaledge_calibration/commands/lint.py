"""`crystaledge lint`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

from crystaledge.bundle import Bundle
from crystaledge.cli.verb import Outcome
from crystaledge.manifest.model import GraphSpec, Target
from crystaledge_calibration.choices import LintTarget
from crystaledge_calibration.lint.lint import lint_view, view_of
from crystaledge_calibration.lint.report import Judged, Verdict, data_of, text_of
from crystaledge_calibration.lint.targets import Family, facts_of

_FAMILIES = {
    None: frozenset(Family),
    Target.TENSORRT: frozenset({Family.TENSORRT}),
    Target.CPU: frozenset({Family.CPU}),
}
"""Families that a graph was made for, by what the manifest says; float32 runs everywhere."""


def run(arguments: Namespace) -> Outcome:
    """Judge the graphs of a bundle; see the verb's help."""
    bundle = Bundle.open(arguments.bundle)
    graphs = bundle.manifest.graphs if arguments.graph is None else (bundle.graph(arguments.graph),)
    by_name = arguments.graph is not None
    judged = [_judge(bundle, g, _targets(g, arguments.target, named=by_name)) for g in graphs]
    legal = all(verdict.legal for one in judged for verdict in one.verdicts)
    data = {"bundle": str(arguments.bundle), "legal": legal, "graphs": data_of(judged)}
    return Outcome(text=text_of(judged), data=data, passed=legal)


def _targets(graph: GraphSpec, asked: Sequence[LintTarget] | None, *, named: bool) -> tuple[LintTarget, ...]:
    """What a graph is judged for: what was asked, unless it was made for another family and is not named itself."""
    wanted = tuple(LintTarget) if asked is None else tuple(dict.fromkeys(asked))
    if named and asked is not None:
        return wanted
    return tuple(target for target in wanted if facts_of(target).family in _FAMILIES[graph.target])


def _judge(bundle: Bundle, graph: GraphSpec, targets: Sequence[LintTarget]) -> Judged:
    if not targets:
        return Judged(graph, ())
    view = view_of(bundle.graph_bytes(graph), where=str(bundle.path / graph.file))
    return Judged(graph, tuple(Verdict(target, lint_view(view, graph, target)) for target in targets))
