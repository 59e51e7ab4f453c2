"""Measure how well networks tell people apart, ours and others, by one protocol on the very same crops.

python -m crystaledge_benchmarks.identity --data LFW [--orl ORL] [--bundle PATH[:GRAPH] ...] [--peers DIR]
    [--cache DIR] [--json out.json]

All people are LFW's test people of View 1, on whom nothing was trained, and ORL's. All networks see the crops that
our bundles are made for; peers enlarge them to their own size. Intervals are over people.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2

from crystaledge.bundle import Bundle
from crystaledge.cli.verb import talk
from crystaledge.errors import CrystalEdgeError, EngineError, UsageError
from crystaledge.files import write_atomic
from crystaledge.jsonio import dumps
from crystaledge_benchmarks.identity.engine_network import EngineNetwork, graphs_of, split_name
from crystaledge_benchmarks.identity.measure import NetworkResult, measure
from crystaledge_benchmarks.identity.networks import Network
from crystaledge_benchmarks.identity.peer_cache import PeerCache
from crystaledge_benchmarks.identity.peer_network import PEERS, PeerNetwork
from crystaledge_benchmarks.identity.people import read_faces
from crystaledge_benchmarks.identity.protocol import Protocol
from crystaledge_benchmarks.identity.sequences import draw_sequences
from crystaledge_benchmarks.identity.tables import report
from crystaledge_benchmarks.machine import describe_machine
from crystaledge_benchmarks.table import PartReport

_DEFAULT = Protocol()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what was asked for, print tables, and write everything where `--json` says."""
    options = _parser().parse_args(arguments)
    cv2.setNumThreads(1)
    try:
        protocol = Protocol(observations=options.observations, draws=options.draws, resamples=options.resamples)
        made = run(options, protocol)
        sys.stdout.write(made.text() + "\n")
        if options.json is not None:
            write_atomic(options.json, _json(made, protocol).encode())
    except CrystalEdgeError as error:
        talk(f"error: {error}")
        return error.exit_status
    return 0


def run(options: argparse.Namespace, protocol: Protocol) -> PartReport:
    """Measure every network; one that fails says so and the others go on."""
    bundles = [(Bundle.open(path), graph) for path, graph in map(split_name, options.bundle)]
    spec = bundles[0][0].manifest.preprocessing
    if any(bundle.manifest.preprocessing != spec for bundle, _ in bundles):
        msg = "The bundles do not see the same crops, their preprocessing differs; measure them one by one."
        raise UsageError(msg)
    ours = [EngineNetwork(bundle, graph) for bundle, name in bundles for graph in graphs_of(bundle, name)]
    faces = read_faces(options.data, options.orl, spec)
    sequences = [draw_sequences(faces.people, severity, protocol) for severity in protocol.severities]
    results: list[NetworkResult] = []
    not_run: list[str] = []
    for network in (*ours, *_peers(options)):
        talk(f"measuring {network.name}")
        try:
            results.append(measure(network, faces, sequences, protocol))
        except EngineError as error:
            not_run.append(f"{network.name}: not run: {error}")
    return report(results, protocol, not_run)


def _peers(options: argparse.Namespace) -> Iterator[Network]:
    for name in PEERS if options.peers is not None else ():
        cache = PeerCache(None if options.cache is None else options.cache / f"{name}.npz")
        yield PeerNetwork(options.peers, name, cache)


def _json(made: PartReport, protocol: Protocol) -> str:
    return dumps(
        {"machine": describe_machine(), "protocol": protocol, "findings": made.findings, "networks": made.record}
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="crystaledge_benchmarks.identity",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="LFW's folder, with its official lists")
    parser.add_argument("--orl", type=Path, help="ORL's folder")
    parser.add_argument(
        "--bundle",
        action="append",
        required=True,
        metavar="PATH[:GRAPH]",
        help="bundle that tells people apart; without a graph, those in float32 and those that passed verification",
    )
    parser.add_argument("--peers", type=Path, help="the peers' environment, with venv/bin/python")
    parser.add_argument(
        "--cache",
        type=Path,
        help="keep the peers' embeddings in this folder; they are personal data, remove them after",
    )
    parser.add_argument("--json", type=Path, help="write everything to this file")
    parser.add_argument(
        "--observations", type=int, default=_DEFAULT.observations, help="images a side of a sequence (default: 5)"
    )
    parser.add_argument("--draws", type=int, default=_DEFAULT.draws, help="of observations (default: 5)")
    parser.add_argument("--resamples", type=int, default=_DEFAULT.resamples, help="of people (default: 1000)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
