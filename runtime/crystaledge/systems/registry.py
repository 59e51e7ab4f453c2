"""Where each system's host side is found. A new system is registered here, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crystaledge.system import System


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSide:
    """How a system is run; names are `module:object`, loaded only when they are used."""

    pipeline: str
    """Its `Pipeline`, one bundle and one source."""
    run: str
    """What `crystaledge run` calls, with the options and all bundles."""
    extra: str | None
    """What `run` needs beside an engine; None for nothing."""
    purpose: str
    """What the extra is needed for, in words."""
    leads: bool = False
    """Its `run` takes bundles of other systems beside its own."""


_CROPS = "Looking at crops"
_VIDEO = "Finding faces in video"
_IMAGES = "Finding anomalies"

HOSTS: Mapping[System, HostSide] = {
    System.MNEMOSYNE: HostSide(
        pipeline="crystaledge.systems.mnemosyne:MnemosynePipeline",
        run="crystaledge.commands.run_crops:run",
        extra=None,
        purpose=_CROPS,
    ),
    System.PHANTOM: HostSide(
        pipeline="crystaledge.systems.phantom:PhantomPipeline",
        run="crystaledge.commands.run_video:run",
        extra="video",
        purpose=_VIDEO,
        leads=True,
    ),
    System.PATCHCORE: HostSide(
        pipeline="crystaledge.systems.anomaly:AnomalyPipeline",
        run="crystaledge.commands.run_anomaly:run",
        extra=None,
        purpose=_IMAGES,
    ),
    System.STUDENT_TEACHER: HostSide(
        pipeline="crystaledge.systems.anomaly:AnomalyPipeline",
        run="crystaledge.commands.run_anomaly:run",
        extra=None,
        purpose=_IMAGES,
    ),
}
