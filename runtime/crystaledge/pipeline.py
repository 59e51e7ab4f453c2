"""The public way to run a bundle: frames in, events out, state kept between."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import cast

from crystaledge.bundle import Bundle
from crystaledge.engine.select import EngineOptions
from crystaledge.extras import load
from crystaledge.identity.spec import Stopping
from crystaledge.locate import FixedBox, Locator, OneTrackPerSequence, Tracker
from crystaledge.sources.frame import Frame
from crystaledge.systems.registry import HOST_PIPELINES


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
    """What a pipeline says about one track in one frame; each system adds its own fields."""

    frame: int
    """Index of the frame in its source."""
    sequence: str
    track: int


class Pipeline(ABC):
    """Host side of one system: keeps tracks and their states, and turns frames into events."""

    @staticmethod
    def open(bundle: Bundle | str | Path, options: PipelineOptions | None = None) -> Pipeline:
        """The pipeline of a bundle's system.

        Raises:
            ManifestError, BundleError: the bundle is not sound.
            MissingExtraError: the engine's package is not installed.
        """
        opened = bundle if isinstance(bundle, Bundle) else Bundle.open(bundle)
        target = HOST_PIPELINES[opened.manifest.system]
        host = cast("type[Pipeline]", load(target, extra=None, purpose=f"System {opened.manifest.system.value!r}"))
        return host(opened, options or PipelineOptions())

    @abstractmethod
    def __init__(self, bundle: Bundle, options: PipelineOptions) -> None: ...

    @abstractmethod
    def locate_with(self, locator: Locator) -> None:
        """Look for objects with another locator from now on; tracks go on."""

    @abstractmethod
    def enroll(self, name: str, frames: Iterable[Frame]) -> int:
        """Learn a person from frames of them alone; returns the number of frames used."""

    @abstractmethod
    def process(self, frame: Frame) -> Sequence[Event]:
        """Advance every track that this frame shows and report on each."""

    @abstractmethod
    def snapshot(self, path: Path) -> None:
        """Write all live tracks to a file, which then holds personal data."""

    @abstractmethod
    def restore(self, path: Path) -> None:
        """Take up the tracks of a file; only before the first frame."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the engine."""

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
