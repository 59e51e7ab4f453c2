"""What verification on images leaves in a bundle, whatever is decided about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from crystaledge.manifest.model import Sha256
from crystaledge_calibration.records import SequenceSetRecord, TensorTrace, Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One number that the gate looks at, and where it has to lie."""

    what: str
    measured: float
    limit: float
    at_least: bool
    """Else at most."""

    @property
    def met(self) -> bool:
        """Whether it lies there; what is not a number lies nowhere."""
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


def at_least(what: str, measured: float, limit: float) -> Demand:
    """Demand that a number is no smaller."""
    return Demand(what=what, measured=measured, limit=limit, at_least=True)


def at_most(what: str, measured: float, limit: float) -> Demand:
    """Demand that a number is no larger."""
    return Demand(what=what, measured=measured, limit=limit, at_least=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MapError:
    """One output of one graph: |deployed - float| / |float| over all images."""

    tensor: str
    error: float


def of_map(error: MapError, limit: float) -> Demand:
    """The demand on one output of one graph."""
    return at_most(f"relative error of {error.tensor!r}", error.error, limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFinding:
    """One demand that was not met."""

    graph: str
    """The graph that did not meet it; that of whole images for what all do together."""
    demand: str
    measured: float
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFault:
    """Where a deployed graph parts from its float one, both given the same images."""

    graph: str
    node: str
    """ONNX node or constant at fault; empty where errors add up and none stands out."""
    tensor: str
    error: float
    """Relative error of the tensor; 0 where the fault is a constant that the graph does not share with the others."""


class ImageLimits(Protocol):
    """What every gate of images demands, beside its own."""

    @property
    def map_error(self) -> float:
        """Relative error of any output of any graph."""
        ...


class Decided(Protocol):
    """Whether the float graphs and the deployed ones decide alike about the same images."""

    @property
    def images(self) -> int:
        """How many there were."""
        ...

    def demands(self, limits: Any, /) -> tuple[Demand, ...]:
        """What the gate demands of the decisions, under limits of the same kind."""
        ...

    def says(self) -> str:
        """A pass in words, behind the names of the graphs."""
        ...

    def told(self) -> str:
        """The numbers in one line."""
        ...


P = TypeVar("P", bound=Decided)
L = TypeVar("L", bound=ImageLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageVerificationRecord(Generic[P, L]):
    """Float against deployed on images; one graph of a family, and the verdict on all of them together."""

    schema_version: Version
    graph: str
    graph_sha256: Sha256
    reference: str
    reference_sha256: Sha256
    engine: str
    family: tuple[str, ...]
    """All graphs that were judged together, that of whole images first."""
    verified_on: SequenceSetRecord
    tensors: tuple[TensorTrace, ...]
    map_errors: tuple[MapError, ...]
    decisions: P
    limits: L
    findings: tuple[ImageFinding, ...]
    fault: ImageFault | None
    passed: bool
    sentence: str

    def demands(self) -> tuple[Demand, ...]:
        """Everything that was demanded of this graph and its family, met or not."""
        maps = (of_map(one, self.limits.map_error) for one in self.map_errors)
        return (*self.decisions.demands(self.limits), *maps)
