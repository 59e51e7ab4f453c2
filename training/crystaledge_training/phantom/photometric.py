"""What a camera does to training pictures, by Kornia, and their normalisation."""

from __future__ import annotations

from kornia import augmentation as kornia
from torch import Tensor, nn

from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_training.data.augment import Normalise
from crystaledge_training.phantom.train_config import PhotometricConfig


class Photometric(nn.Module):
    """uint8 pictures `(B, 3, H, W)` to network inputs; colours, blur and noise change only while training."""

    def __init__(self, config: PhotometricConfig, preprocessing: Preprocessing) -> None:
        super().__init__()
        self._changes = nn.Sequential(
            kornia.ColorJiggle(
                config.brightness, config.contrast, config.saturation, config.hue, p=config.colour_probability
            ),
            kornia.RandomGaussianBlur((3, 3), (0.3, 1.2), p=config.blur_probability),
            kornia.RandomGaussianNoise(0.0, config.noise_std, p=config.noise_probability),
            kornia.RandomGrayscale(p=config.grey_probability),
        )
        self._normalise = Normalise(preprocessing.mean, preprocessing.std)
        self._scale = 255.0 * preprocessing.scale

    def forward(self, pixels: Tensor) -> Tensor:
        """Network inputs of the same shape."""
        unit = pixels.float() / 255.0
        seen = self._changes(unit).clamp(0.0, 1.0) if self.training else unit
        normalised: Tensor = self._normalise(seen * self._scale)
        return normalised
