"""The verbs of this room; their working halves are imported only when they run."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, _ArgumentGroup
from dataclasses import fields
from pathlib import Path

from crystaledge.cli.verb import Verb
from crystaledge.commands.engines import add_engine_options
from crystaledge.commands.parsers import choice, face_box, positive, seed, share, threads
from crystaledge.manifest.model import Target
from crystaledge_calibration.choices import Calibrator, LintTarget
from crystaledge_calibration.kinds import KINDS, AnyLimits

_BUNDLE_HELP = "bundle folder that `export` wrote"


def _listed(limits: AnyLimits) -> str:
    return ", ".join(f"{one.name} {getattr(limits, one.name):g}" for one in fields(limits))


LIMITS_HELP = "; ".join(f"of {kind.noun}: {_listed(kind.limits)}" for kind in KINDS.values())
_LIMITS = frozenset(one.name for kind in KINDS.values() for one in fields(kind.limits))


def limit(text: str) -> tuple[str, float]:
    """Parse NAME=VALUE, one of the gate's limits."""
    name, _, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if name not in _LIMITS or not 0.0 <= number < float("inf"):
        msg = f"{text!r} is no limit such as same_commit=0.95; there are {LIMITS_HELP}"
        raise ArgumentTypeError(msg)
    return name, number


def _configure_quantize(parser: ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help=_BUNDLE_HELP)
    parser.add_argument(
        "--target",
        type=choice(Target, "target"),
        required=True,
        metavar="{tensorrt,cpu}",
        help="whose rules the Q/DQ graph follows",
    )
    parser.add_argument("--graph", metavar="NAME", help="float32 graph to quantize (default: the first)")
    _configure_sequences(parser.add_argument_group("calibration set"), sequences=128, steps=256, warm_up=3)
    recipe = parser.add_argument_group("recipe (every step is measured; what does not help is not taken)")
    recipe.add_argument(
        "--calibrator",
        type=choice(Calibrator, "calibrator"),
        metavar="{minmax,percentile,entropy,mse}",
        help="how ranges are cut (default: what does best in closed loop, tensor by tensor)",
    )
    recipe.add_argument("--no-equalize", action="store_true", help="leave out cross-layer equalisation")
    recipe.add_argument("--no-bias-correction", action="store_true", help="leave out bias correction")
    recipe.add_argument("--no-trained", action="store_true", help="ignore what `train --qat` left in the bundle")
    recipe.add_argument("--no-search", action="store_true", help="give no node back to float32")
    recipe.add_argument(
        "--least-int8",
        type=share,
        default=0.8,
        metavar="SHARE",
        help="share of the multiply-accumulates that must stay int8 (default: %(default)s)",
    )
    recipe.add_argument(
        "--keep-float", action="append", default=[], metavar="NODE|WEIGHT", help="leave it in float32; may be repeated"
    )
    parser.add_argument("--force", action="store_true", help="replace the bundle's graph for the same target")


def _configure_lint(parser: ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help=_BUNDLE_HELP)
    parser.add_argument("--graph", metavar="NAME", help="look at this graph only (default: all)")
    parser.add_argument(
        "--target",
        type=choice(LintTarget, "target"),
        nargs="+",
        metavar="TARGET",
        help=f"judge for these ({', '.join(t.value for t in LintTarget)}; default: those the graph was made for)",
    )


def _configure_verify(parser: ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help=_BUNDLE_HELP)
    parser.add_argument("--graph", metavar="NAME", help="verify this graph only (default: every quantized graph)")
    parser.add_argument(
        "--horizon", type=positive, default=1000, metavar="T", help="closed-loop steps (default: %(default)s)"
    )
    add_engine_options(parser.add_argument_group("where (on a device the bundle's golden sequences are replayed)"))
    parser.add_argument(
        "--limit",
        type=limit,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"demand less, or more, than the default; the record says so; may be repeated ({LIMITS_HELP})",
    )
    group = parser.add_argument_group("verification set (never that of the calibration)")
    _configure_sequences(group, sequences=128, steps=None, warm_up=4)
    group.add_argument(
        "--leave-out-calibrated",
        action="store_true",
        help="where --data holds sequences that calibrated the graph, take the others instead of refusing",
    )


