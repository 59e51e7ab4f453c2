"""The gallery on disk: enrol, read, match, forget, expire; safe against crashes and other processes."""

from __future__ import annotations

import secrets
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType

from crystaledge.errors import ContractError
from crystaledge.gallery.audit_line import Action, AuditLine, Receipt
from crystaledge.gallery.connection import clear_errors, connect
from crystaledge.gallery.consent import Consent, expiry_of
from crystaledge.gallery.creation import create_gallery
from crystaledge.gallery.errors import GalleryError, UnknownPersonError
from crystaledge.gallery.header import read_header
from crystaledge.gallery.key import MasterKey
from crystaledge.gallery.people import Person
from crystaledge.gallery.session import Clock, Session
from crystaledge.gallery.template import ModelFingerprint, Template
from crystaledge.gallery.times import utc_now, utc_text
from crystaledge.gallery.wording import one_line

BUSY_TIMEOUT_S = 5.0
_LONGEST_NAME = 200


class GalleryStore:
    """Enrolled people in one file, of one model; a context manager.

    What a method returned for has happened, whatever kills the process then. Every method sees what
    other processes did before; every method raises `GalleryError` where the file cannot be used.
    Time is that of the clock or the latest ever seen, so that nobody comes back when a clock jumps.
    One store belongs to one thread.
    """

    def __init__(self, session: Session, model: ModelFingerprint) -> None:
        """For `open` and `administer`."""
        self.path = session.path
        self.model = model
        self._session = session
        self._people = session.people
        self._trail = session.trail

    @classmethod
    def open(
        cls,
        path: Path,
        key: MasterKey,
        model: ModelFingerprint,
        *,
        create: bool,
        now: Clock = utc_now,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> GalleryStore:
        """Open the gallery of a model, and forget whose time is up.

        Args:
            create: make the file where there is none.

        Raises:
            GalleryError: there is no such file, it is damaged, of another model, or under another key.
        """
        with clear_errors(path):
            if create and not path.exists():
                create_gallery(path, key, model, at=now())
        return cls._open(path, key, model, now, busy_timeout_s)

    @classmethod
    def administer(
        cls, path: Path, key: MasterKey, *, now: Clock = utc_now, busy_timeout_s: float = BUSY_TIMEOUT_S
    ) -> GalleryStore:
        """Open a gallery of whatever model; see `open`."""
        return cls._open(path, key, None, now, busy_timeout_s)

    @classmethod
    def _open(
        cls, path: Path, key: MasterKey, model: ModelFingerprint | None, now: Clock, busy_timeout_s: float
    ) -> GalleryStore:
        with clear_errors(path):
            if not path.is_file():
                msg = f"There is no gallery {path}; it is made when the first person is enrolled."
                raise GalleryError(msg)
            connection = connect(path, busy_timeout_s=busy_timeout_s)
            try:
                header = read_header(connection, path, key)
                if model is not None:
                    header.require(model, path)
                store = cls(Session(path, connection, header, now), header.model)
                store._begin()
            except BaseException:
                connection.close()
                raise
        return store

    def _begin(self) -> None:
        with suppress(GalleryError):  # it can wait: every opening tries again
            self._session.clean()
        self._purge_due()
        with suppress(GalleryError):  # a file that cannot be written can still be read
            self._session.note_time()

    def __enter__(self) -> GalleryStore:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; closing twice does no harm."""
        self._session.close()

    @property
    def version(self) -> int:
        """A number that grows whenever somebody is enrolled or gone; read it before `templates`."""
        with self._session.reading():
            return self._trail.progress().version

    def changed_since(self, version: int) -> bool:
        """Whether anybody was enrolled, forgotten or expired since; cheap enough to ask at every frame."""
        self._purge_due()
        return self.version != version

    def people(self) -> tuple[Person, ...]:
        """Everybody, in the order of enrolment."""
        self._purge_due()
        with self._session.reading():
            return self._people.everybody()

    def templates(self) -> dict[str, Template]:
        """Templates by name, in the order of enrolment."""
        return {person.name: person.template for person in self.people()}

    def enroll(self, name: str, template: Template, consent: Consent, *, retention: timedelta | None = None) -> Receipt:
        """Add a person.

        Args:
            retention: how long to keep a person whose consent names no end.

        Raises:
            UsageError: the name or the consent is refused, or there is no end to the enrolment.
            ContractError: the identity is not as long as the model's.
            GalleryError: the name is enrolled already.
        """
        plain = _name(name)
        self._require_dimensions(template)
        self._purge_due()
        with self._session.writing() as at:
            if self._people.subject_of(plain) is not None:
                msg = f"{plain!r} is enrolled in {self.path} already; forget that enrolment first."
                raise GalleryError(msg)
            ends = expiry_of(consent, at, retention)
            subject = secrets.token_hex(16)
            self._people.add(
                Person(name=plain, subject=subject, template=template, consent=consent, enrolled_at=at, expires_at=ends)
            )
            detail = f"observations={template.observations} expires={utc_text(ends)}"
            return self._trail.append(Action.ENROL, subject, detail, at)

    def record_match(self, name: str, *, score: float, track: int) -> Receipt:
        """Note in the audit that a person was recognised.

        Raises:
            UnknownPersonError: nobody of this name is enrolled; another process may have forgotten them.
        """
        self._purge_due()
        with self._session.writing() as at:
            return self._trail.append(Action.MATCH, self._subject(name), f"score={score:.6g} track={track}", at)

    def forget(self, name: str) -> Receipt:
        """Destroy all that the gallery holds of a person, to the last byte of its files.

        Raises:
            UnknownPersonError: nobody of this name is enrolled.
            GalleryError: the person is still enrolled; or is forgotten, and the file must still be
                cleaned of deleted bytes, which the next opening does. The message says which.
        """
        self._purge_due()
        with self._session.writing() as at:
            subject = self._subject(name)
            self._people.remove(subject)
            receipt = self._trail.append(Action.FORGET, subject, "", at)
        self._session.clean()
        return receipt

    def purge(self, now: datetime | None = None) -> tuple[Receipt, ...]:
        """Forget everybody whose time is up at `now` (the clock's, if not given); this is final."""
        with self._session.writing(now) as at:
            receipts = tuple(self._expire(subject, at) for subject in self._people.expired(at))
        if receipts:
            self._session.clean()
        return receipts

    def audit(self) -> tuple[AuditLine, ...]:
        """All lines of the audit, oldest first; `verify_audit` says whether to believe them."""
        with self._session.reading():
            return tuple(self._trail.lines())

    def verify_audit(self) -> int:
        """Check the audit and that it agrees with who is enrolled; returns its number of lines.

        Raises:
            GalleryError: a line was changed or removed, or a person added or removed behind its back.
        """
        with self._session.reading():
            if self._trail.verify() != self._people.subjects():
                msg = f"The people in {self.path} are not those that its audit enrolled; do not trust this file."
                raise GalleryError(msg)
            return self._trail.progress().lines

    def _expire(self, subject: str, at: datetime) -> Receipt:
        self._people.remove(subject)
        return self._trail.append(Action.EXPIRY, subject, "", at)

    def _purge_due(self) -> None:
        with self._session.reading():
            due = self._people.expired(self._session.time())
        if due:
            self.purge()

    def _subject(self, name: str) -> str:
        subject = self._people.subject_of(_name(name))
        if subject is None:
            msg = f"{name!r} is not enrolled in {self.path}."
            raise UnknownPersonError(msg)
        return subject

    def _require_dimensions(self, template: Template) -> None:
        if template.identity.shape != (self.model.dimensions,):
            msg = f"The identity has {template.identity.size} dimensions; {self.path} holds {self.model.dimensions}."
            raise ContractError(msg)


def _name(name: str) -> str:
    return one_line(name, what="The name", longest=_LONGEST_NAME)
