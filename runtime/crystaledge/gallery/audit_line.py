"""What the audit says: its lines, and the receipt of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class Action(Enum):
    """What happened to a person's data."""

    ENROL = "enrol"
    MATCH = "match"
    FORGET = "forget"
    EXPIRY = "expiry"


ENDS = (Action.FORGET.value, Action.EXPIRY.value)
"""After these there is nothing of a person any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """One line of the audit."""

    line: int
    """From 1, without gaps."""
    time: str
    """UTC, ISO 8601; never before that of the line above."""
    action: str
    subject: str
    """Random, one for each enrolment; once forgotten it leads to nobody."""
    detail: str
    hash: str
    """HMAC-SHA256 of the line and the one above, hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Proof that something was done, to be kept outside of the gallery."""

    subject: str
    time: datetime
    audit_hash: str
    """`AuditLine.hash` of its line."""
