"""The public way to run a bundle: frames in, events out, state kept between."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NoReturn, TypeVar, cast

from crystaledge.bundle import Bundle
from crystaledge.engine.select import EngineOptions
from crystaledge.errors import UsageError
from crystaledge.extras import load
from crystaledge.identity.spec import Stopping
from crystaledge.locate import FixedBox, Locator, OneTrackPerSequence, Tracker
from crystaledge.sources.frame import Frame
from crystaledge.systems.registry import HOSTS

Own = TypeVar("Own", bound="Pipeline")


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineOptions:
    """How a bundle is run."""

    engine: EngineOptions = EngineOptions()
    graph: str | None = None
    """Which graph runs; None takes the one that `bench` chose for the engine, or the float one."""
    unverified: bool = False
    """Run a graph that nothing proves to be the model."""
    say: Callable[[str], None] = lambda line: None
    """Told when the engine had to be restarted."""
    stopping: Stopping = Stopping.SPRT
    false_accept_rate: float | None = None
    """Which operating point decides; None takes the strictest of the bundle."""
    locator: Locator = FixedBox()
    tracker: Callable[[], Tracker] = OneTrackPerSequence
    """Makes the pipeline's own tracker: its numbers are state, and options are shared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What a pipeline says about one frame; each system adds its own fields."""

    frame: int
    """Index of the frame in its source."""
    sequence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackEvent(Event):
    """What a pipeline says about one track in one frame."""

    track: int


class Pipeline(ABC):
    """Host side of one system: keeps its states and turns frames into events."""

    @staticmethod
    def open(bundle: Bundle | str | Path, options: PipelineOptions | None = None) -> Pipeline:
        """The pipeline of a bundle's system.

        Raises:
            ManifestError, BundleError: the bundle is not sound.
            MissingExtraError: the engine's package is not installed.
        """
        opened = bundle if isinstance(bundle, Bundle) else Bundle.open(bundle)
        system = opened.manifest.system
        host = cast("type[Pipeline]", load(HOSTS[system].pipeline, extra=None, purpose=f"System {system.value!r}"))
        return host(opened, options or PipelineOptions())

    @abstractmethod
    def __init__(self, bundle: Bundle, options: PipelineOptions) -> None: ...

    @abstractmethod
    def process(self, frame: Frame) -> Sequence[Event]:
        """Take in a frame and report on what it shows."""

    def locate_with(self, locator: Locator) -> None:
        """Look for objects with another locator from now on; tracks go on.

        Raises:
            UsageError: the system looks at no objects that a locator could find.
        """
        self._refuse("takes no locator: it looks at whole frames")

    def enroll(self, name: str, frames: Iterable[Frame]) -> int:
        """Learn a person from frames of them alone; returns the number of frames used.

        Raises:
            UsageError: the system tells nobody apart, or see the system's own.
        """
        self._refuse("tells nobody apart")

    def snapshot(self, path: Path) -> None:
        """Write all live tracks to a file, which then holds personal data.

        Raises:
            UsageError: the system keeps no tracks of people.
        """
        self._refuse("keeps no tracks of people")

    def restore(self, path: Path) -> None:
        """Take up the tracks of a file; only before the first frame.

        Raises:
            UsageError: the system keeps no tracks of people.
        """
        self._refuse("keeps no tracks of people")

    @abstractmethod
    def close(self) -> None:
        """Let go of the engine."""

    def _refuse(self, why: str) -> NoReturn:
        msg = f"{type(self).__name__.removesuffix('Pipeline')} {why}; that is for bundles of identities."
        raise UsageError(msg)

    def __enter__(self: Own) -> Own:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
