"""All cameras' tracks, and the states of their faces, to one file and back. The file holds personal data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from crystaledge.errors import StateError, UsageError
from crystaledge.jsonio import dumps, loads
from crystaledge.systems.mnemosyne_records import TrackRecord
from crystaledge.tracking.record import TrackerState
from crystaledge.tracking.tracker import FaceTracker
from crystaledge.video.camera import Camera
from crystaledge.video.pipeline import VideoPipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraRecord:
    """One camera at rest."""

    sequence: str
    tracker: TrackerState
    told: tuple[int, ...]
    lost: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRecords:
    """The host's part of a state file."""

    cameras: tuple[CameraRecord, ...]
    records: tuple[TrackRecord, ...]


def save_video(pipeline: VideoPipeline, path: Path) -> None:
    """Write all tracks of a pipeline that tells people apart, atomically.

    Raises:
        UsageError: the pipeline has no bundle that does.
    """
    crystallizer = pipeline.crystallizer
    if crystallizer is None:
        raise UsageError(_NO_IDENTITIES)
    cameras = tuple(
        CameraRecord(
            sequence=name,
            tracker=camera.tracker.state(),
            told=tuple(sorted(camera.told)),
            lost=tuple(sorted(camera.lost)),
        )
        for name, camera in pipeline.cameras.items()
    )
    host = dumps(VideoRecords(cameras=cameras, records=crystallizer.records))
    crystallizer.snapshot(path, frame=_latest_frame(pipeline), host=host)


def restore_video(pipeline: VideoPipeline, path: Path) -> None:
    """Take up the tracks of a file; cameras go on under their names.

    Raises:
        UsageError: the pipeline has no bundle that tells people apart.
        StateError: tracks are alive already, or the file cannot be used; the pipeline is as it was then.
    """
    crystallizer = pipeline.crystallizer
    if crystallizer is None:
        raise UsageError(_NO_IDENTITIES)
    if pipeline.cameras:
        msg = "Cameras are running already; restore a state file before the first frame."
        raise StateError(msg)
    header = crystallizer.restore(path)
    try:
        host = loads(VideoRecords, header.host, where=f"{path}: host", error=StateError)
        pipeline.cameras.update({record.sequence: _camera(pipeline, record) for record in host.cameras})
    except BaseException:
        pipeline.cameras.clear()
        for track in crystallizer.store.tracks:
            crystallizer.end(track)
        raise
    crystallizer.remember(host.records)


def _camera(pipeline: VideoPipeline, record: CameraRecord) -> Camera:
    camera = pipeline.new_camera()
    camera.tracker = FaceTracker.resume(pipeline.tracker_config, pipeline.ids, record.tracker)
    camera.told, camera.lost = set(record.told), set(record.lost)
    return camera


def _latest_frame(pipeline: VideoPipeline) -> int:
    crystallizer = pipeline.crystallizer
    tracks = () if crystallizer is None else crystallizer.store.tracks
    return 0 if crystallizer is None else max((crystallizer.store.last_seen(t) for t in tracks), default=0)


_NO_IDENTITIES = "State files are about people; give a bundle that tells them apart beside the detector's."
