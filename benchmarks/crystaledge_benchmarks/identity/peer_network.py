"""A network of others, in a process and an environment of its own; each crop is embedded once."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import EngineError
from crystaledge_benchmarks.identity.networks import Array, Crops, Network, Observations, checked
from crystaledge_benchmarks.identity.peer_cache import PeerCache

_SCRIPT = Path(__file__).with_name("peer_embed.py")
_CROPS_PER_PROCESS = 500
"""So that a run that is broken off loses little of what it paid for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerFacts:
    """What is known of a peer beside its file."""

    parameters: int
    outside_data: str


PEERS: Mapping[str, PeerFacts] = {
    "mobilefacenet_pixamatch": PeerFacts(
        parameters=989_952, outside_data="public weights; where they were found nobody says which faces taught them"
    ),
    "dlib": PeerFacts(
        parameters=5_607_488, outside_data="about 3 million faces (FaceScrub, VGG, the internet), by its author"
    ),
}
"""The numbers of parameters are those of the files, batch norms folded."""


class PeerNetwork(Network):
    """Embeds and does not fuse."""

    def __init__(self, folder: Path, name: str, cache: PeerCache) -> None:
        self.name = name
        self.parameters = PEERS[name].parameters
        self.outside_data = PEERS[name].outside_data
        self._folder = folder
        self._cache = cache
        self._salt = f"{name} {sha256(_SCRIPT.read_bytes()).hexdigest()}".encode()

    def look(self, crops: Crops) -> Observations:
        """Embed each crop by itself.

        Raises:
            EngineError: the peers' process failed.
        """
        keys = [sha256(self._salt + crop.tobytes()).digest() for crop in crops]
        first = {key: row for row, key in reversed(list(enumerate(keys)))}
        missing = [key for key in first if key not in self._cache]
        for chunk in _chunks(missing):
            vectors, _ = self._embed(crops[[first[key] for key in chunk]])
            self._cache.add(chunk, vectors)
        return Observations(checked(_unit(self._cache.vectors(keys)), self.name), None)

    def cpu_ms(self, crops: Crops) -> float:
        """Of turning and cutting the face and the network, the enlarging and the peers' detector left out."""
        return median(self._embed(crops)[1])

    def _embed(self, crops: Crops) -> tuple[NDArray[np.float32], list[float]]:
        with tempfile.TemporaryDirectory() as folder:
            given, made = Path(folder) / "crops.npy", Path(folder) / "vectors.npy"
            np.save(given, crops)
            told = self._run(given, made)
            vectors: NDArray[np.float32] = np.load(made, allow_pickle=False)
        if vectors.ndim != 2 or len(vectors) != len(crops):
            msg = (
                f"The peer {self.name} gave vectors {list(vectors.shape)} for {len(crops)} crops; expected one a crop."
            )
            raise EngineError(msg)
        return vectors, told["cpu_ms"]

    def _run(self, given: Path, made: Path) -> dict[str, list[float]]:
        command = [str(self._folder / "venv/bin/python"), str(_SCRIPT), str(self._folder), str(given), str(made)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        try:
            done = subprocess.run(
                [*command, "--embedder", self.name], capture_output=True, text=True, check=True, env=environment
            )
        except (OSError, subprocess.CalledProcessError) as error:
            said = error.stderr if isinstance(error, subprocess.CalledProcessError) else ""
            last = (str(said).strip().splitlines() or [str(error)])[-1]
            msg = f"The peer {self.name} in {self._folder} failed: {last}"
            raise EngineError(msg) from None
        told: dict[str, list[float]] = json.loads(done.stdout.strip().splitlines()[-1])
        return told


def _unit(vectors: NDArray[np.float32]) -> Array:
    wide = vectors.astype(np.float64)
    length = np.linalg.norm(wide, axis=1, keepdims=True)
    unit: Array = np.divide(wide, length, out=np.zeros_like(wide), where=length > 0)
    return unit


def _chunks(keys: list[bytes]) -> Iterator[list[bytes]]:
    for start in range(0, len(keys), _CROPS_PER_PROCESS):
        yield keys[start : start + _CROPS_PER_PROCESS]
