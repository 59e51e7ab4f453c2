"""One training run of the wide variant: an encoder, distilled or taught by labels, then its state; resumes exactly."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from torch import Tensor, nn

from crystaledge.jsonio import dumps
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge.sources.identities import Catalogue, split_by_identity
from crystaledge_training.data.frames import load_frames, require_pairs
from crystaledge_training.distillation.config import DistilConfig, labels_alone
from crystaledge_training.distillation.distil import DistilRequest, DistilResult, distil_encoder
from crystaledge_training.distillation.tutor import Teacher
from crystaledge_training.mnemosyne.config import DEFAULT_PREPROCESSING, WIDE
from crystaledge_training.mnemosyne.decision import require_calibration
from crystaledge_training.mnemosyne.finish import Origin, finish
from crystaledge_training.mnemosyne.fit_wide import FitConfig, fit_evidence, fit_metric
from crystaledge_training.mnemosyne.run import BEST, RunRequest, TrainResult
from crystaledge_training.mnemosyne.wide import WideMnemosyne
from crystaledge_training.mnemosyne.wide_encoder import FEATURES, WideEncoder
from crystaledge_training.mnemosyne.wide_views import ViewCounts, view_features
from crystaledge_training.run_folder import claim_folder, people_sha256

ENCODER_FOLDER = "encoder"
SINGLE_ACCURACY = "validation/single_accuracy"


@dataclass(frozen=True, slots=True, kw_only=True)
class WideTrainConfig:
    """Equal configuration and data give equal weights, on one kind of device."""

    preprocessing: Preprocessing = DEFAULT_PREPROCESSING
    teacher: Teacher | None = None
    """None: labels alone."""
    distil: DistilConfig = DistilConfig()
    views: ViewCounts = ViewCounts()
    fit: FitConfig = FitConfig()
    held_out: float = 0.1
    """Share of the training people kept for validation and for choosing thresholds."""
    seed: int = 42

    @property
    def encoder(self) -> DistilConfig:
        """How the encoder is trained, with a teacher or without."""
        config = replace(self.distil, preprocessing=self.preprocessing, seed=self.seed, dimensions=WIDE.encoding)
        return config if self.teacher is not None else labels_alone(config)


@dataclass(frozen=True, slots=True, kw_only=True)
class WideTrainRequest(RunRequest):
    """A run of the wide network."""

    config: WideTrainConfig = WideTrainConfig()


class EncoderWithQuality(nn.Module):
    """What is distilled: the encoder, and a quality that foretells how near it comes to its teacher."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = WideEncoder(WIDE.encoding)
        self.quality = nn.Linear(FEATURES, 1)

    def forward(self, face: Tensor) -> tuple[Tensor, Tensor]:
        """Embedding `(B, encoding)` and quality logit `(B, 1)` of faces `(B, 3, 64, 64)`."""
        features, embedding = self.encoder(face)
        return embedding, self.quality(features)


def train_wide(request: WideTrainRequest) -> TrainResult:
    """Train, or go on training, and write `out/best.safetensors`.

    Raises:
        DataError: too few people or images, or `out` holds a run with another configuration.
        MissingExtraError: the teacher's package is not installed.
    """
    config = request.config
    training, validation = split_by_identity(request.people, held_out=config.held_out, seed=config.seed)
    validation_store = load_frames(validation, config.preprocessing)
    require_pairs(validation_store, "validation")
    require_calibration(validation_store, seed=config.seed)
    facts = {"config": json.loads(dumps(config)), "data_sha256": people_sha256(request.people)}
    claim_folder(request.out, facts, force=request.force, inputs=[request.people.root]).take()
    distilled = distil_encoder(
        DistilRequest(
            people=training,
            held_out=validation,
            encoder=EncoderWithQuality,
            teacher=config.teacher,
            out=request.out / ENCODER_FOLDER,
            config=config.encoder,
            stop_after=request.stop_after,
            progress=request.progress,
            say=request.say,
        )
    )
    path = request.out / BEST
    if distilled.finished:
        request.say("the encoder stands; fitting its state")
        network = fit_network(distilled.weights, training, config)
        spec = config.preprocessing
        origin = _origin(request, distilled, len(training.identities))
        finish(path, network, load_frames(training.with_at_least(2), spec), validation_store, spec, origin)
    return TrainResult(
        path, distilled.best_epoch, distilled.epochs_done, distilled.validation_accuracy, distilled.training_seconds
    )


def fit_network(encoder: dict[str, Tensor], training: Catalogue, config: WideTrainConfig) -> WideMnemosyne:
    """The whole network around a trained `EncoderWithQuality`, in inference mode.

    Args:
        encoder: its state dict.
        training: people; those with one image teach the state nothing.
    """
    network = WideMnemosyne(WIDE)
    network.load_state_dict(encoder, strict=False)  # evidence and log-variance are what is fitted here
    network.eval()
    store = load_frames(training.with_at_least(2), config.preprocessing, whole=True)
    views = view_features(network, store, config.preprocessing, config.views, seed=config.seed)
    fit = replace(config.fit, seed=config.seed)
    fit_metric(network, views, fit)
    fit_evidence(network, views, fit)
    return network


def _origin(request: WideTrainRequest, distilled: DistilResult, people: int) -> Origin:
    return Origin(
        data=request.data_description,
        licence=request.data_licence,
        outside_data=distilled.outside_data,
        people_trained=people,
        seed=request.config.seed,
        epochs=distilled.epochs_done,
        best_epoch=distilled.best_epoch,
        training_seconds=distilled.training_seconds,
        validation=((SINGLE_ACCURACY, distilled.validation_accuracy),),
    )
