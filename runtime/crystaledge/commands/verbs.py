"""The verbs that the runtime itself brings: light halves only, nothing heavy is imported here."""

from __future__ import annotations

from argparse import ArgumentParser

from crystaledge.cli.verb import Verb
from crystaledge.commands.run_options import configure_run


def _no_options(parser: ArgumentParser) -> None:
    """This verb has no options of its own."""


SYSTEMS = Verb(
    name="systems",
    summary="list the systems, and what is installed to run, train and export them",
    description="Lists the systems of this version: parameters, graphs, state, and which parts are installed here.",
    extra=None,
    configure=_no_options,
    target="crystaledge.commands.systems:run",
)

RUN = Verb(
    name="run",
    summary="run bundles on video, cameras, images or the synthetic scene; JSON lines of events",
    description=(
        "With a detector's bundle: finds faces in video and cameras, follows them, and, with a bundle that tells\n"
        "people apart beside it, crystallizes who they are. Frames in which nothing moved cost next to nothing.\n"
        "One JSON line for each turn of a face: appeared, identified, unknown, doubted, lost, returned, ended.\n\n"
        "With a bundle that looks at crops alone: one JSON line for each observation, with quality and velocity,\n"
        "norm of the state, whether the identity has crystallized, the best match among the enrolled with its\n"
        "score, and the verdict with the false-accept rate it was calibrated for.\n\n"
        "With a bundle that finds anomalies: one JSON line for each image, with its score in [0, 1], the verdict at\n"
        "the calibrated threshold, and the box around what is furthest from normal.\n\n"
        "Examples:\n"
        "  crystaledge run phantom.bundle mnemosyne.bundle --source rtsp://camera/1 --source 0 --gallery-db people.db\n"
        "  crystaledge run phantom.bundle mnemosyne.bundle --source synthetic --enroll-synthetic --record out.mp4\n"
        "  crystaledge run mnemosyne.bundle --source crops/ --gallery people/\n"
        "  crystaledge run mnemosyne.bundle --source talk.mp4 --face-box 0.2,0.1,0.8,0.9\n"
        "  crystaledge run patchcore.bundle --source parts/ --overlays pictures/"
    ),
    extra="onnxruntime",
    configure=configure_run,
    target="crystaledge.commands.run:run",
)

DOCTOR = Verb(
    name="doctor",
    summary="what this device can run, proven by running it; what is missing and how to get it",
    description=(
        "Reads what board this is, its JetPack, memory and power mode, then tries every engine: a tiny graph in\n"
        "ONNX Runtime, bytes to a CUDA device and back, a tiny engine built and run in TensorRT, each in a\n"
        "process of its own, since TensorRT without a driver crashes the process that asks it.\n"
        "For each thing that is missing it names the one command that brings it on this board.\n"
        "Exit status 1 means that no engine runs here."
    ),
    extra=None,
    configure=_no_options,
    target="crystaledge.commands.doctor:run",
)
