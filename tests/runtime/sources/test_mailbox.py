"""The mailbox against two plain lists, in any order of operations."""

from __future__ import annotations

import threading

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from crystaledge.errors import DataError
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.frame import Frame
from crystaledge.sources.mailbox import DropPolicy, Mailbox
from tests.runtime.sources.scripted import picture

POLICIES = st.sampled_from(DropPolicy)


def frame(index: int) -> Frame:
    """The frame of that number."""
    return Frame(picture(index), ColorOrder.BGR, index, "camera0")


class MailboxAgainstLists(RuleBasedStateMachine):
    """Whatever is posted to the mailbox is posted to a list as well."""

    @initialize(policy=POLICIES, capacity=st.integers(1, 3))
    def start(self, policy: DropPolicy, capacity: int) -> None:
        self.policy = policy
        self.capacity = 1 if policy is DropPolicy.LATEST else capacity
        self.box = Mailbox(policy=policy, capacity=capacity, changed=threading.Condition())
        self.waiting: list[Frame] = []
        self.count = self.dropped = self.delivered = 0
        self.error: DataError | None = None
        self.finished = self.closed = False

    @precondition(lambda self: not self.finished)
    @rule()
    def put(self) -> None:
        if self.policy is DropPolicy.EVERY and len(self.waiting) == self.capacity and not self.closed:
            return  # this would wait, rightly
        posted = frame(self.count)
        assert self.box.put(posted) is not self.closed
        if not self.closed:
            self.count += 1
            self.waiting.append(posted)
            self.dropped += len(self.waiting) - self.capacity if len(self.waiting) > self.capacity else 0
            self.waiting = self.waiting[-self.capacity :]

    @rule()
    def poll(self) -> None:
        if self.waiting:
            assert self.box.poll() is self.waiting.pop(0)
            self.delivered += 1
        elif self.error is not None:
            with pytest.raises(DataError) as raised:
                self.box.poll()
            assert raised.value is self.error
            self.error = None
        else:
            assert self.box.poll() is None

    @precondition(lambda self: not self.finished)
    @rule(error=st.sampled_from([None, DataError("gone")]))
    def finish(self, error: DataError | None) -> None:
        self.box.finish(error)
        self.finished = True
        self.error = None if self.closed else error

    @rule()
    def close(self) -> None:
        self.box.close()
        self.closed, self.error = True, None
        self.dropped += len(self.waiting)
        self.waiting = []

    @invariant()
    def counters_add_up(self) -> None:
        box = self.box
        assert (box.read, box.delivered, box.dropped) == (self.count, self.delivered, self.dropped)
        assert box.read == box.delivered + box.dropped + len(self.waiting)

    @invariant()
    def the_end_is_the_end(self) -> None:
        over = self.closed or (self.finished and not self.waiting and self.error is None)
        assert self.box.ended is over
        assert self.box.ready is bool(self.waiting or self.finished or self.closed)


TestMailboxAgainstLists = MailboxAgainstLists.TestCase
TestMailboxAgainstLists.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_an_error_after_the_close_is_nobodys() -> None:
    box = Mailbox(policy=DropPolicy.EVERY, capacity=1, changed=threading.Condition())
    box.close()
    box.finish(DataError("gone"))
    assert box.ended
    assert box.poll() is None


def test_a_full_mailbox_makes_the_reader_wait_until_a_frame_is_taken() -> None:
    box = Mailbox(policy=DropPolicy.EVERY, capacity=1, changed=threading.Condition())
    box.put(frame(0))
    reader = threading.Thread(target=box.put, args=(frame(1),))
    reader.start()
    first = box.poll()
    reader.join()
    second = box.poll()
    assert [found.index for found in (first, second) if found is not None] == [0, 1]


def test_a_reader_that_waits_is_sent_away_by_a_close() -> None:
    box = Mailbox(policy=DropPolicy.EVERY, capacity=1, changed=threading.Condition())
    box.put(frame(0))
    answers: list[bool] = []
    reader = threading.Thread(target=lambda: answers.append(box.put(frame(1))))
    reader.start()
    box.close()
    reader.join()
    assert answers == [False]
