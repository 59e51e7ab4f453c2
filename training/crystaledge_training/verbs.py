"""The verbs of this room; their working halves are imported only when they run."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from crystaledge.cli.verb import Verb
from crystaledge.commands.parsers import choice, integer, positive, seed, system, threads
from crystaledge_training.data.annotated import Split


def _configure_train(parser: ArgumentParser) -> None:
    parser.add_argument("system", type=system, metavar="SYSTEM", help="such as mnemosyne")
    data = parser.add_argument_group("data")
    data.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="people: DIR/identity/*.jpg|png|pgm, or LFW's folder; detectors: WIDER FACE, COCO, YOLO, labels.csv",
    )
    data.add_argument(
        "--people", type=Path, metavar="FILE", help="train on these people only (LFW list; default: peopleDevTrain.txt)"
    )
    data.add_argument(
        "--faces", type=Path, metavar="DIR", help="for a detector: face crops to paste, DIR/identity/*, or LFW's folder"
    )
    data.add_argument(
        "--backgrounds",
        type=Path,
        metavar="DIR",
        help="for a detector: annotated images; those without a person are pasted on",
    )
    data.add_argument(
        "--licence", default="unknown", metavar="TEXT", help="terms of the data, for the model card (default: unknown)"
    )
    run = parser.add_argument_group("run")
    run.add_argument("--out", type=Path, required=True, metavar="RUN", help="run folder; an unfinished run is taken up")
    run.add_argument("--epochs", type=positive, metavar="N", help="length of the schedule")
    run.add_argument("--stop-after", type=positive, metavar="N", help="stop after N epochs of it; run again to go on")
    run.add_argument("--seed", type=seed, metavar="N", help="seed of everything random")
    run.add_argument("--threads", type=threads, metavar="N", help="torch threads (default: all cores)")
    run.add_argument(
        "--workers", type=integer(0, 64), default=0, metavar="N", help="for a detector: processes that make pictures"
    )
    run.add_argument("--force", action="store_true", help="delete an existing run folder and start again")
    int8 = parser.add_argument_group("int8")
    int8.add_argument(
        "--qat",
        action="store_true",
        help="quantization-aware: train rounded weights and ranges to follow a float network",
    )
    int8.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help="with --qat: the float network (default: the embedded weights)"
    )
    int8.add_argument(
        "--keep-float",
        action="append",
        default=[],
        metavar="WEIGHT",
        help="with --qat: leave this weight's product in float, as `quantize` names them; may be repeated",
    )
    network = parser.add_argument_group("network")
    network.add_argument("--encoding", type=integer(1, 4096), metavar="N", help="length of the encoding (default: 96)")
    network.add_argument("--hidden", type=integer(1, 4096), metavar="N", help="length of the state (default: 64)")


def _configure_evaluate(parser: ArgumentParser) -> None:
    parser.add_argument("system", type=system, metavar="SYSTEM", help="such as mnemosyne")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="checkpoint (default: the embedded weights)")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="people: DIR/identity/*.jpg|png|pgm, or LFW's folder; detectors: WIDER FACE, COCO, YOLO, labels.csv",
    )
    parser.add_argument(
        "--people",
        type=Path,
        metavar="FILE",
        help="evaluate on these people only (LFW list; default: peopleDevTest.txt)",
    )
    parser.add_argument(
        "--split",
        type=choice(Split, "split"),
        metavar="{train,val}",
        help="for a detector: part of the annotated images (default: val)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="also write report.json, report.md and any plots")
    parser.add_argument(
        "--bootstrap", type=integer(1, 100_000), default=1000, metavar="N", help="resamples (default: 1000)"
    )
    parser.add_argument(
        "--seed", type=seed, default=0, metavar="N", help="seed of templates and resamples (default: 0)"
    )
    parser.add_argument("--force", action="store_true", help="replace an existing report")


TRAIN = Verb(
    name="train",
    summary="train a system; progress bar, TensorBoard, exact resume",
    description=(
        "Trains a system and keeps the best checkpoint by validation on people that were not trained on.\n"
        "The run folder holds TensorBoard logs, the resume file and best.safetensors. Stopping at any epoch\n"
        "and running the same command again ends with the same weights as an uninterrupted run.\n\n"
        "Where DIR is LFW's folder, its official list peopleDevTrain.txt chooses the people.\n\n"
        "With --qat a float network is the teacher, and a student that rounds like the int8 graph lives on its\n"
        "own past, held to the teacher's identity at every step; no labels are used. The run folder then holds\n"
        "trained-int8.safetensors, which `quantize` takes.\n\n"
        "A detector learns from annotated photographs and from faces pasted on backgrounds; its track cell from\n"
        "films rendered of the same.\n\n"
        "Examples: crystaledge train mnemosyne --data lfw --out runs/a\n"
        "          crystaledge train mnemosyne --qat --data lfw --out runs/b\n"
        "          crystaledge train phantom --data face_detection --faces lfw --backgrounds coco128 --out runs/c"
    ),
    extra="train",
    configure=_configure_train,
    target="crystaledge_training.commands.train:run",
)

EVALUATE = Verb(
    name="evaluate",
    summary="accuracy on unseen people or images, with intervals and baselines",
    description=(
        "Measures verification (AUC, EER, TAR at FAR) and retrieval (Recall@1, R-Precision, MAP@R) for\n"
        "1, 2, 3 and 5 observations, beside three baselines on the same encodings, with 95 % bootstrap\n"
        "intervals over people; order sensitivity; velocity over observations; what the uncertainty in the\n"
        "score is worth; what both stopping rules need. No threshold is chosen on these people.\n\n"
        "Where DIR is LFW's folder, its official list peopleDevTest.txt chooses the people.\n\n"
        "Of a detector it measures average precision (AP50 with a 95 % bootstrap interval over images, AP50:95,\n"
        "AP50 by size of the face), precision and recall at the checkpoint's operating point, and images a\n"
        "second, on whole images of the split in the checkpoint's own preprocessing.\n\n"
        "Examples: crystaledge evaluate mnemosyne --data lfw --out report\n"
        "          crystaledge evaluate phantom --data face_detection --out report"
    ),
    extra="train",
    configure=_configure_evaluate,
    target="crystaledge_training.commands.evaluate:run",
)
