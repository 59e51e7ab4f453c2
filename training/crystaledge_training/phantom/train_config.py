"""Everything that decides a training run of Phantom."""

from __future__ import annotations

from dataclasses import dataclass

from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_training.phantom.config import DEFAULT_PREPROCESSING, PhantomConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureConfig:
    """What the training pictures are."""

    size_px: int = 128
    composite_share: float = 0.4
    """Share of pictures with pasted faces, where there are any to paste."""
    mosaic_share: float = 0.3
    """Share of the cut-out pictures that are put together from four."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotometricConfig:
    """What a camera does to a picture: ranges and probabilities per picture."""

    brightness: tuple[float, float] = (0.6, 1.35)
    contrast: tuple[float, float] = (0.7, 1.3)
    saturation: tuple[float, float] = (0.3, 1.7)
    hue: tuple[float, float] = (-0.03, 0.03)
    colour_probability: float = 0.8
    blur_probability: float = 0.15
    noise_std: float = 0.02
    noise_probability: float = 0.3
    grey_probability: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class PhantomTrainConfig:
    """Equal configuration and data give equal weights."""

    network: PhantomConfig = PhantomConfig()
    preprocessing: Preprocessing = DEFAULT_PREPROCESSING
    octaves: int = 3
    """Of the image pyramid at inference: one set of weights sees faces of all sizes."""
    pictures: PictureConfig = PictureConfig()
    photometric: PhotometricConfig = PhotometricConfig()
    epochs: int = 50
    """All of the detector; the track cell is trained after them."""
    batches: int = 100
    """Batches an epoch."""
    batch_size: int = 32
    warmup_epochs: int = 1
    learning_rate: float = 4e-3
    weight_decay: float = 1e-4
    gradient_clip: float = 10.0
    box_weight: float = 2.0
    ema_decay: float = 0.998
    smallest_face_px: float = 12.0
    """Of the validation's faces, in pixels of the network's input; smaller ones are ignored."""
    track_epochs: int = 15
    track_films: int = 900
    """Films that the track cell is trained on; a tenth as many more validate it."""
    track_batch: int = 64
    track_learning_rate: float = 2e-3
    seed: int = 42
