"""Runs bundles: small recurrent vision models whose state is kept, tracked and decided on the host.

    from crystaledge import Bundle, Pipeline

    with Pipeline.open("mnemosyne.bundle") as pipeline:
        pipeline.enroll("ada", frames_of_ada)
        for frame in frames:
            for event in pipeline.process(frame):
                print(event.match, event.verdict)

Needs numpy, and one engine: `pip install 'crystaledge[onnxruntime]'`.
"""

from crystaledge.bundle import Bundle
from crystaledge.errors import CrystalEdgeError
from crystaledge.identity.decision import Verdict
from crystaledge.identity.spec import Stopping
from crystaledge.locate import FixedBox
from crystaledge.pipeline import Event, Pipeline, PipelineOptions
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.frame import Frame

__all__ = [
    "Bundle",
    "ColorOrder",
    "CrystalEdgeError",
    "Event",
    "FixedBox",
    "Frame",
    "Pipeline",
    "PipelineOptions",
    "Stopping",
    "Verdict",
]
