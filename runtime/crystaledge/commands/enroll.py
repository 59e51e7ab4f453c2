"""`crystaledge enroll`: a person, their consent, and frames of them into a gallery on disk."""

from __future__ import annotations

import hashlib
import os
from argparse import Namespace
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from crystaledge.cli.verb import Outcome, talk
from crystaledge.commands.engines import engine_options
from crystaledge.commands.gallery import receipt_data
from crystaledge.errors import DataError, UsageError
from crystaledge.gallery.consent import Consent
from crystaledge.gallery.key import find_master_key
from crystaledge.gallery.store import GalleryStore
from crystaledge.gallery.template import Template
from crystaledge.gallery.times import utc_now
from crystaledge.sources.frame import Frame
from crystaledge.sources.open import open_source
from crystaledge.video.gallery_link import fingerprint_of
from crystaledge.video.opening import by_role, opened
from crystaledge.video.options import VideoOptions
from crystaledge.video.pipeline import VideoPipeline


def run(arguments: Namespace) -> Outcome:
    """Enrol one person; see the verb's help."""
    consent = _consent(arguments)
    key = find_master_key(arguments.key_file, os.environ)
    detector, identity = by_role(opened(arguments.bundle))
    if identity is None:
        msg = "Enrolment needs a bundle that tells people apart; give one beside the detector's."
        raise UsageError(msg)
    options = VideoOptions(engine=engine_options(arguments), unverified=arguments.unverified, say=talk)
    with VideoPipeline.of(detector, identity, options) as pipeline:
        learnt = pipeline.learn(_frames(arguments))
    template = Template(identity=learnt.hidden, log_variance=learnt.log_variance, observations=learnt.observations)
    with GalleryStore.open(arguments.gallery_db, key, fingerprint_of(identity), create=True) as store:
        receipt = store.enroll(arguments.name, template, consent, retention=timedelta(days=arguments.days))
    described = receipt_data(receipt)
    text = f"enrolled from {learnt.observations} frames: subject {receipt.subject} at {described['time']}"
    return Outcome(text=text, data={"enrolled": described, "observations": learnt.observations})


def _frames(arguments: Namespace) -> Iterator[Frame]:
    """Frames of the source, some of them left out so that they differ."""
    source = iter(open_source(arguments.source, say=talk))
    return islice(source, arguments.skip, arguments.skip + arguments.frames * arguments.every, arguments.every)


def _consent(arguments: Namespace) -> Consent:
    given: datetime = utc_now()
    return Consent(purpose=arguments.purpose, given_at=given, text_sha256=_text_sha256(arguments.consent_text))


def _text_sha256(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        msg = f"Cannot read the consent text {path}: {error.strerror}; name the text that was agreed to."
        raise DataError(msg) from error
