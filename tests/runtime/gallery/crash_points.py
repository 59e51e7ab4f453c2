"""What would be on the disk if an operation on a gallery were killed before any of its system calls.

`python -m tests.runtime.gallery.crash_points` runs all operations. Random kills meet the moments
between two writes of one commit too seldom; here the kernel stops the process at every call (ptrace(2)),
and the files as they stand then, which is what SIGKILL would leave, are opened as after a kill.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.runtime.gallery.galleries import (
    RETENTION,
    START,
    Clock,
    enrol,
    equal,
    opened,
    secrets_of,
    seed_of,
    template,
    traces,
)

NOT_PERMITTED = 77
"""Exit status where this kernel or its owner does not permit to trace a child."""
_TRACE_ME, _TO_NEXT_CALL = 0, 24
"""PTRACE_TRACEME and PTRACE_SYSCALL, the same on all of Linux."""
ROOT = Path(__file__).parents[3]
PEOPLE = ("ada", "bob", "eve")
Files = tuple[tuple[str, bytes], ...]
_LIBC = ctypes.CDLL(None, use_errno=True)


def _forget(path: Path) -> None:
    with opened(path, create=False) as store:
        store.forget("bob")


def _enrol(path: Path) -> None:
    with opened(path, create=False) as store:
        enrol(store, "new")


def _match(path: Path) -> None:
    with opened(path, create=False) as store:
        store.record_match("bob", score=0.5, track=1)


def _expire(path: Path) -> None:
    opened(path, Clock(START + RETENTION), create=False).close()


def _create(path: Path) -> None:
    path.unlink()
    opened(path).close()


OPERATIONS: dict[Callable[[Path], None], tuple[set[str], ...]] = {
    _forget: (set(PEOPLE), {"ada", "eve"}),
    _enrol: (set(PEOPLE), {*PEOPLE, "new"}),
    _match: (set(PEOPLE),),
    _expire: (set(),),
    _create: (set(PEOPLE), set()),
}
"""Who may be enrolled after each, killed or not; a clock that has passed the end ends everybody anyway."""


def states_of(operation: Callable[[Path], None], path: Path) -> list[Files]:
    """Run an operation in a child; the files at each of its system calls and at its end, without repetitions."""
    states = dict.fromkeys([files_of(path)])
    child = os.fork()
    if child == 0:
        _be_traced(operation, path)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        sys.exit(NOT_PERMITTED)
    while os.WIFSTOPPED(status):
        states[files_of(path)] = None
        _LIBC.ptrace(_TO_NEXT_CALL, child, None, None)
        _, status = os.waitpid(child, 0)
    assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0, "the operation failed"
    return [*states, files_of(path)]


def files_of(path: Path) -> Files:
    """Names and bytes of a gallery's files."""
    return tuple((file.name, file.read_bytes()) for file in sorted(path.parent.glob(path.name + "*")))


def _be_traced(operation: Callable[[Path], None], path: Path) -> None:
    status = 1
    try:
        if _LIBC.ptrace(_TRACE_ME, 0, None, None) == 0:
            os.kill(os.getpid(), signal.SIGSTOP)
            operation(path)
            status = 0
    finally:
        os._exit(status)


def check(path: Path, operation: Callable[[Path], None], secrets: dict[str, tuple[bytes, ...]]) -> frozenset[str]:
    """The gallery after a kill has to be whole; returns who is enrolled."""
    clock = Clock(START + RETENTION) if operation is _expire else Clock()
    with opened(path, clock) as store:
        found = store.templates()
        store.verify_audit()
    assert set(found) in OPERATIONS[operation], f"{sorted(found)} are enrolled"
    assert all(equal(value, template(seed_of(name))) for name, value in found.items())
    for name in PEOPLE:
        assert (traces(path, secrets[name]) > 0) == (name in found), f"bytes of {name}"
    return frozenset(found)


def all_points(operation: Callable[[Path], None], folder: Path) -> tuple[int, int]:
    """Look at every state; returns how many there were, and how many different outcomes."""
    path = folder / "gallery.db"
    with opened(path) as store:
        enrol(store, *PEOPLE)
        secrets = {person.name: secrets_of(path, person.subject) for person in store.people()}
    states, outcomes = states_of(operation, path), []
    for files in states:
        for old in folder.glob("gallery.db*"):
            old.unlink()
        for name, content in files:
            (folder / name).write_bytes(content)
        outcomes.append(check(path, operation, secrets))
    assert outcomes[-1] == OPERATIONS[operation][-1], "what was done is not there"
    return len(states), len(set(outcomes))


if __name__ == "__main__":
    shared_memory = Path("/dev/shm")
    for each in OPERATIONS:
        with tempfile.TemporaryDirectory(dir=shared_memory if shared_memory.is_dir() else None) as scratch:
            points, outcome_count = all_points(each, Path(scratch))
        assert outcome_count == len(OPERATIONS[each]), f"{each.__name__}: {outcome_count} outcomes"
        sys.stdout.write(f"{each.__name__[1:]}: {points} states of the files, {outcome_count} outcomes\n")
