"""The trained detector on whole images, as the runtime runs it: octaves of the image, decoding, suppression."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from crystaledge.detection.boxes import suppress
from crystaledge.detection.codec import Candidates, decode, logit_of
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.images import read_image
from crystaledge_training.data.annotations import AnnotatedImage
from crystaledge_training.phantom.network import Detector

_BATCH = 32


def octaves_of(images: Tensor, octaves: int) -> list[Tensor]:
    """`(B, 3, H, W)` and its halves; each pixel is the mean of four of the octave before."""
    pyramid = [images]
    for _ in range(octaves - 1):
        pyramid.append(functional.avg_pool2d(pyramid[-1], 2))
    return pyramid


@torch.no_grad()
def detect(
    detector: Detector, images: Tensor, *, octaves: int, score_threshold: float, suppression_iou: float
) -> list[Candidates]:
    """Faces of each image `(B, 3, H, W)`, in pixels of it, best first; runs where the network is."""
    device = next(detector.parameters()).device
    found: list[Candidates] = []
    for start in range(0, len(images), _BATCH):
        whole = images[start : start + _BATCH].to(device)
        maps = [(m.logit.cpu(), m.box.cpu()) for m in map(detector, octaves_of(whole, octaves))]
        for row in range(len(whole)):
            levels = [(logit[row, 0].numpy(), box[row].numpy()) for logit, box in maps]
            found.append(merge(levels, score_threshold=score_threshold, suppression_iou=suppression_iou))
    return found


def merge(
    levels: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]], *, score_threshold: float, suppression_iou: float
) -> Candidates:
    """Candidates of all octaves of one image, brought to its pixels and suppressed."""
    parts = [decode(logit, box, threshold_logit=logit_of(score_threshold)) for logit, box in levels]
    boxes = np.concatenate([part.box_xyxy * np.float32(2**octave) for octave, part in enumerate(parts)])
    scores = np.concatenate([part.score for part in parts])
    kept = suppress(boxes, scores, iou=suppression_iou)
    return Candidates(boxes[kept], scores[kept])


def network_inputs(
    images: Sequence[AnnotatedImage], preprocessor: Preprocessor
) -> tuple[Tensor, list[NDArray[np.float32]]]:
    """Tensors `(N, 3, h, w)` of image files, and their boxes in the pixels of those tensors."""
    rows = np.empty((len(images), *preprocessor.row_shape), np.float32)
    boxes = []
    for row, image in enumerate(images):
        pixels = read_image(image.path)
        preprocessor.into(rows[row], pixels, ColorOrder.BGR)
        scale = np.array(preprocessor.scale_xy((pixels.shape[0], pixels.shape[1])) * 2, np.float32)
        boxes.append(image.box_xyxy * scale)
    return torch.from_numpy(rows), boxes
