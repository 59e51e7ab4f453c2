"""Detections against faces by faster-coco-eval, with the rules of matching of COCO's evaluation code.

Detections are taken by falling score, each image by itself; each takes the free face that it overlaps
most, by at least the threshold. Faces that are ignored or of another size are taken only where no other is
free, and such a detection counts neither way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from numpy.typing import NDArray

from crystaledge_training.evaluation.detection_curve import Judged

Scored = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Boxes `(N, 4)` as corners, and their scores `(N,)`."""
Truth = tuple[NDArray[np.float32], NDArray[np.bool_]]
"""Boxes `(N, 4)` as corners, and which of them are ignored `(N,)`."""
AreaRange = tuple[float, float]
"""Smallest and largest area, both inclusive."""

_FACE = 1


class Matching:
    """Detections and faces of the same images, in the library's terms; numbers of everything start at 1."""

    def __init__(self, found: Sequence[Scored], truth: Sequence[Truth]) -> None:
        self._images = len(truth)
        self._rows = _detection_rows(found)
        self._faces = _faces(truth)
        self._truth = COCO(
            {
                "images": [{"id": image} for image in range(1, self._images + 1)],
                "categories": [{"id": _FACE, "name": "face"}],
                "annotations": self._faces,
            }
        )
        self._found = self._truth.loadRes(self._rows)

    def precision(self, areas: Sequence[AreaRange]) -> NDArray[np.float64]:
        """Interpolated precision `(10, 101, len(areas))`: overlaps 0.50 to 0.95, recalls 0 to 1, areas; -1: no face."""
        table: NDArray[np.float64] = self._evaluate(areas).eval["precision"][:, :, 0, :, 0]
        return table

    def judged(self, area: AreaRange, *, overlap: float = 0.5) -> Judged:
        """Hits and false alarms at one overlap, as the library matched them."""
        face_of = np.zeros(len(self._rows), np.int64)  # 0: matches no face
        for pair in self._evaluate([area], overlap).eval["matched"]:
            detection, face = pair.split("_")
            face_of[int(detection) - 1] = int(face)
        wanted = np.array([False, *(not f["iscrowd"] and area[0] <= f["area"] <= area[1] for f in self._faces)])
        size = self._rows[:, 3] * self._rows[:, 4]
        counts = np.where(face_of > 0, wanted[face_of], (area[0] <= size) & (size <= area[1]))
        order = np.argsort(-self._rows[:, 5], kind="stable")
        order = order[counts[order]]
        owners = np.array([f["image_id"] - 1 for f in self._faces], np.int64)[wanted[1:]]
        return Judged(
            score=self._rows[order, 5].astype(np.float32),
            hit=face_of[order] > 0,
            image=self._rows[order, 0].astype(np.int64) - 1,
            faces=np.bincount(owners, minlength=self._images),
        )

    def _evaluate(self, areas: Sequence[AreaRange], overlap: float | None = None) -> COCOeval_faster:
        evaluator = COCOeval_faster(self._truth, self._found, iouType="bbox")
        evaluator.params.areaRng = [list(area) for area in areas]
        evaluator.params.areaRngLbl = [str(row) for row in range(len(areas))]
        evaluator.params.maxDets = [max(1, len(self._rows))]
        if overlap is not None:
            evaluator.params.iouThrs = np.array([overlap])
        evaluator.evaluate()
        evaluator.accumulate()
        return evaluator


def _xywh(boxes: NDArray[np.float32]) -> NDArray[np.float64]:
    corners = boxes.astype(np.float64)
    return np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]])


def _detection_rows(found: Sequence[Scored]) -> NDArray[np.float64]:
    """Rows of image, x, y, width, height, score, category."""
    image = np.repeat(np.arange(1, len(found) + 1), [len(score) for _, score in found])
    boxes = np.concatenate([np.empty((0, 4)), *(_xywh(boxes) for boxes, _ in found)])
    score = np.concatenate([np.empty(0), *(score for _, score in found)])
    return np.column_stack([image, boxes, score, np.full(len(image), _FACE)])


def _faces(truth: Sequence[Truth]) -> list[dict[str, Any]]:
    faces: list[dict[str, Any]] = []
    for image, (boxes, ignored) in enumerate(truth, start=1):
        for box, flag in zip(_xywh(boxes).tolist(), ignored.tolist(), strict=True):
            place = {"id": len(faces) + 1, "image_id": image, "category_id": _FACE}
            faces.append({**place, "bbox": box, "area": box[2] * box[3], "iscrowd": int(flag)})
    return faces
