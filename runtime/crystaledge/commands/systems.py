"""`crystaledge systems`: what this version knows, and what is installed here."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from importlib.util import find_spec

from crystaledge.cli.verb import Outcome
from crystaledge.jsonio import encode
from crystaledge.system import System

_PARTS = {
    "run": ("onnxruntime", "onnxruntime"),
    "read images and video": ("cv2", "vision"),
    "train": ("lightning", "train"),
    "export": ("onnxscript", "export"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemFacts:
    """What a system is, at its default configuration."""

    system: System
    does: str
    parameters: int
    graphs: tuple[str, ...]
    state: str


FACTS = (
    SystemFacts(
        system=System.MNEMOSYNE,
        does="face identity by temporal crystallization",
        parameters=43_379,
        graphs=("step: face, hidden -> hidden_next, velocity, log_variance, quality",),
        state="hidden float32 [64] per track, zeros at the first observation",
    ),
    SystemFacts(
        system=System.PHANTOM,
        does="faces found and followed in video, where something changed",
        parameters=72_053,
        graphs=(
            "detect_HxW, one for each size of window: image -> logit, box, features",
            "track: roi, patch, hidden -> hidden_next, box_delta, score, velocity, birth",
        ),
        state="hidden float32 [64] per track; maps and held image per camera, on the host",
    ),
    SystemFacts(
        system=System.PATCHCORE,
        does="anomalies as distance from a memory of normal patches",
        parameters=700_768,
        graphs=("anomaly: image -> distance, features",),
        state="bank of normal patches in the graph; a held image and a running mean per camera on the host, if wanted",
    ),
    SystemFacts(
        system=System.STUDENT_TEACHER,
        does="anomalies as what a student that saw only normal images cannot imitate",
        parameters=868_904,
        graphs=("anomaly: image -> distance",),
        state="a held image and a running mean per camera on the host, if wanted",
    ),
)


def run(arguments: Namespace) -> Outcome:
    """List systems and installed parts."""
    installed = {part: find_spec(module) is not None for part, (module, _) in _PARTS.items()}
    lines = []
    for facts in FACTS:
        lines += [f"{facts.system.value}: {facts.does}, {facts.parameters:,} parameters"]
        lines += [f"  graph  {graph}" for graph in facts.graphs]
        lines += [f"  state  {facts.state}"]
    for part, (_, extra) in _PARTS.items():
        cure = "installed" if installed[part] else f"not installed: pip install 'crystaledge[{extra}]'"
        lines.append(f"{part}: {cure}")
    return Outcome(text="\n".join(lines), data={"systems": [encode(f) for f in FACTS], "installed": installed})
