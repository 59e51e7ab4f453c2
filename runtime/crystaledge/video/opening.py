"""Which bundle does what: a detector finds faces, an identity's bundle tells them apart, by what each decides about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crystaledge.bundle import Bundle
from crystaledge.detection.spec import DetectionDecision
from crystaledge.errors import UsageError
from crystaledge.identity.spec import IdentityDecision


def is_detector(bundle: Bundle) -> bool:
    """Whether a bundle finds objects."""
    return isinstance(bundle.manifest.decision, DetectionDecision)


def opened(bundles: Sequence[Bundle | str | Path]) -> list[Bundle]:
    """Bundles, those that are named by a path opened and checked.

    Raises:
        ManifestError, BundleError: one is not sound.
    """
    return [bundle if isinstance(bundle, Bundle) else Bundle.open(bundle) for bundle in bundles]


def by_role(bundles: Sequence[Bundle]) -> tuple[Bundle, Bundle | None]:
    """(detector, identity) among one or two bundles.

    Raises:
        UsageError: there is not exactly one detector, or more than one bundle of the other kind.
    """
    detectors = [bundle for bundle in bundles if is_detector(bundle)]
    identities = [bundle for bundle in bundles if isinstance(bundle.manifest.decision, IdentityDecision)]
    if len(detectors) != 1 or len(identities) > 1:
        msg = (
            f"Got {len(detectors)} bundles that find faces and {len(identities)} that tell them apart; "
            "expected one detector such as Phantom, and at most one of the other kind such as Mnemosyne."
        )
        raise UsageError(msg)
    return detectors[0], identities[0] if identities else None
