"""Points in time as a gallery writes them: UTC, ISO 8601, of one width, so that text order is time order."""

from __future__ import annotations

from datetime import datetime, timezone

from crystaledge.errors import UsageError


def utc_now() -> datetime:
    """The device's clock."""
    return datetime.now(timezone.utc)


def utc_text(time: datetime) -> str:
    """`2026-01-31T12:00:00.000000+00:00`.

    Raises:
        UsageError: the time has no time zone.
    """
    if time.utcoffset() is None:
        msg = f"The time {time.isoformat()} has no time zone; expected an aware time, such as one in UTC."
        raise UsageError(msg)
    return time.astimezone(timezone.utc).isoformat(timespec="microseconds")


def utc_time(text: str) -> datetime:
    """The time of a text that `utc_text` wrote."""
    return datetime.fromisoformat(text)