def _configure_sequences(group: _ArgumentGroup, *, sequences: int, steps: int | None, warm_up: int) -> None:
    group.add_argument(
        "--data",
        default="synthetic",
        metavar="DIR|VIDEO|synthetic",
        help="DIR/identity/*.jpg|png|pgm, a video, or the drawn scene (default: %(default)s); for networks without "
        "state DIR/*.jpg, DIR/good/*.jpg beside DIR/DEFECT/*.jpg, or MVTec's layout",
    )
    group.add_argument("--people", type=Path, metavar="FILE", help="only these identities of DIR (LFW list)")
    group.add_argument(
        "--sequences", type=positive, default=sequences, metavar="N", help="at most so many (default: %(default)s)"
    )
    if steps is not None:
        group.add_argument(
            "--steps",
            type=positive,
            default=steps,
            metavar="N",
            help="steps of a sequence (default: %(default)s)",
        )
    group.add_argument(
        "--warm-up",
        type=positive,
        default=warm_up,
        metavar="N",
        help="distinct frames that a sequence must have; shorter ones are left out (default: %(default)s)",
    )
    group.add_argument(
        "--face-box",
        type=face_box,
        default=(0.0, 0.0, 1.0, 1.0),
        metavar="X1,Y1,X2,Y2",
        help="where the face is, as shares of the frame's width and height (default: the whole frame)",
    )
    group.add_argument("--seed", type=seed, default=0, metavar="N", help="draws sequences and frames (default: 0)")
    group.add_argument("--threads", type=threads, metavar="N", help="threads of the engine (default: all cores)")


QUANTIZE = Verb(
    name="quantize",
    summary="calibrate in closed loop and add an INT8 Q/DQ graph to a bundle",
    description=(
        "Rolls the float graph out over the calibration sequences, its own state fed back, takes ranges from\n"
        "what was seen (the state included), and adds an INT8 graph to the bundle, with a record of the\n"
        "calibration set by hash, the ranges, and which nodes stayed in float32 and why.\n"
        "A network without state is calibrated on whole images: a detector in all octaves, judged by the faces it\n"
        "finds, an anomaly system by scores and maps. Every graph of it gets the same weights and ranges;\n"
        "--sequences counts images. Of a folder in MVTec's layout train/ is taken, by `verify` test/.\n"
        "The graph is not fit to run before `verify` has passed it.\n\n"
        "Examples: crystaledge quantize m.bundle --target tensorrt --data faces/ --people train.txt\n"
        "          crystaledge quantize p.bundle --target cpu --data images/\n"
        "          crystaledge quantize a.bundle --target cpu --data mvtec/screw"
    ),
    extra="calibrate",
    configure=_configure_quantize,
    target="crystaledge_calibration.commands.quantize:run",
)

LINT = Verb(
    name="lint",
    summary="is each graph legal for a target (JetPack, TensorRT-RTX, CPU)?",
    description=(
        "Checks the graphs of a bundle against what each target's parser accepts and what keeps INT8 fast and\n"
        "the state whole; names the node and the cure of each finding. Needs numpy and onnx only.\n"
        "Exit status 1 means that a graph is not legal for a target that was asked for.\n\n"
        "Example: crystaledge lint m.bundle --target jetpack-6.2 jetpack-7.2"
    ),
    extra="lint",
    configure=_configure_lint,
    target="crystaledge_calibration.commands.lint:run",
)

VERIFY = Verb(
    name="verify",
    summary="the closed-loop gate: is the deployed graph still the model, over time and in its decisions?",
    description=(
        "Runs the float graph and the deployed one in closed loop over the same sequences and compares states,\n"
        "identities and decisions at t = 1, 2, 4 ... T. The verdict and its record go into the bundle; `run`\n"
        "takes no graph that has none. Exit status 1 names the first step, tensor and layer at fault.\n\n"
        "Networks without state are compared on images which calibrated nothing (those that did are left out):\n"
        "detectors in the faces that they find, anomaly systems in verdicts, scores, AUROC (where a folder good/\n"
        "says which images are normal) and maps. --sequences counts images, and all sizes get one verdict.\n\n"
        "With --backend tensorrt it is the self-test of a device: every engine that was built replays the\n"
        "golden sequences of the bundle; no data and no other package is needed.\n\n"
        "Examples: crystaledge verify m.bundle --data faces/ --people test.txt\n"
        "          crystaledge verify p.bundle --data images/\n"
        "          crystaledge verify a.bundle --data mvtec/screw\n"
        "          crystaledge verify m.bundle --backend tensorrt"
    ),
    extra="calibrate",
    configure=_configure_verify,
    target="crystaledge_calibration.commands.verify:run",
)
