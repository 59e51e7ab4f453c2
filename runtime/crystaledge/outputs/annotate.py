"""Draws what was found onto a copy of a frame: boxes, names, how far each is crystallized. Needs OpenCV."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from crystaledge.liveness.result import Liveness
from crystaledge.outputs.privacy import Privacy, pixelate
from crystaledge.outputs.text import Colour, Pixels, put_label
from crystaledge.outputs.view import FrameView, TrackState, TrackView
from crystaledge.preprocessing.spec import ColorOrder

# Okabe and Ito's palette, which colour-blind people tell apart (Color Universal Design, 2008); BGR.
COLOURS: dict[TrackState, Colour] = {
    TrackState.TENTATIVE: (66, 228, 240),
    TrackState.KNOWN: (115, 158, 0),
    TrackState.UNKNOWN: (0, 94, 213),
    TrackState.COASTING: (150, 150, 150),
}


@dataclass(frozen=True, slots=True)
class _Pen:
    """Sizes that follow from the frame's."""

    line_px: int
    font_scale: float


def annotated(view: FrameView, *, privacy: Privacy = Privacy.SHOW) -> NDArray[np.uint8]:
    """A picture of the frame and its tracks.

    Boxes may reach out of the frame; those that do not meet it, or are not finite, are left out.

    Returns:
        uint8 BGR `(H, W, 3)`, of the frame's size; never the frame's own memory.
    """
    picture = _bgr_copy(view)
    if privacy is Privacy.PIXELATE:
        unknown = (track.box_xyxy for track in view.tracks if not track.identified)
        pixelate(picture, (*unknown, *view.hidden_xyxy))
    pen = _pen(picture)
    shown = [(track, box) for track in view.tracks if (box := _visible(track.box_xyxy, picture, pen)) is not None]
    for track, box in shown:
        _draw_box(picture, track, box, pen)
    for track, (x1, y1, _, _) in shown:  # after all boxes, so that none runs through a name
        corner = (x1 - pen.line_px // 2, y1)
        put_label(picture, label_of(track, privacy), corner, COLOURS[track.state], scale=pen.font_scale)
    return picture


def label_of(track: TrackView, privacy: Privacy) -> str:
    """The words beside a box; a guessed name has a question mark, and is left out where its face is hidden."""
    return f"{_name_of(track, privacy)}{' photograph?' if track.liveness is Liveness.PHOTOGRAPH else ''}"


def _name_of(track: TrackView, privacy: Privacy) -> str:
    if track.state is TrackState.UNKNOWN:
        return f"#{track.track} unknown"
    if track.label is None or (privacy is Privacy.PIXELATE and not track.identified):
        return f"#{track.track}"
    score = "" if track.score is None else f" {track.score:.2f}"
    return f"{track.label}{'' if track.identified else '?'}{score}"


def _bgr_copy(view: FrameView) -> Pixels:
    pixels = view.frame.pixels
    if view.frame.color is ColorOrder.BGR:
        return np.array(pixels, order="C")
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR).astype(np.uint8, copy=False)


def _pen(picture: Pixels) -> _Pen:
    side = min(picture.shape[:2])
    return _Pen(line_px=max(1, round(side / 300)), font_scale=max(0.4, side / 1200))


def _visible(box: tuple[float, float, float, float], picture: Pixels, pen: _Pen) -> tuple[int, int, int, int] | None:
    """A box in whole pixels; edges outside of the picture are moved to where the line just is not seen."""
    if not np.isfinite(box).all():
        return None
    height, width = picture.shape[:2]
    (x1, x2), (y1, y2) = sorted((box[0], box[2])), sorted((box[1], box[3]))
    if x2 < 0 or y2 < 0 or x1 >= width or y1 >= height:
        return None
    left, right = (round(float(v)) for v in np.clip([x1, x2], -pen.line_px, width + pen.line_px))
    top, bottom = (round(float(v)) for v in np.clip([y1, y2], -pen.line_px, height + pen.line_px))
    return left, top, right, bottom


def _draw_box(picture: Pixels, track: TrackView, box: tuple[int, int, int, int], pen: _Pen) -> None:
    x1, y1, x2, y2 = box
    colour = COLOURS[track.state]
    cv2.rectangle(picture, (x1, y1), (x2, y2), colour, pen.line_px)
    done = 1.0 if track.crystallized else track.progress
    if done is None or not np.isfinite(done):
        return
    # Progress is a bar that grows from the left, on the box's lower edge.
    height, width = picture.shape[:2]
    end = round(x1 + min(max(done, 0.0), 1.0) * (x2 - x1))
    bottom = min(y2 + pen.line_px, height)
    picture[max(bottom - 3 * pen.line_px, 0) : max(bottom, 0), max(x1, 0) : min(max(end, 0), width)] = colour
