"""`--record`: what is shown, as a video file for each camera. Needs OpenCV."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar

from crystaledge.errors import UsageError
from crystaledge.outputs.annotate import annotated
from crystaledge.outputs.clip import Clip
from crystaledge.outputs.privacy import Privacy
from crystaledge.outputs.targets import Targets
from crystaledge.outputs.timeline import HIGHEST_FPS, LOWEST_FPS
from crystaledge.outputs.video_file import RecordingError
from crystaledge.outputs.view import FrameView, Sink

RESERVE_BYTES = 64 * 2**20
"""Left free on the disk: a video is of no use before its index is written, at the end."""
OPEN_CLIPS = 16


class Recorder(Sink):
    """Writes annotated video, mp4, to temporary files that are moved to their places at the end.

    A source of one sequence gives `path`; one of several gives a file for each, `path` with the
    sequence's name before the suffix. Files that exist are refused before anything is written to
    them. Only their owner can read recordings.

    Where less than 64 MiB of disk are left recording stops, and what was recorded by then is kept; where
    writing fails before that, as when a quota is used up, the video has no index and is removed. Either
    way `say` is told once, and the run goes on.

    Frames with timestamps are repeated or skipped so that the film lasts as long as what it shows.

    Args:
        fps: of the files; None takes it from the first timestamps, or is 25 where there are none.
        say: told in one line why recording stopped early, and what was kept.
        force: replace existing files.

    Raises:
        UsageError: the path does not end in .mp4, or `fps` is not in [1, 120].
        OutputExistsError: the target exists and `force` is false.
    """

    name: ClassVar[str] = "the recording"

    def __init__(
        self,
        path: Path,
        fps: float | None = None,
        *,
        say: Callable[[str], None],
        force: bool = False,
        privacy: Privacy = Privacy.SHOW,
    ) -> None:
        if path.suffix.lower() != ".mp4":
            msg = f"A recording is an mp4 video; give {path} a name that ends in .mp4."
            raise UsageError(msg)
        if fps is not None and not LOWEST_FPS <= fps <= HIGHEST_FPS:
            msg = f"A recording cannot have {fps:g} frames a second; expected {LOWEST_FPS:g} to {HIGHEST_FPS:g}."
            raise UsageError(msg)
        self._targets = Targets(path, force=force)
        self._folder = path.absolute().parent
        self._fps = None if fps is None else round(fps, 2)
        self._say, self._privacy = say, privacy
        self._clips: dict[str, Clip] = {}
        """By sequence; the one that was not seen for longest comes first."""
        self._stopped = False

    def show(self, view: FrameView) -> None:
        """Record one frame; after recording stopped nothing is done.

        Raises:
            OutputExistsError: a further sequence's file exists already.
            UsageError: there are more than 16 sequences at a time.
        """
        if self._stopped:
            return
        try:
            self._refuse_full_disk()
            clip = self._clip(view.frame.sequence)
            clip.add(annotated(view, privacy=self._privacy), view.frame.time_s)
        except (RecordingError, OSError) as error:
            self._stopped = True
            kept, removed = self._finish_all()
            outcome = _listed("kept", kept) + _listed("removed", removed) or "; nothing was recorded"
            self._say(f"recording stopped: {error}{outcome}; the run goes on")

    def close(self) -> None:
        """Finish every file; `say` is told of those that could not be."""
        self._stopped = True
        kept, removed = self._finish_all()
        if removed:
            reasons = [f"{target} ({reason})" for target, reason in removed.items()]
            self._say("recording failed at the end" + _listed("kept", kept) + _listed("removed", reasons))

    def _refuse_full_disk(self) -> None:
        folder = next(place for place in (self._folder, *self._folder.parents) if place.exists())
        if shutil.disk_usage(folder).free < RESERVE_BYTES:
            msg = f"less than {RESERVE_BYTES // 2**20} MiB of disk are left in {folder}"
            raise RecordingError(msg)

    def _clip(self, sequence: str) -> Clip:
        clip = self._clips.pop(sequence, None) or self._new_clip(sequence)
        self._clips[sequence] = clip
        return clip

    def _new_clip(self, sequence: str) -> Clip:
        if sequence in self._targets:
            msg = f"Sequence {sequence!r} came back after its file was finished; record {OPEN_CLIPS} cameras at most."
            raise UsageError(msg)
        self._targets.add(sequence)
        if len(self._clips) >= OPEN_CLIPS:
            oldest = next(iter(self._clips))
            self._clips.pop(oldest).finish(self._targets[oldest])
        return Clip(self._folder, fps=self._fps)

    def _finish_all(self) -> tuple[list[str], dict[str, str]]:
        """Bring every file to its place; tells which were kept, and which had to be removed and why."""
        kept, removed = list[str](), dict[str, str]()
        with ExitStack() as stack:
            clips, self._clips = self._clips, {}
            for clip in clips.values():
                stack.callback(clip.discard)  # leaves a finished file alone
            for sequence, clip in clips.items():
                target = self._targets[sequence]
                try:
                    clip.finish(target)
                    kept.append(f"{target} ({clip.frames} frames)")
                except (RecordingError, OSError) as error:
                    removed[str(target)] = str(error)
        return kept, removed


def _listed(word: str, files: Iterable[str]) -> str:
    listed = ", ".join(files)
    return f"; {word} {listed}" if listed else ""
