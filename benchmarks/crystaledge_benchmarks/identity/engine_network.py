"""A graph of a bundle, run by the engine and the stepper that the product runs."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from crystaledge.bundle import Bundle
from crystaledge.deploy import REFERENCE_ENGINE, why_not
from crystaledge.engine.select import EngineOptions, open_engine
from crystaledge.identity.matching import unit_rows
from crystaledge.identity.spec import Scoring
from crystaledge.manifest.model import FileRole, GraphSpec, Precision, identity_decision
from crystaledge.preprocessing.preprocessor import normalisation_table
from crystaledge.systems.mnemosyne_contract import FACE, HIDDEN_NEXT, LOG_VARIANCE, QUALITY, check_contract
from crystaledge.tracks.stepper import Stepper
from crystaledge.tracks.store import StateStore
from crystaledge_benchmarks.identity.networks import Crops, Network, Observations, Rows, checked
from crystaledge_training.mnemosyne.scoring import Identities

_WARM_UP = 10
_CARD_LINE = re.compile(r"^- Parameters: ([\d,]+)", re.MULTILINE)


class EngineNetwork(Network):
    """One observation is one step from a fresh state, and its embedding is the state, divided by its length."""

    def __init__(self, bundle: Bundle, graph: GraphSpec) -> None:
        check_contract(bundle.manifest, graph)
        self.name = f"{bundle.path.stem}:{graph.name}"
        self.parameters = parameters_of(bundle)
        self.outside_data = bundle.manifest.provenance.outside_data
        self._scoring = identity_decision(bundle.manifest.decision, where=str(bundle.path)).score
        self._table = normalisation_table(bundle.manifest.preprocessing)
        engine = open_engine(bundle, graph, EngineOptions(threads=1))
        self._store = StateStore(graph.states, memory=engine.state_memory)
        self._stepper = Stepper(engine, self._store)

    def look(self, crops: Crops) -> Observations:
        """Embed each crop by itself."""
        hidden, _, quality = self._absorb(crops, np.arange(len(crops))[:, None])
        return Observations(checked(unit_rows(hidden), self.name), quality.astype(np.float64))

    def crystallize(self, crops: Crops, rows: Rows) -> tuple[Identities, Scoring]:
        """States after all observations, and how the bundle compares them."""
        hidden, log_variance, _ = self._absorb(crops, rows)
        unit = checked(unit_rows(hidden), self.name)
        return Identities(unit, log_variance.astype(np.float64)), self._scoring

    def cpu_ms(self, crops: Crops) -> float:
        """Of a crop's way into the graph and a step; its time is median over the crops."""
        self._store.create(0)
        spent = [self._timed(crop[None]) for crop in (*crops[:_WARM_UP], *crops)][min(_WARM_UP, len(crops)) :]
        self._store.evict(0)
        return median(spent)

    def _timed(self, crop: Crops) -> float:
        began = time.process_time()
        self._stage(crop)
        self._stepper.advance([0])
        return (time.process_time() - began) * 1e3

    def _absorb(self, crops: Crops, rows: Rows) -> tuple[NDArray[np.float32], ...]:
        """State, log-variance and quality after the last observation of each row; tracks advance in batches."""
        names = (HIDDEN_NEXT, LOG_VARIANCE, QUALITY)
        last = [self._follow(crops, rows[c.start : c.stop]) for c in self._stepper.chunks(len(rows))]
        hidden, log_variance, quality = (np.concatenate([each[name] for each in last]) for name in names)
        return hidden, log_variance[:, 0], quality[:, 0]

    def _follow(self, crops: Crops, rows: Rows) -> dict[str, NDArray[np.float32]]:
        tracks = range(len(rows))
        for track in tracks:
            self._store.create(track)
        for seen in rows.T:
            self._stage(crops[seen])
            outputs = self._stepper.advance(tracks)
        kept = {name: array.copy() for name, array in outputs.items()}
        for track in tracks:
            self._store.evict(track)
        return kept

    def _stage(self, crops: Crops) -> None:
        faces = self._stepper.stage(len(crops))[FACE]
        for channel in range(3):
            faces[: len(crops), channel] = self._table[channel][crops[..., channel]]


def graphs_of(bundle: Bundle, name: str | None) -> Iterator[GraphSpec]:
    """The graph of that name, proven or not; without one all in float32, and all that passed verification."""
    if name is not None:
        yield bundle.graph(name)
        return
    for graph in bundle.manifest.graphs:
        if graph.precision is Precision.FLOAT32 or why_not(bundle, graph, engine=REFERENCE_ENGINE) is None:
            yield graph


def split_name(words: str) -> tuple[Path, str | None]:
    """`PATH` or `PATH:GRAPH`."""
    path, colon, graph = words.rpartition(":")
    return (Path(path), graph) if colon and not Path(words).exists() else (Path(words), None)


def parameters_of(bundle: Bundle) -> int | None:
    """What the model card says; graphs hold fewer numbers, their batch norms being folded."""
    cards = [bundle.contents[entry.path] for entry in bundle.manifest.files if entry.role is FileRole.MODEL_CARD]
    found = [_CARD_LINE.search(card.decode(errors="replace")) for card in cards]
    return next((int(match[1].replace(",", "")) for match in found if match), None)
