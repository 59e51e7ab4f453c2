"""The gallery against a plain dictionary, through two connections, reopenings, and a clock that jumps."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from crystaledge.gallery.errors import GalleryError, UnknownPersonError
from crystaledge.gallery.store import GalleryStore
from tests.runtime.gallery.galleries import CONSENT, START, Clock, opened, template

NAMES = st.sampled_from(["ada", "bob", "Zoë", "a b"])
DAYS = st.integers(1, 20)
SHARED_MEMORY = Path("/dev/shm")


class GalleryAgainstDictionary(RuleBasedStateMachine):
    """Whatever is done to the gallery is done to a dictionary as well; `latest` is the time it has to keep."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None))
        self.clock = Clock()
        self.stores = [self.open(), self.open()]
        self.people: dict[str, tuple[int, datetime, str]] = {}
        self.gone: set[str] = set()
        self.latest = START
        self.lines = 0
        self.known = self.stores[0].version
        self.changed = False

    def open(self) -> GalleryStore:
        return opened(self.folder / "gallery.db", self.clock)

    def teardown(self) -> None:
        for store in self.stores:
            store.close()
        shutil.rmtree(self.folder)

    def now(self) -> datetime:
        """What the gallery takes for the time once it is asked; those whose time is up are gone then."""
        now = max(self.latest, self.clock.time)
        for name in [n for n, (_, ends, _) in self.people.items() if ends <= now]:
            self.gone.add(self.people.pop(name)[2])
            self.latest, self.lines, self.changed = now, self.lines + 1, True
        return now

    def wrote(self, *, changed: bool) -> None:
        self.latest, self.lines = self.now(), self.lines + 1
        self.changed |= changed

    @rule(which=st.integers(0, 1), name=NAMES, seed=st.integers(0, 99), days=DAYS, own_end=st.booleans())
    def enrol(self, which: int, name: str, seed: int, days: int, own_end: bool) -> None:
        ends = self.now() + timedelta(days=days)
        consent = replace(CONSENT, expires_at=ends) if own_end else CONSENT
        retention = None if own_end else timedelta(days=days)
        if name in self.people:
            with pytest.raises(GalleryError, match="is enrolled in"):
                self.stores[which].enroll(name, template(seed), consent, retention=retention)
            return
        receipt = self.stores[which].enroll(name, template(seed), consent, retention=retention)
        assert receipt.subject not in self.gone
        self.wrote(changed=True)
        self.people[name] = (seed, ends, receipt.subject)

    @rule(which=st.integers(0, 1), name=NAMES)
    def forget(self, which: int, name: str) -> None:
        self.now()
        if name not in self.people:
            with pytest.raises(UnknownPersonError, match="is not enrolled"):
                self.stores[which].forget(name)
            return
        receipt = self.stores[which].forget(name)
        assert receipt.subject == self.people.pop(name)[2]
        self.gone.add(receipt.subject)
        self.wrote(changed=True)

    @rule(which=st.integers(0, 1), name=NAMES)
    def match(self, which: int, name: str) -> None:
        self.now()
        if name not in self.people:
            with pytest.raises(UnknownPersonError, match="is not enrolled"):
                self.stores[which].record_match(name, score=0.5, track=1)
            return
        self.stores[which].record_match(name, score=0.5, track=1)
        self.wrote(changed=False)

    @rule(hours=st.integers(-400, 400))
    def jump(self, hours: int) -> None:
        self.clock.advance(timedelta(hours=hours))

    @rule(which=st.integers(0, 1), hours=st.integers(-100, 200))
    def purge(self, which: int, hours: int) -> None:
        self.now()
        before, time = dict(self.people), self.clock.time
        self.clock.time += timedelta(hours=hours)
        self.latest = self.now()
        self.clock.time = time
        receipts = self.stores[which].purge(time + timedelta(hours=hours))
        assert {r.subject for r in receipts} == {s for n, (_, _, s) in before.items() if n not in self.people}

    @rule(which=st.integers(0, 1))
    def reopen(self, which: int) -> None:
        self.stores[which].close()
        self.stores[which] = self.open()
        self.latest = self.now()

    @precondition(lambda self: self.people)
    @rule(which=st.integers(0, 1))
    def ask_for_changes(self, which: int) -> None:
        self.now()
        assert self.stores[which].changed_since(self.known) == self.changed
        self.known, self.changed = self.stores[which].version, False

    @invariant()
    def both_see_the_same_people_in_the_order_of_enrolment(self) -> None:
        self.now()
        for store in self.stores:
            people = store.people()
            assert [p.name for p in people] == list(self.people)
            for person, (seed, ends, subject) in zip(people, self.people.values(), strict=True):
                assert person.template.to_bytes() == template(seed).to_bytes()
                assert (person.expires_at, person.subject) == (ends, subject)

    @invariant()
    def the_audit_is_whole_and_its_time_does_not_go_back(self) -> None:
        self.now()
        assert self.stores[0].version >= self.known
        assert self.stores[0].verify_audit() == self.lines
        times = [line.time for line in self.stores[1].audit()]
        assert times == sorted(times)


TestGalleryAgainstDictionary = GalleryAgainstDictionary.TestCase
TestGalleryAgainstDictionary.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
