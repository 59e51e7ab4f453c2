"""Peak memory of one graph in a process of its own: `python -m crystaledge_benchmarks.memory_probe ...`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from crystaledge.bundle import Bundle
from crystaledge.errors import EngineError
from crystaledge_benchmarks.bench_record import Caller
from crystaledge_benchmarks.machine import NOT_READABLE
from crystaledge_benchmarks.step_bench import call_of

STEPS = 200
_STATUS = Path("/proc/self/status")


def peak_memory(bundle: Path, graph: str, caller: Caller, *, tracks: int, threads: int) -> int | str:
    """High-water mark in kB of a fresh process that opens a bundle and takes 200 steps; or "not readable".

    Raises:
        EngineError: that process failed.
    """
    arguments = [str(bundle), graph, caller.name, str(tracks), str(threads)]
    command = [sys.executable, "-m", "crystaledge_benchmarks.memory_probe", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = done.stdout.strip()
    if done.returncode != 0 or not (said.isdigit() or said == NOT_READABLE):
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        msg = f"The process that measures the memory of {graph!r} failed: {last}"
        raise EngineError(msg)
    return int(said) if said.isdigit() else said


def high_water_kb(status: Path = _STATUS) -> int | str:
    """This program's own peak; getrusage would report what the parent had before exec."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"))
    except OSError:
        return NOT_READABLE
    return int(found[1]) if found else NOT_READABLE


def probe(path: str, name: str, caller: str, tracks: str, threads: str) -> int | str:
    """Take the steps, in this process, and read its peak."""
    bundle = Bundle.open(path)
    call = call_of(Caller[caller], bundle, bundle.graph(name), tracks=int(tracks), threads=int(threads))
    for _ in range(STEPS):
        call()
    return high_water_kb()


if __name__ == "__main__":
    sys.stdout.write(f"{probe(*sys.argv[1:])}\n")
