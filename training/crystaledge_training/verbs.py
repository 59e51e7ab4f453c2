"""The verbs of this room; their working halves are imported only when they run."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from crystaledge.cli.verb import Verb
from crystaledge.commands.parsers import choice, integer, positive, seed, share, size_hw, system, threads
from crystaledge_training.anomaly.backbone_kind import BackboneKind
from crystaledge_training.commands.choose_checkpoint import add_checkpoint_options
from crystaledge_training.data.annotated import Split
from crystaledge_training.mnemosyne.config import Variant
from crystaledge_training.student_teacher.config import StudentKind


def _configure_train(parser: ArgumentParser) -> None:
    parser.add_argument("system", type=system, metavar="SYSTEM", help="such as mnemosyne")
    data = parser.add_argument_group("data")
    data.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="people: DIR/identity/*.jpg|png|pgm, or LFW's folder; detectors: WIDER FACE, COCO, YOLO, labels.csv; "
        "anomalies: MVTec AD's layout, or good/ beside folders of defects, or normal images alone",
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
    network.add_argument(
        "--variant",
        type=choice(Variant, "variant"),
        metavar="{published,wide}",
        help="for mnemosyne: which network (default: published)",
    )
    network.add_argument(
        "--distill",
        action="store_true",
        help="for --variant wide: dlib's face network teaches it (extra `distil`); its embeddings of the people are "
        "kept in --out",
    )
    network.add_argument("--encoding", type=integer(1, 4096), metavar="N", help="length of the encoding (default: 96)")
    network.add_argument(
        "--student",
        type=choice(StudentKind, "student"),
        metavar="{twin,light,published}",
        help="for student_teacher: what imitates the teacher (default: light)",
    )
    network.add_argument("--hidden", type=integer(1, 4096), metavar="N", help="length of the state (default: 64)")
    anomalies = parser.add_argument_group("anomalies (patchcore, student_teacher)")
    anomalies.add_argument(
        "--size", type=size_hw, metavar="H,W", help="the network's input in pixels (default: 256,256)"
    )
    anomalies.add_argument(
        "--backbone",
        type=choice(BackboneKind, "backbone"),
        metavar="{efficientnet_lite0,published}",
        help="network whose features are compared (default: efficientnet_lite0; the published one is random)",
    )
    anomalies.add_argument(
        "--bank-share",
        type=share,
        metavar="SHARE",
        help="for patchcore: share of the normal patches that is remembered (default: 0.025)",
    )
    anomalies.add_argument(
        "--holdout",
        type=share,
        metavar="SHARE",
        help="share of the normal images that the threshold is chosen on (default: 0.2)",
    )
    anomalies.add_argument(
        "--false-alarm-rate",
        type=share,
        metavar="SHARE",
        help="share of normal images that may be called anomalous (default: 0.01)",
    )


def _configure_evaluate(parser: ArgumentParser) -> None:
    parser.add_argument("system", type=system, metavar="SYSTEM", help="such as mnemosyne")
    add_checkpoint_options(parser)
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
        "The wide variant spends its parameters on the encoder, taught by a public network (--distill) or by labels\n"
        "alone; its state is fitted afterwards, in minutes.\n\n"
        "A system that finds anomalies learns from normal images alone, one part of them held out for its threshold.\n"
        "PatchCore remembers patches of them, so it has no epochs; a student imitates a teacher on them and stops\n"
        "when it gets no better on images it does not learn from.\n\n"
        "A detector learns from annotated photographs and from faces pasted on backgrounds; its track cell from\n"
        "films rendered of the same.\n\n"
        "Examples: crystaledge train mnemosyne --data lfw --out runs/a\n"
        "          crystaledge train mnemosyne --qat --data lfw --out runs/b\n"
        "          crystaledge train mnemosyne --variant wide --distill --data lfw --out runs/e\n"
        "          crystaledge train phantom --data face_detection --faces lfw --backgrounds coco128 --out runs/c\n"
        "          crystaledge train patchcore --data screw --size 256,256 --out runs/d\n"
        "          crystaledge train student_teacher --data screw --student light --out runs/f"
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
        "Of a system that finds anomalies it measures image AUROC with a 95 % bootstrap interval over images, pixel\n"
        "AUROC and AUPRO where masks or boxes say what is defect, recall and false alarms at the threshold that was\n"
        "chosen in training beside what it promised, each kind of defect, and images a second; the report shows the\n"
        "ROC, the scores and the eight worst misses. DIR: MVTec AD's layout, or good/ beside folders of defects.\n\n"
        "Examples: crystaledge evaluate mnemosyne --data lfw --out report\n"
        "          crystaledge evaluate phantom --data face_detection --out report\n"
        "          crystaledge evaluate patchcore --checkpoint runs/a/best.safetensors --data screw --out report"
    ),
    extra="train",
    configure=_configure_evaluate,
    target="crystaledge_training.commands.evaluate:run",
)
