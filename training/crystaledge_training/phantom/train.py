"""One training run of Phantom: the detector, then the track cell that looks through it, then thresholds."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from crystaledge.detection.spec import DetectionDecision
from crystaledge.system import System
from crystaledge_training.checkpoint import SCHEMA_VERSION, CheckpointRecord, TrainingProvenance, write_checkpoint
from crystaledge_training.evaluation.detection import Found, detection_metrics
from crystaledge_training.lightning_checkpoint import SafetensorsCheckpointIO
from crystaledge_training.phantom.decision import decision_of, detection_point
from crystaledge_training.phantom.detect import detect
from crystaledge_training.phantom.module import SCORE_FLOOR, SUPPRESSION_IOU, VALIDATION_METRIC
from crystaledge_training.phantom.network import Phantom
from crystaledge_training.phantom.train_detector import PhantomTrainRequest, train_detector, validation_set
from crystaledge_training.phantom.train_track import train_track
from crystaledge_training.trainer import LAST, epochs_done

BEST = "best.safetensors"


@dataclass(frozen=True, slots=True)
class PhantomTrainResult:
    """What a run left behind."""

    checkpoint: Path | None
    """None while the detector's epochs are not all done."""
    best_epoch: int
    epochs_done: int
    validation_ap50: float
    training_seconds: float


def train(request: PhantomTrainRequest) -> PhantomTrainResult:
    """Train detector and track cell, or go on training, and write `out/best.safetensors`.

    A run stopped after any epoch and taken up again ends with the same weights as one that was never stopped.

    Raises:
        DataError: an image cannot be read, or `out` holds a run with another configuration or other data.
    """
    best = train_detector(request)
    done = epochs_done(request.out / LAST)
    if done < request.config.epochs or best.epoch < 0:
        return PhantomTrainResult(None, best.epoch, done, best.best, best.seconds)
    torch.manual_seed(request.config.seed)  # for the track cell, whether or not the detector was trained just now
    network = Phantom(request.config.network)
    weights = SafetensorsCheckpointIO().load_checkpoint(best.path)["detector"]
    network.detector.load_state_dict(weights)
    network.eval()
    seconds = train_track(network, request)
    result = PhantomTrainResult(request.out / BEST, best.epoch, done, best.best, best.seconds + seconds)
    _write(request.out / BEST, network, request, result)
    return result


def _write(path: Path, network: Phantom, request: PhantomTrainRequest, result: PhantomTrainResult) -> None:
    config, data = request.config, request.data
    decision, metrics = _calibrated(network, request)
    record = CheckpointRecord(
        schema_version=SCHEMA_VERSION,
        system=System.PHANTOM,
        network=config.network,
        preprocessing=config.preprocessing,
        decision=decision,
        provenance=TrainingProvenance(
            package_version=version("crystaledge"),
            torch_version=torch.__version__,
            seed=config.seed,
            epochs=result.epochs_done,
            best_epoch=result.best_epoch,
            training_seconds=round(result.training_seconds, 1),
            data=data.description,
            outside_data="none",
            people_trained=data.people,
            people_validated=0,
            licence=request.data_licence,
        ),
        validation=metrics,
    )
    write_checkpoint(path, record, network.state_dict())


def _calibrated(
    network: Phantom, request: PhantomTrainRequest
) -> tuple[DetectionDecision, tuple[tuple[str, float], ...]]:
    """Thresholds, and what the validation images gave."""
    config = request.config
    images = validation_set(request.data.validation, config)
    found = detect(
        network.detector,
        images.images,
        octaves=config.octaves,
        score_threshold=SCORE_FLOOR,
        suppression_iou=SUPPRESSION_IOU,
    )
    smallest = config.smallest_face_px
    metrics = detection_metrics(
        [Found(f.box_xyxy, f.score) for f in found], images.truth, smallest_px=smallest, bootstrap=1000, seed=0
    )
    decision = decision_of(
        detection_point([(f.box_xyxy, f.score) for f in found], images.truth, smallest_px=smallest),
        octaves=config.octaves,
        suppression_iou=SUPPRESSION_IOU,
        smallest_px=smallest,
        calibrated_on=request.data.validation.description,
    )
    low, high = metrics.ap50_interval
    return decision, (
        (VALIDATION_METRIC, metrics.ap50),
        ("validation/ap50_low", low),
        ("validation/ap50_high", high),
        ("validation/ap", metrics.ap),
    )
