"""What a person agreed to, and until when. Without an end there is no enrolment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from crystaledge.errors import UsageError
from crystaledge.gallery.times import utc_text
from crystaledge.gallery.wording import one_line

_LONGEST_PURPOSE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A person's consent; times are aware and written as UTC, ISO 8601.

    Raises:
        UsageError: the purpose is no line of text, a time has no zone, the end is not after the
            beginning, or the fingerprint is no SHA-256.
    """

    purpose: str
    given_at: datetime
    text_sha256: str | None = None
    """Fingerprint of the text that was agreed to, 64 hexadecimal digits; the text itself is kept elsewhere."""
    expires_at: datetime | None = None
    """The first moment at which it holds no longer; None where the retention of the gallery's owner decides."""

    def __post_init__(self) -> None:
        one_line(self.purpose, what="The purpose", longest=_LONGEST_PURPOSE)
        utc_text(self.given_at)
        if self.expires_at is not None and utc_text(self.expires_at) <= utc_text(self.given_at):
            msg = f"The consent ends at {utc_text(self.expires_at)}, not after it was given; give a later end."
            raise UsageError(msg)
        if self.text_sha256 is not None and not re.fullmatch("[0-9a-f]{64}", self.text_sha256):
            msg = f"{self.text_sha256[:70]!r} is no SHA-256 of a consent text; expected 64 hexadecimal digits."
            raise UsageError(msg)


def expiry_of(consent: Consent, at: datetime, retention: timedelta | None) -> datetime:
    """When somebody who is enrolled now has to be forgotten.

    Args:
        at: the gallery's time of the enrolment.
        retention: how long people are kept whose consent names no end.

    Raises:
        UsageError: neither names an end, the end has passed, or the consent is not given yet.
    """
    if consent.given_at > at:
        msg = f"The consent is given at {utc_text(consent.given_at)}, but the gallery is at {utc_text(at)}; not yet."
        raise UsageError(msg)
    end = consent.expires_at if consent.expires_at is not None else _later(at, retention)
    if end is None:
        msg = "An enrolment needs an end: give the consent an expiry, or a retention to keep people for."
        raise UsageError(msg)
    if end <= at:
        msg = (
            f"The enrolment would end at {utc_text(end)}, but the gallery is at {utc_text(at)} already "
            "(the latest time that it has seen); give a later end."
        )
        raise UsageError(msg)
    return end


def _later(at: datetime, retention: timedelta | None) -> datetime | None:
    if retention is None:
        return None
    try:
        return at + retention
    except OverflowError:
        msg = f"A retention of {retention.days} days is beyond the calendar; give fewer."
        raise UsageError(msg) from None
