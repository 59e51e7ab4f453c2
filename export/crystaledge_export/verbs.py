"""The verbs of this room; their working halves are imported only when they run."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from crystaledge.cli.verb import Verb
from crystaledge.commands.parsers import choice, positive, size_hw, system
from crystaledge.engine.trt.flavour import Flavour
from crystaledge.engine.trt.precision import BuiltPrecision
from crystaledge_export.triton.backend import TritonBackend
from crystaledge_training.commands.choose_checkpoint import add_checkpoint_options


def _configure_export(parser: ArgumentParser) -> None:
    parser.add_argument("system", type=system, metavar="SYSTEM", help="such as mnemosyne")
    parser.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="folder to write")
    add_checkpoint_options(parser)
    parser.add_argument(
        "--trained",
        type=Path,
        metavar="FILE",
        help="what `train --qat` made of this checkpoint; it travels in the bundle and `quantize` builds on it",
    )
    parser.add_argument(
        "--size",
        type=size_hw,
        metavar="H,W",
        help="for a detector: size of the image that it looks at, in pixels (default: that of the training)",
    )
    parser.add_argument("--force", action="store_true", help="replace an existing bundle")


EXPORT = Verb(
    name="export",
    summary="checkpoint to a bundle: stateful ONNX, guards, golden sequences, manifest",
    description=(
        "Exports the step of a trained system with its state as named inputs and outputs, checks it against\n"
        "torch in closed loop at batch 1, 2 and the largest, and writes a bundle that the runtime accepts.\n"
        "Exit status 1 means that a guard refused the graph; nothing is written then.\n\n"
        "Example: crystaledge export mnemosyne --checkpoint runs/a/best.safetensors --out m.bundle"
    ),
    extra="export",
    configure=_configure_export,
    target="crystaledge_export.commands.export:run",
)


def _configure_build(parser: ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle folder that `export` wrote")
    parser.add_argument(
        "--backend",
        type=choice(Flavour, "backend that is built for"),
        default=Flavour.TENSORRT,
        metavar="{tensorrt,tensorrt-rtx}",
        help="which TensorRT (default: tensorrt, that of a Jetson)",
    )
    parser.add_argument("--graph", metavar="NAME", help="build this graph only (default: all but those for the CPU)")
    parser.add_argument(
        "--precision",
        type=choice(BuiltPrecision, "precision"),
        metavar="{float32,float16,int8}",
        help="build in this precision only (default: each that the graphs have, float16 made from float32)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where engines lie (default: BUNDLE.engines beside it)")
    parser.add_argument("--force", action="store_true", help="build again what is up to date")


BUILD = Verb(
    name="build",
    summary="TensorRT engines for this device from a bundle's graphs",
    description=(
        "Builds one engine a graph and precision, with an optimization profile for each bucket of tracks, and\n"
        "writes a JSON file beside each: what it was built from, on and with. What is up to date is left as it\n"
        "is; what no longer fits is built again, and said why. Standard TensorRT builds on the device that the\n"
        "engine is for; TensorRT-RTX builds anywhere. Exit status 1 means that TensorRT does not take a graph;\n"
        "the message names the ONNX node, and `lint` says so without TensorRT.\n\n"
        "Example: crystaledge build m.bundle --precision int8"
    ),
    extra="build",
    configure=_configure_build,
    target="crystaledge_export.commands.build:run",
)


def _configure_triton(parser: ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle folder that `export` wrote")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="model repository to write to")
    parser.add_argument("--name", metavar="NAME", help="name of the model in Triton (default: the system's)")
    parser.add_argument(
        "--backend",
        type=choice(TritonBackend, "backend of Triton"),
        default=TritonBackend.ONNXRUNTIME,
        metavar="{onnxruntime,tensorrt}",
        help="what runs the graph there (default: onnxruntime); an engine for tensorrt is built here, on its device",
    )
    parser.add_argument("--graph", metavar="NAME", help="graph of the bundle (default: the first)")
    parser.add_argument("--unverified", action="store_true", help="serve it though no passed verification is on record")
    parser.add_argument(
        "--fps", type=positive, default=30, metavar="N", help="frames a second of each track (default: %(default)s)"
    )
    parser.add_argument("--force", action="store_true", help="replace the model's folder")


TRITON = Verb(
    name="triton",
    summary="a model repository for NVIDIA Triton, with the state declared",
    description=(
        "Writes a model for Triton Inference Server: the sequence batcher keeps the state of each track by its\n"
        "correlation id, every state has its initial value declared (Triton would otherwise start from whatever\n"
        "its memory held), pairs are by name, and START and READY are obeyed inside of the graph.\n\n"
        "Example: crystaledge triton m.bundle --out models/"
    ),
    extra="build",
    configure=_configure_triton,
    target="crystaledge_export.commands.triton:run",
)
