"""`crystaledge train phantom`."""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from crystaledge.cli.verb import Outcome, talk
from crystaledge.errors import DataError, UsageError
from crystaledge_training.commands.data import LFW_LICENCE, choose_people
from crystaledge_training.commands.foreign import OF_ANOMALIES, OF_VARIANTS, refuse_foreign
from crystaledge_training.data.annotations import Split, read_annotations
from crystaledge_training.phantom.train import PhantomTrainResult, train
from crystaledge_training.phantom.train_config import PhantomTrainConfig
from crystaledge_training.phantom.train_detector import PhantomData, PhantomTrainRequest

_PERSON = "person"
_NOT_OURS = ("encoding", "hidden", "qat", "checkpoint", "keep_float", *OF_ANOMALIES, *OF_VARIANTS)


def run(arguments: Namespace) -> Outcome:
    """Train Phantom; see the verb's help."""
    refuse_foreign(arguments, _NOT_OURS)
    if arguments.people is not None and arguments.faces is None:
        msg = "--people chooses among the faces that are pasted; name them by --faces."
        raise UsageError(msg)
    if arguments.faces is None or arguments.backgrounds is None:
        msg = (
            "Phantom needs faces to paste and backgrounds without people for its films; give --faces and --backgrounds."
        )
        raise UsageError(msg)
    data = phantom_data(arguments)
    talk(f"training phantom on {data.description}")
    config = PhantomTrainConfig()
    request = PhantomTrainRequest(
        data=data,
        data_licence=_licence(arguments),
        out=arguments.out,
        config=replace(
            config,
            epochs=arguments.epochs or config.epochs,
            seed=config.seed if arguments.seed is None else arguments.seed,
        ),
        stop_after=arguments.stop_after,
        workers=arguments.workers,
        force=arguments.force,
        say=talk,
        progress=sys.stderr.isatty() and not arguments.json,
    )
    return _outcome(train(request))


def phantom_data(arguments: Namespace) -> PhantomData:
    """Annotated images of `--data`, faces of `--faces` and backgrounds of `--backgrounds`."""
    training = read_annotations(arguments.data, split=Split.TRAIN)
    validation = read_annotations(arguments.data, split=Split.VALIDATION)
    if arguments.faces is None:
        return PhantomData(training=training, validation=validation)
    chosen = choose_people(arguments.faces, arguments.people, lfw_list="peopleDevTrain.txt")
    faces = tuple(path for person in chosen.people.identities for path in person.paths)
    backgrounds = _without_people(arguments.backgrounds)
    return PhantomData(
        training=training,
        validation=validation,
        faces=faces,
        backgrounds=backgrounds,
        people=len(chosen.people.identities),
    )


def _without_people(root: Path) -> tuple[Path, ...]:
    """Images of an annotated set on which nobody is."""
    images = [i for split in Split for i in read_annotations(root, split=split, category=_PERSON).images]
    paths = tuple(image.path for image in images if not len(image.box_xyxy))
    if not paths:
        msg = f"{root} has no image without a person; expected an annotated set such as COCO for --backgrounds."
        raise DataError(msg)
    return paths


def _licence(arguments: Namespace) -> str:
    return (
        f"faces: {LFW_LICENCE}" if arguments.faces is not None and arguments.licence == "unknown" else arguments.licence
    )


def _outcome(result: PhantomTrainResult) -> Outcome:
    written = result.checkpoint or "no checkpoint yet, run the same command again to go on"
    text = (
        f"{written}: epoch {result.best_epoch + 1} of {result.epochs_done}, validation AP50 "
        f"{result.validation_ap50:.4f}, {result.training_seconds / 60:.1f} min"
    )
    data = {
        "checkpoint": None if result.checkpoint is None else str(result.checkpoint),
        "best_epoch": result.best_epoch,
        "epochs": result.epochs_done,
        "validation_ap50": result.validation_ap50,
        "training_seconds": result.training_seconds,
    }
    return Outcome(text=text, data=data)
