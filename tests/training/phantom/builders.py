"""Drawn scenes with faces at known places, and small networks: nobody real."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from crystaledge.detection.spec import DetectionDecision, DetectionPoint
from crystaledge.preprocessing.spec import Fit, Preprocessing, Resampling
from crystaledge.scene.scene import SceneConfig, film
from crystaledge.system import System
from crystaledge.systems.mnemosyne_contract import FACE_IN_CROP
from crystaledge_training.checkpoint import CheckpointRecord
from crystaledge_training.phantom.composite_scenes import CompositeScenes
from crystaledge_training.phantom.config import PhantomConfig
from crystaledge_training.phantom.network import Phantom
from crystaledge_training.phantom.picture import Picture
from crystaledge_training.phantom.train_config import PhantomTrainConfig, PictureConfig
from tests.training.builders import draw_people, sample_record, tiny_network

SIZES = PhantomConfig(stem=6, stage1=8, stage2=8, stage3=6, roi=8, event=6, track_hidden=8)
SPEC = Preprocessing(size_hw=(48, 64), fit=Fit.LETTERBOX, resampling=Resampling.AREA)
"""Not square, so that axes that are mixed up are seen."""
TINY = PhantomTrainConfig(
    network=SIZES,
    preprocessing=SPEC,
    octaves=2,
    pictures=PictureConfig(size_px=48),
    epochs=2,
    batches=2,
    batch_size=3,
    track_epochs=1,
    track_films=2,
    track_batch=3,
    smallest_face_px=8.0,
    seed=5,
)
FACE_PX = 22
"""Side of the crops that faces are drawn in."""


def random_phantom(sizes: PhantomConfig = SIZES, seed: int = 0) -> Phantom:
    """A network in inference mode whose biases and batch-norm statistics are random too, so that all count."""
    generator = torch.Generator().manual_seed(seed)
    network = Phantom(sizes)
    for name, tensor in network.state_dict().items():
        if name.endswith(("running_var", ".1.weight")):  # of batch norm
            tensor.uniform_(0.5, 1.5, generator=generator)
        elif tensor.is_floating_point():
            reach = 0.2 if tensor.ndim == 1 else (3.0 / tensor[0].numel()) ** 0.5
            tensor.uniform_(-reach, reach, generator=generator)
    return network.eval()


def draw_photographs(root: Path, *, train: int = 4, val: int = 3, size_hw: tuple[int, int] = (60, 80)) -> Path:
    """A CSV data set of grey photographs with one or two drawn faces each."""
    (root / "images").mkdir(parents=True)
    rows: list[list[object]] = []
    for number, split in enumerate(["train"] * train + ["val"] * val):
        pixels, boxes = drawn_photograph(number, size_hw, faces=1 + number % 2)
        name = f"{number}.png"
        assert cv2.imwrite(str(root / "images" / name), pixels[:, :, ::-1])
        rows += [[name, split, size_hw[1], size_hw[0], x1, y1, x2 - 1, y2 - 1, "face"] for x1, y1, x2, y2 in boxes]
    _write_csv(root, rows)
    return root


def drawn_photograph(
    number: int, size_hw: tuple[int, int], *, faces: int
) -> tuple[NDArray[np.uint8], list[tuple[int, int, int, int]]]:
    """RGB pixels with faces side by side, and their boxes in whole pixels."""
    random = np.random.default_rng(number)
    pixels = random.integers(90, 130, (*size_hw, 3), dtype=np.uint8)
    boxes = []
    for place in range(faces):
        (shot,) = islice(film(SceneConfig(seed=17, side_px=FACE_PX, degraded=0.0), number * 2 + place), 1)
        room = size_hw[1] // faces
        x = place * room + int(random.integers(0, room - FACE_PX + 1))
        y = int(random.integers(0, size_hw[0] - FACE_PX + 1))
        pixels[y : y + FACE_PX, x : x + FACE_PX] = shot.pixels
        left, top, right, low = (round(share * FACE_PX) for share in FACE_IN_CROP)
        boxes.append((x + left, y + top, x + right, y + low))
    return pixels, boxes


def draw_backgrounds(root: Path, *, plain: int = 2) -> Path:
    """A CSV data set in which one image shows a `person` and `plain` others do not."""
    (root / "images").mkdir(parents=True)
    random = np.random.default_rng(3)
    rows: list[list[object]] = []
    for number in range(plain + 1):
        coarse = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        pixels = cv2.resize(coarse, (120, 90), interpolation=cv2.INTER_LINEAR)
        assert cv2.imwrite(str(root / "images" / f"{number}.png"), pixels)
        where: list[object] = [10, 10, 40, 40, "person"] if number == 0 else ["", "", "", "", ""]
        rows.append([f"{number}.png", ("train", "val")[number % 2], 120, 90, *where])
    _write_csv(root, rows)
    return root


def _write_csv(root: Path, rows: Sequence[Sequence[object]]) -> None:
    with (root / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "split", "width", "height", "xmin", "ymin", "xmax", "ymax", "class"])
        writer.writerows(rows)


def draw_crops(root: Path) -> tuple[Path, ...]:
    """Files of square crops of drawn faces."""
    return tuple(sorted(draw_people(root, [2, 2]).rglob("*.png")))


def plain_files(backgrounds: Path) -> tuple[Path, ...]:
    """The images of `draw_backgrounds` that show nobody."""
    return tuple(sorted((backgrounds / "images").iterdir()))[1:]


def composite_scenes(folder: Path, *, size_px: int = 64) -> CompositeScenes:
    """Scenes pasted of drawn faces and coloured noise."""
    backgrounds = plain_files(draw_backgrounds(folder / "backgrounds"))
    return CompositeScenes(draw_crops(folder / "faces"), backgrounds, size_px=size_px)


def same_pictures(a: Picture, b: Picture) -> bool:
    """Whether two pictures are equal in everything."""
    pairs = ((a.pixels, b.pixels), (a.box_xyxy, b.box_xyxy), (a.kind, b.kind))
    return all(np.array_equal(x, y) for x, y in pairs)


def sample_detection_decision(*, octaves: int = 2, score: float = 0.4) -> DetectionDecision:
    """Decision parameters of no real calibration."""
    return DetectionDecision(
        octaves=octaves,
        point=DetectionPoint(score=score, precision=0.75, recall=0.5),
        low_score=0.4 * score,
        suppression_iou=0.45,
        smallest_face_px=8.0,
        track_score=0.3,
        birth_score=0.3,
        calibrated_on="drawn faces",
    )


def phantom_record(
    network: Phantom, *, preprocessing: Preprocessing = SPEC, decision: DetectionDecision | None
) -> CheckpointRecord:
    """A record as `train` would write it, of no real training."""
    return replace(
        sample_record(tiny_network()),
        system=System.PHANTOM,
        network=network.config,
        preprocessing=preprocessing,
        decision=decision,
        validation=(("validation/ap50", 0.625),),
    )
