"""Everything that decides a training run of PatchCore."""

from __future__ import annotations

from dataclasses import dataclass

from crystaledge.errors import UsageError
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_training.anomaly.make_backbone import preprocessing_of
from crystaledge_training.patchcore.config import PatchCoreConfig

DEFAULT_SIZE_HW = (256, 256)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchCoreTrainConfig:
    """Equal configuration and data give equal memories, on one machine.

    Raises:
        UsageError: a share or a rate that keeps nothing.
    """

    network: PatchCoreConfig = PatchCoreConfig()
    """Its number of rows in the memory is decided by the training."""
    size_hw: tuple[int, int] = DEFAULT_SIZE_HW
    bank_share: float = 0.025
    """Of the patches of normal images that the memory keeps."""
    most_bank_rows: int = 10_000
    """More than these make every look dear and find hardly more."""
    most_pool_bytes: int = 2**29
    """Of float32 patches that the memory is chosen from; beyond it, equally many patches of each image are drawn."""
    batch_size: int = 8
    holdout: float = 0.2
    """Share of the normal images that the threshold is chosen on; they do nothing else."""
    false_alarm_rate: float = 0.01
    blur_cells: float = 0.5
    """Screws prefer 1, thin traces of boards 0; this loses little on either."""
    neighbours: int = 0
    """Rows of the memory that weigh an image's score (PatchCore, eq. 7); 0: the smoothed map's maximum is the score."""
    seed: int = 42

    def __post_init__(self) -> None:
        for name, value, most in (
            ("bank share", self.bank_share, 1.0),
            ("hold-out share", self.holdout, 0.9),
            ("false-alarm rate", self.false_alarm_rate, 0.5),
        ):
            if not 0.0 < value <= most:
                msg = f"The {name} is {value:g}; expected more than 0 and at most {most:g}."
                raise UsageError(msg)

    @property
    def preprocessing(self) -> Preprocessing:
        """The whole image, in the numbers of the backbone."""
        return preprocessing_of(self.network.backbone, self.size_hw)
