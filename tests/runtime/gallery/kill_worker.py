"""A process that enrols, matches and forgets until it is killed, and says on a file what it has done.

`python -m tests.runtime.gallery.kill_worker GALLERY LOG SEED OPERATIONS`
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

from crystaledge.gallery.store import GalleryStore
from tests.runtime.gallery.galleries import CONSENT, RETENTION, opened, secrets_of, seed_of, template

MOST_PEOPLE = 6


class Worker:
    """Does things at random to people of its own, each told of before and after."""

    def __init__(self, path: Path, log: Path, seed: int) -> None:
        self.path = path
        self.log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.seed = seed
        self.random = random.Random(seed)
        self.people: list[str] = []
        self.count = 0

    def say(self, *words: str) -> None:
        """One line, which is with the kernel when this returns."""
        os.write(self.log, (" ".join(words) + "\n").encode())

    def work(self, operations: int) -> None:
        """Begin, and go on until the number is reached or the process is killed."""
        self.say("ready")
        store = opened(self.path, busy_timeout_s=60.0)
        for _ in range(operations):
            action = self.random.choice((self.enrol, self.enrol, self.forget, self.forget, self.match))
            action(store)
            if self.random.random() < 0.1:
                store.close()
                store = opened(self.path, busy_timeout_s=60.0)
        store.close()

    def enrol(self, store: GalleryStore) -> None:
        """A new person."""
        if len(self.people) == MOST_PEOPLE:
            self.forget(store)
        self.count += 1
        name = f"{self.seed}.{self.count}"
        self.say("begin", "enrol", name)
        receipt = store.enroll(name, template(seed_of(name)), CONSENT, retention=RETENTION)
        self.people.append(name)
        secrets = ",".join(value.hex() for value in secrets_of(self.path, receipt.subject))
        self.say("done", "enrol", name, receipt.audit_hash, secrets)

    def forget(self, store: GalleryStore) -> None:
        """One of those that this process enrolled."""
        if self.people:
            name = self.people.pop(self.random.randrange(len(self.people)))
            self.say("begin", "forget", name)
            self.say("done", "forget", name, store.forget(name).audit_hash)

    def match(self, store: GalleryStore) -> None:
        """One of those that this process enrolled."""
        if self.people:
            name = self.random.choice(self.people)
            self.say("begin", "match", name)
            self.say("done", "match", name, store.record_match(name, score=0.5, track=1).audit_hash)


if __name__ == "__main__":
    Worker(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])).work(int(sys.argv[4]))
