"""Consent, times and wording: what is refused, and that an enrolment always has an end."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.errors import UsageError
from crystaledge.gallery.consent import Consent, expiry_of
from crystaledge.gallery.times import utc_now, utc_text, utc_time
from crystaledge.gallery.wording import one_line
from tests.runtime.gallery.galleries import CONSENT, START
from tests.support.messages import message_of

DAY = timedelta(days=1)
NAIVE = datetime(2030, 1, 1)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=ZONES)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        pytest.param(lambda: Consent(purpose="", given_at=START), "The purpose '' is refused", id="no-purpose"),
        pytest.param(lambda: Consent(purpose="x" * 501, given_at=START), "1 to 500 characters", id="long-purpose"),
        pytest.param(lambda: Consent(purpose="p", given_at=NAIVE), "has no time zone", id="naive-time"),
        pytest.param(
            lambda: Consent(purpose="p", given_at=START, expires_at=NAIVE), "has no time zone", id="naive-end"
        ),
        pytest.param(lambda: Consent(purpose="p", given_at=START, expires_at=START), "not after", id="no-time-at-all"),
        pytest.param(lambda: Consent(purpose="p", given_at=START, text_sha256="AB" * 32), "SHA-256", id="capitals"),
        pytest.param(lambda: Consent(purpose="p", given_at=START, text_sha256="ab"), "SHA-256", id="short"),
    ],
)
def test_a_bad_consent_is_refused(make: Callable[[], Consent], expected: str) -> None:
    with pytest.raises(UsageError) as raised:
        make()
    assert expected in message_of(raised)


def test_the_consents_own_end_goes_before_the_retention() -> None:
    ends = Consent(purpose="p", given_at=START, expires_at=START + DAY)
    assert expiry_of(ends, START, 9 * DAY) == expiry_of(ends, START, None) == START + DAY
    assert expiry_of(CONSENT, START, 9 * DAY) == START + 9 * DAY


@pytest.mark.parametrize(
    ("consent", "retention", "expected"),
    [
        pytest.param(CONSENT, None, "needs an end", id="no-end"),
        pytest.param(CONSENT, timedelta(0), "give a later end", id="no-retention"),
        pytest.param(CONSENT, -DAY, "give a later end", id="negative-retention"),
        pytest.param(CONSENT, timedelta.max, "beyond the calendar", id="endless-retention"),
        pytest.param(
            Consent(purpose="p", given_at=START - 2 * DAY, expires_at=START - DAY), DAY, "give a later end", id="over"
        ),
        pytest.param(Consent(purpose="p", given_at=START + DAY), DAY, "not yet", id="not-given-yet"),
    ],
)
def test_an_enrolment_without_an_end_ahead_is_refused(
    consent: Consent, retention: timedelta | None, expected: str
) -> None:
    with pytest.raises(UsageError) as raised:
        expiry_of(consent, START, retention)
    assert expected in message_of(raised)


@given(MOMENTS, MOMENTS)
def test_times_keep_their_order_as_text(one: datetime, other: datetime) -> None:
    assert (utc_text(one) < utc_text(other)) == (utc_text(one) != utc_text(other) and one < other)
    assert utc_time(utc_text(one)) == one
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", utc_text(one))


def test_the_devices_clock_is_in_utc() -> None:
    assert utc_now().utcoffset() == timedelta(0)


@pytest.mark.parametrize("text", ["", " ", " ada", "ada\n", "a\tb", "a\x1b[2Jb", "a\u2028b", "a\udc80", "x" * 11])
def test_what_is_no_line_of_text_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        one_line(text, what="The name", longest=10)
    message_of(raised).encode()


def test_one_name_has_one_spelling() -> None:
    assert one_line("Zoe\u0308", what="The name", longest=10) == "Zo\u00eb"
