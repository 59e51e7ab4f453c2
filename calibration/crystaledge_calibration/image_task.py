"""What calibration has to know of a kind of decision about images; everything else it does alike for all kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from crystaledge.bundle import Bundle
from crystaledge.errors import ContractError
from crystaledge.extras import load
from crystaledge_calibration.image_records import ImageVerificationRecord, L, P
from crystaledge_calibration.image_set import ImageSet
from crystaledge_calibration.kinds import kind_of

Array = NDArray[np.float32]
Levels = Sequence[Mapping[str, Array]]
"""Outputs by name of each octave of the same images, `(N, ...)`; a damaged graph's may hold anything."""
S = TypeVar("S")
S_contra = TypeVar("S_contra", contravariant=True)
P_co = TypeVar("P_co", covariant=True)


class Tally(Protocol[S_contra, P_co]):
    """Counts what is decided about the images of a set by both sides."""

    def add(self, reference: S_contra, other: S_contra, /) -> None:
        """Take in the next image of the set."""
        ...

    def record(self) -> P_co:
        """What was seen.

        Raises:
            DataError: it proves nothing.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTask(Generic[S, P, L]):
    """How one bundle decides about images. S is what is decided about one of them."""

    octaves: int
    """Levels of the pyramid in which an image is seen, each half the size of the one before."""
    defects: bool
    """Images show only what is normal: they calibrate with defects drawn into them, too."""
    judged: int | None
    """Images, at most, that candidates are scored on: what is seen of each makes up for many; None for no bound."""
    aim: float
    """Mean agreement of an image that the search for precision aims at."""
    limits: L
    """What the gate demands if nobody wants it otherwise."""
    record: type[ImageVerificationRecord[P, L]]
    see: Callable[[Levels], list[S]]
    """Decides about each image."""
    agree: Callable[[S, S], float]
    """How alike the float side (first) and another decide about an image, in [0, 1]."""
    tally: Callable[[ImageSet], Tally[S, P]]
    """Fresh, for the images of a set in their order."""


def task_of(bundle: Bundle) -> ImageTask[Any, Any, Any]:
    """How a bundle decides about images.

    Raises:
        ContractError: it decides about something else.
    """
    kind = kind_of(bundle)
    if kind.task is None:
        msg = f"{bundle.path} decides about {kind.noun}, not about single images; expected a bundle without state."
        raise ContractError(msg)
    make = load(kind.task, extra="calibrate", purpose=f"Deciding about {kind.noun}")
    return cast("Callable[[Bundle], ImageTask[Any, Any, Any]]", make)(bundle)
