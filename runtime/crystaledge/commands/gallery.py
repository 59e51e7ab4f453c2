"""`crystaledge identities` and `crystaledge forget`."""

from __future__ import annotations

import os
from argparse import Namespace
from typing import Any

from crystaledge.cli.verb import Outcome
from crystaledge.gallery.audit_line import Receipt
from crystaledge.gallery.key import find_master_key
from crystaledge.gallery.people import Person
from crystaledge.gallery.store import GalleryStore
from crystaledge.gallery.times import utc_text
from crystaledge.jsonio import encode

_HEADINGS = ("name", "observations", "enrolled", "expires", "purpose")


def identities(arguments: Namespace) -> Outcome:
    """List who is enrolled; see the verb's help."""
    with _administered(arguments) as store:
        people = store.people()
        data = {"model": encode(store.model), "identities": [_described(person) for person in people]}
    return Outcome(text=_table(people) if people else "nobody is enrolled", data=data)


def forget(arguments: Namespace) -> Outcome:
    """Forget one person; see the verb's help."""
    with _administered(arguments) as store:
        receipt = store.forget(arguments.name)
    described = receipt_data(receipt)
    text = f"forgotten: subject {receipt.subject} at {described['time']}, audit hash {receipt.audit_hash}"
    return Outcome(text=text, data={"forgotten": described})


def receipt_data(receipt: Receipt) -> dict[str, str]:
    """A receipt as JSON values."""
    return {"subject": receipt.subject, "time": utc_text(receipt.time), "audit_hash": receipt.audit_hash}


def _administered(arguments: Namespace) -> GalleryStore:
    return GalleryStore.administer(arguments.gallery_db, find_master_key(arguments.key_file, os.environ))


def _described(person: Person) -> dict[str, Any]:
    return {
        "name": person.name,
        "subject": person.subject,
        "observations": person.template.observations,
        "enrolled_at": utc_text(person.enrolled_at),
        "expires_at": utc_text(person.expires_at),
        "purpose": person.consent.purpose,
        "consent_given_at": utc_text(person.consent.given_at),
        "consent_text_sha256": person.consent.text_sha256,
    }


def _table(people: tuple[Person, ...]) -> str:
    rows = [_HEADINGS, *(_cells(person) for person in people)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _cells(person: Person) -> tuple[str, ...]:
    enrolled, expires = (f"{time:%Y-%m-%dT%H:%MZ}" for time in (person.enrolled_at, person.expires_at))
    return person.name, str(person.template.observations), enrolled, expires, person.consent.purpose
