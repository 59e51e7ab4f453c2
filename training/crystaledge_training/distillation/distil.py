"""Trains an encoder for a larger system, taught by a public network or by labels alone; resumes exactly."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from crystaledge.errors import ContractError, UsageError
from crystaledge.jsonio import dumps
from crystaledge.sources.identities import Catalogue
from crystaledge_training.data.frames import FrameStore, load_frames, require_pairs
from crystaledge_training.distillation.classroom import Classroom, Teaching
from crystaledge_training.distillation.config import DistilConfig
from crystaledge_training.distillation.lessons import Asking, Pupils, ask, whole_spec
from crystaledge_training.distillation.module import DistillationModule
from crystaledge_training.distillation.train_encoder import ENCODER, BestEncoder, Course, train_encoder
from crystaledge_training.distillation.tutor import OUTSIDE_DATA, Teacher, Tutor, load_tutor
from crystaledge_training.distillation.validation import embedding_of
from crystaledge_training.lightning_checkpoint import SafetensorsCheckpointIO
from crystaledge_training.run_folder import RunFolder, claim_folder, people_sha256
from crystaledge_training.trainer import LAST, epochs_done

LESSONS = "teacher.lessons"
"""What the teacher said, in a run folder: personal data, which goes with the folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DistilRequest:
    """What to train, on whom, and where to put it."""

    people: Catalogue
    """To train on."""
    held_out: Catalogue
    """To validate with; none of the others."""
    encoder: Callable[[], nn.Module]
    """Makes the network: normalised faces `(B, 3, h, w)` to embeddings `(B, D)`, or to embeddings and quality logits
    `(B, 1)`, whose exponential is the inverse of the distance that it expects to the teacher."""
    teacher: Teacher | None
    """Without one, labels are all there is; `labels_alone` makes the configuration for it."""
    out: Path
    """A folder of this training's own."""
    config: DistilConfig = DistilConfig()
    stop_after: int | None = None
    """Stop when so many epochs are done; the schedule is still that of `config.epochs`."""
    progress: bool = True
    """Show progress bars; else a line an epoch goes to `say`."""
    say: Callable[[str], None] = lambda line: None


@dataclass(frozen=True, slots=True, kw_only=True)
class DistilResult:
    """What a training left behind."""

    weights: dict[str, Tensor]
    """State dict of the running average of the best validation epoch."""
    validation_accuracy: float
    """Balanced accuracy of single images of the people held out, at its own best threshold."""
    best_epoch: int
    epochs_done: int
    finished: bool
    """Whether all epochs are done."""
    training_seconds: float
    outside_data: str
    """What a model card has to say."""


def distil_encoder(request: DistilRequest) -> DistilResult:
    """Train an encoder, or go on training it.

    A run stopped after any epoch and taken up again ends with the same weights as one that was never stopped.

    Raises:
        UsageError: the configuration asks a teacher and there is none, or people are held out and trained on.
        MissingExtraError: the teacher's package is not installed.
        DataError: too few people or images, or `out` holds a run of another configuration.
        ContractError: the encoder's output is not what `DistilRequest` says.
    """
    tutor = None if request.teacher is None else load_tutor(request.teacher)
    return distil_with(request, tutor)


def distil_with(request: DistilRequest, tutor: Tutor | None) -> DistilResult:
    """`distil_encoder` with a teacher that is ready to be asked, or none; raises as it does."""
    config = request.config
    _refuse_contradictions(request, taught=tutor is not None)
    folder = _claim(request, tutor)
    epochs = min(config.epochs, request.stop_after or config.epochs)
    resume = request.out / LAST
    done = epochs_done(resume)
    best = BestEncoder(
        request.out / ENCODER, epochs=config.epochs, say=(lambda line: None) if request.progress else request.say
    )
    if done:
        best.resume(resume)
    if done < epochs:
        course = Course(out=request.out, epochs=epochs, progress=request.progress, say=request.say)
        done = _train(request, tutor, folder, best, course)
        best.state_dict()
    return DistilResult(
        weights=SafetensorsCheckpointIO().load_checkpoint(best.path)["encoder"],
        validation_accuracy=best.best,
        best_epoch=best.epoch,
        epochs_done=done,
        finished=done >= config.epochs,
        training_seconds=best.seconds,
        outside_data="none" if request.teacher is None else OUTSIDE_DATA[request.teacher],
    )


def _refuse_contradictions(request: DistilRequest, *, taught: bool) -> None:
    both = {i.name for i in request.people.identities} & {i.name for i in request.held_out.identities}
    if both:
        msg = f"{len(both)} people are to be trained on and validated with, {min(both)} for one; split by person."
        raise UsageError(msg)
    if not taught and (request.config.losses.needs_teacher or request.config.batch.shares[1]):
        msg = "The configuration asks a teacher about faces and blends, and there is none; use labels_alone(config)."
        raise UsageError(msg)


def _claim(request: DistilRequest, tutor: Tutor | None) -> RunFolder:
    facts = {
        "config": json.loads(dumps(request.config)),
        "people_sha256": people_sha256(request.people),
        "held_out_sha256": people_sha256(request.held_out),
        "teacher_sha256": None if tutor is None else tutor.sha256,
    }
    return claim_folder(request.out, facts, force=False, inputs=[request.people.root])


def _train(request: DistilRequest, tutor: Tutor | None, folder: RunFolder, best: BestEncoder, course: Course) -> int:
    config = request.config
    store = load_frames(request.people, config.preprocessing, whole=True, limit_per_person=config.limit_per_person)
    validation = load_frames(request.held_out, config.preprocessing, limit_per_person=config.limit_per_person)
    require_pairs(store, "training")
    require_pairs(validation, "validation")
    torch.manual_seed(config.seed)
    encoder = request.encoder()
    _check_encoder(encoder, config)
    folder.take()
    teaching = None if tutor is None else _teaching(request, tutor, store)
    classroom = Classroom(config, store, teaching)
    module = DistillationModule(config, encoder, classroom, people=len(store.names), validation=validation)
    return train_encoder(module, store.person, best, course)


def _teaching(request: DistilRequest, tutor: Tutor, store: FrameStore) -> Teaching:
    config = request.config
    paths = [path for person in request.people.identities for path in person.paths[: config.limit_per_person]]
    asking = Asking(
        file=request.out / LESSONS,
        device=torch.device("cuda" if torch.cuda.is_available() else "cpu"),
        progress=request.progress,
        say=request.say,
    )
    lessons = ask(tutor, Pupils(paths, store.pixels, whole_spec(config.preprocessing)), asking)
    return Teaching(tutor.network, lessons, config.dimensions)


@torch.no_grad()
def _check_encoder(encoder: nn.Module, config: DistilConfig) -> None:
    embedding, quality = embedding_of(encoder.eval()(torch.zeros(2, 3, *config.preprocessing.size_hw)))
    encoder.train()
    if embedding.shape != (2, config.dimensions) or (quality is not None and quality.shape != (2, 1)):
        shapes = [tuple(t.shape) for t in (embedding, quality) if t is not None]
        msg = f"The encoder makes {shapes} of two faces; expected (2, {config.dimensions}), and (2, 1) for a quality."
        raise ContractError(msg)
