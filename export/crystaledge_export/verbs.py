"""The verb of this room; its working half is imported only when it runs."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from crystaledge.cli.verb import Verb
from crystaledge.commands.verbs import system


def _configure_export(parser: ArgumentParser) -> None:
    parser.add_argument("system", type=system, metavar="SYSTEM", help="such as mnemosyne")
    parser.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="folder to write")
    parser.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help="checkpoint that `train` wrote (default: the embedded weights)"
    )
    parser.add_argument(
        "--trained",
        type=Path,
        metavar="FILE",
        help="what `train --qat` made of this checkpoint; it travels in the bundle and `quantize` builds on it",
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
