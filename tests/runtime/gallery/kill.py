"""Kills a process that writes to a gallery, again and again, and compares the file with what was acknowledged.

`python -m tests.runtime.gallery.kill ROUNDS [SEED]` does it as often as is wished.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.runtime.gallery.galleries import equal, opened, seed_of, template, traces

ROOT = Path(__file__).parents[3]
MOST_LINES = 15
LONGEST_DELAY_S = 0.03
_PATIENCE_S = 60.0
_ENDLESS = "1000000"


@dataclass
class Acknowledged:
    """What the killed processes said that they had done."""

    people: set[str] = field(default_factory=set)
    hashes: set[str] = field(default_factory=set)
    forgotten: set[str] = field(default_factory=set)
    secrets: dict[str, tuple[bytes, ...]] = field(default_factory=dict)
    in_flight: tuple[str, str] | None = None
    """Action and name of what was begun and not acknowledged."""

    def read(self, log: Path) -> None:
        """Take up the log of one process, whose last line may be of something that was never finished."""
        self.in_flight = None
        for line in log.read_text().splitlines()[1:]:
            word, action, name, *rest = line.split(" ")
            if word == "begin":
                self.in_flight = (action, name)
                continue
            self.in_flight = None
            self.hashes.add(rest[0])
            if action == "enrol":
                self.people.add(name)
                self.secrets[name] = tuple(bytes.fromhex(value) for value in rest[1].split(","))
            elif action == "forget":
                self.people.remove(name)
                self.forgotten.add(name)

    def trace_count(self, path: Path) -> int:
        """Bytes of the forgotten that are left."""
        return traces(path, tuple(s for name in self.forgotten for s in self.secrets.get(name, ())))

    def compare(self, path: Path) -> str:
        """Hold the file against the words; returns what became of that which was in flight."""
        assert not path.exists() or self.trace_count(path) == 0
        with opened(path) as store:
            found = store.templates()
            store.verify_audit()
            assert self.hashes <= {line.hash for line in store.audit()}
        outcome = self._settle(set(found))
        assert set(found) == self.people
        assert all(equal(value, template(seed_of(name))) for name, value in found.items())
        assert self.trace_count(path) == 0
        return outcome

    def _settle(self, found: set[str]) -> str:
        """An operation in flight has happened or not; the file says which."""
        action, name = self.in_flight or ("nothing", "")
        if action == "enrol" and name in found:
            self.people.add(name)
        elif action == "forget" and name not in found:
            self.people.discard(name)
            self.forgotten.add(name)
        else:
            return f"{action} undone" if self.in_flight else "nothing in flight"
        return f"{action} done"


def command(path: Path, log: Path, seed: int, operations: str) -> list[str]:
    """Command line of a worker."""
    worker = "tests.runtime.gallery.kill_worker"
    return [sys.executable, "-m", worker, str(path), str(log), str(seed), operations]


def kill_once(path: Path, log: Path, seed: int, *, lines: int, delay_s: float) -> None:
    """Let a worker begin, and kill it so much later than it has said so many lines."""
    with subprocess.Popen(command(path, log, seed, _ENDLESS), cwd=ROOT) as process:
        try:
            limit = time.monotonic() + _PATIENCE_S
            while not (log.exists() and log.read_bytes().count(b"\n") >= lines):
                assert process.poll() is None and time.monotonic() < limit, "the worker does not get on"
                time.sleep(0.001)
            time.sleep(delay_s)
            assert process.poll() is None, "the worker ended by itself"
        finally:
            process.kill()


def kill_rounds(folder: Path, rounds: int, seed: int) -> Counter[str]:
    """So many kills on one gallery; counts what was in flight. Raises AssertionError at the first disagreement."""
    acknowledged, outcomes, chance = Acknowledged(), Counter[str](), random.Random(seed)
    path = folder / "gallery.db"
    for number in range(rounds):
        log = folder / f"{number}.log"
        lines, delay_s = chance.randint(1, MOST_LINES), chance.uniform(0.0, LONGEST_DELAY_S)
        kill_once(path, log, seed * 1_000_000 + number, lines=lines, delay_s=delay_s)
        acknowledged.read(log)
        outcomes[acknowledged.compare(path)] += 1
    outcomes["acknowledged"] = len(acknowledged.hashes)
    return outcomes


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        result = kill_rounds(Path(scratch), int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    sys.stdout.write(f"{sys.argv[1]} kills, no disagreement: {dict(sorted(result.items()))}\n")
