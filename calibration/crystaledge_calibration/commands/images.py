"""From the options of a command line to a set of images."""

from __future__ import annotations

from argparse import Namespace

from crystaledge.errors import UsageError
from crystaledge.sources.open import SYNTHETIC
from crystaledge_calibration.commands.sequences import progress_bar
from crystaledge_calibration.image_folders import Purpose
from crystaledge_calibration.image_set import ImageSet, choose_images


def images_of(
    arguments: Namespace,
    *,
    octaves: int,
    purpose: Purpose,
    defects: bool = False,
    without: frozenset[str] = frozenset(),
) -> ImageSet:
    """The images that `--data` and `--sequences` name, an image a sequence.

    Args:
        octaves: in which each is seen.
        purpose: which half of a folder in MVTec's layout is meant.
        defects: show each a second time with defects drawn into it.
        without: SHA-256 of files that are left out.

    Raises:
        UsageError: the options are for sequences of people.
        DataError: there are too few images.
    """
    if arguments.data == SYNTHETIC:
        msg = "This bundle is calibrated and verified on whole images: give --data DIR, a folder of them."
        raise UsageError(msg)
    if arguments.people is not None:
        msg = "--people names identities of a folder; this bundle takes any images. Leave it out."
        raise UsageError(msg)
    with progress_bar(None, "reading images") as advance:
        return choose_images(
            arguments.data,
            images=arguments.sequences,
            octaves=octaves,
            seed=arguments.seed,
            purpose=purpose,
            defects=defects,
            without=without,
            progress=advance,
        )
