"""Keeps a pipeline's gallery, in memory, as the one on disk is: enrolments and forgettings elsewhere hold here too."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from crystaledge.bundle import Bundle
from crystaledge.gallery.errors import UnknownPersonError
from crystaledge.gallery.store import GalleryStore
from crystaledge.gallery.template import ModelFingerprint
from crystaledge.identity.gallery import Gallery
from crystaledge.manifest.model import identity_decision
from crystaledge.video.events import FaceEvent, FaceTurn

_ASK_EVERY_S = 1.0


def fingerprint_of(bundle: Bundle) -> ModelFingerprint:
    """The model whose templates a bundle can compare.

    Raises:
        ContractError: the bundle tells nobody apart.
    """
    manifest = bundle.manifest
    return ModelFingerprint(
        system=manifest.system.value,
        checkpoint_sha256=manifest.provenance.checkpoint_sha256,
        dimensions=identity_decision(manifest.decision, where=str(bundle.path)).dimensions,
    )


class GalleryLink:
    """Between an opened store and a gallery in memory; the store stays the caller's to close."""

    def __init__(
        self,
        store: GalleryStore,
        gallery: Gallery,
        *,
        forget: Callable[[str], None] = lambda name: None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Take over who is enrolled.

        Args:
            forget: told of each person who is not enrolled any more.
        """
        self._store, self._gallery, self._forget, self._clock = store, gallery, forget, clock
        self._version = -1
        self._asked_s = -1e9
        self._mine: set[str] = set()
        self.refresh()

    def refresh(self) -> bool:
        """Take over what changed on disk; asked at most once a second. Returns whether anything did."""
        now_s = self._clock()
        if now_s - self._asked_s < _ASK_EVERY_S:
            return False
        self._asked_s = now_s
        if not self._store.changed_since(self._version):
            return False
        self._version = self._store.version
        for name in self._mine:
            self._gallery.remove(name)
        # A name that the caller gave to somebody in memory stays theirs, lest an enrolment elsewhere end this run.
        taken = {person.name for person in self._gallery.people}
        templates = {name: found for name, found in self._store.templates().items() if name not in taken}
        for name, template in templates.items():
            self._gallery.enroll(name, template.identity, template.log_variance, template.observations)
        gone, self._mine = self._mine - set(templates), set(templates)
        for name in sorted(gone):
            self._forget(name)
        return True

    def note(self, event: FaceEvent) -> None:
        """Write a recognition into the audit."""
        if event.turn is FaceTurn.IDENTIFIED and event.name in self._mine and event.name is not None:
            try:
                self._store.record_match(event.name, score=event.llr or 0.0, track=event.track)
            except UnknownPersonError:  # forgotten by another process a moment ago
                self._asked_s = -1e9
