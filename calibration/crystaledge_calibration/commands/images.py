"""From the options of a command line to a set of images."""

from __future__ import annotations

from argparse import Namespace

from crystaledge.bundle import Bundle
from crystaledge.errors import UsageError
from crystaledge.manifest.model import detection_decision
from crystaledge.sources.open import SYNTHETIC
from crystaledge_calibration.commands.sequences import progress_bar
from crystaledge_calibration.image_set import ImageSet, choose_images


def images_of(arguments: Namespace, bundle: Bundle, *, without: frozenset[str] = frozenset()) -> ImageSet:
    """The images that `--data` and `--sequences` name, an image a sequence.

    Args:
        without: SHA-256 of files that are left out.

    Raises:
        UsageError: the options are for sequences of people.
        DataError: there are too few images.
    """
    if arguments.data == SYNTHETIC:
        msg = "A detector is calibrated and verified on whole images: give --data DIR, a folder of them."
        raise UsageError(msg)
    if arguments.people is not None:
        msg = "--people names identities of a folder; a detector takes any images. Leave it out."
        raise UsageError(msg)
    octaves = detection_decision(bundle.manifest.decision, where=str(bundle.path)).octaves
    with progress_bar(None, "reading images") as advance:
        return choose_images(
            arguments.data,
            images=arguments.sequences,
            octaves=octaves,
            seed=arguments.seed,
            without=without,
            progress=advance,
        )
