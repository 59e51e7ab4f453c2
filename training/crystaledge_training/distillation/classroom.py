"""Where a batch is made, on the device that trains: what the student sees, and what the teacher says of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from crystaledge.errors import DataError
from crystaledge_training.data.augment import Normalise
from crystaledge_training.data.frames import FrameStore
from crystaledge_training.distillation.batches import Draw
from crystaledge_training.distillation.blends import PeopleToBlend, blended_chip, blended_view, draw_blends
from crystaledge_training.distillation.cache import Lessons
from crystaledge_training.distillation.config import DistilConfig
from crystaledge_training.distillation.faults import photograph
from crystaledge_training.distillation.geometry import chip_transforms, resample
from crystaledge_training.distillation.views import jittered_transforms


@dataclass(frozen=True, slots=True)
class Sight:
    """A batch: ordinary rows, blends, rows taken badly."""

    faces: Tensor
    """Normalised, `(N, 3, h, w)`."""
    target: Tensor | None
    """What the teacher says, `(N, D)` of length 1; None without one."""


class TeacherSpace(nn.Module):
    """The teacher's embeddings, about their mean, in as many principal directions as the student has numbers.

    The mean, which all faces share, would be most of every cosine; it is taken off.
    """

    mean: Tensor
    basis: Tensor

    def __init__(self, embedding: Tensor, dimensions: int) -> None:
        """Find the directions of `(N, E)` embeddings.

        Raises:
            DataError: fewer images, or a shorter embedding, than dimensions.
        """
        super().__init__()
        if min(embedding.shape) < dimensions:
            msg = (
                f"{embedding.shape[0]} images in {embedding.shape[1]} dimensions of a teacher span no "
                f"{dimensions} directions; give more images, or fewer dimensions."
            )
            raise DataError(msg)
        # Kept in the resume file: another machine's decomposition may have other signs.
        self.register_buffer("mean", embedding.mean(0))
        directions = torch.linalg.svd((embedding - self.mean).double(), full_matrices=False)[2]
        self.register_buffer("basis", directions[:dimensions].T.to(embedding.dtype).contiguous())

    def forward(self, embedding: Tensor) -> Tensor:
        """`(N, E)` to unit vectors `(N, D)`."""
        return functional.normalize((embedding - self.mean) @ self.basis, dim=1)


class Teaching(nn.Module):
    """A teacher with what it said of every image; only blends have to be asked about."""

    to_crop: Tensor
    embedding: Tensor

    def __init__(self, network: nn.Module, lessons: Lessons, dimensions: int) -> None:
        super().__init__()
        self._network = (network.eval().requires_grad_(False),)  # in no state dict, and so in no resume file
        embedding = torch.from_numpy(lessons.embedding)
        self.register_buffer("to_crop", chip_transforms(torch.from_numpy(lessons.points)), persistent=False)
        self.register_buffer("embedding", embedding, persistent=False)
        self.space = TeacherSpace(embedding.mean(1), dimensions)

    def known(self, rows: Tensor) -> Tensor:
        """Embeddings of images, by chance of their mirror images, `(N, E)`."""
        return self.embedding[rows, torch.randint(0, 2, rows.shape, device=rows.device)]

    def asked(self, chips: Tensor) -> Tensor:
        """Embeddings of chips; in half precision on a GPU."""
        cuda = chips.device.type == "cuda"
        network = self._network[0].to(chips.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        with torch.autocast(chips.device.type, torch.float16, enabled=cuda):
            embedding: Tensor = network(chips.contiguous(memory_format=torch.channels_last))
        return embedding.float()


class Classroom(nn.Module):
    """All crops, on the device; makes batches of row numbers."""

    pixels: Tensor

    def __init__(self, config: DistilConfig, store: FrameStore, teaching: Teaching | None) -> None:
        super().__init__()
        self.config = config
        self.teaching = teaching
        pixels = torch.from_numpy(store.pixels).permute(0, 3, 1, 2).contiguous()
        self.register_buffer("pixels", pixels, persistent=False)
        self._normalise = Normalise(config.preprocessing.mean, config.preprocessing.std)

    @torch.no_grad()
    def forward(self, draw: Draw) -> Sight:
        """A batch, drawn from torch's global generators."""
        ordinary, _, severe = self.config.batch.shares
        real = resample(self.pixels[draw.rows], self._jittered(len(draw.rows)), self._side)
        mixed, mixed_target = self._blends(draw)
        faces = torch.cat([real[:ordinary], mixed, real[ordinary:]]) / 255.0
        taken = photograph(faces, severe, self.config.views)
        normal = self._normalise(taken * (255.0 * self.config.preprocessing.scale))
        if self.teaching is None:
            return Sight(normal, None)
        known = self.teaching.known(draw.rows)
        said = torch.cat([known[:ordinary], mixed_target, known[ordinary:]])
        return Sight(normal, self.teaching.space(said))

    @property
    def _side(self) -> int:
        return self.config.preprocessing.size_hw[0]

    def _jittered(self, count: int) -> Tensor:
        share = self.config.preprocessing.center_share
        return jittered_transforms(count, self._side, share, self.config.views, self._normalise.mean)

    def _blends(self, draw: Draw) -> tuple[Tensor, Tensor]:
        """Views of blends in [0, 255], and what the teacher says of them."""
        if self.teaching is None or not len(draw.first):
            empty = self._normalise.mean.new_empty(0, 3, self._side, self._side)
            return empty, empty.new_empty(0, 0 if self.teaching is None else self.teaching.embedding.shape[2])
        to_crop = self.teaching.to_crop
        people = PeopleToBlend(
            self.pixels[draw.first], self.pixels[draw.second], to_crop[draw.first], to_crop[draw.second]
        )
        blend = draw_blends(len(draw.first), to_crop)
        view = blended_view(people, blend, self._jittered(len(draw.first)), self._side)
        mirrored = torch.rand(len(draw.first), device=to_crop.device) < 0.5
        return view, self.teaching.asked(blended_chip(people, blend, mirrored))
