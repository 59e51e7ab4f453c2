"""Which modules of the runtime may import a package that a slim device does not have."""

from __future__ import annotations

MAY_NEED = {
    "onnxruntime": ("crystaledge.engine.onnxruntime_engine",),
    "cv2": (
        *(f"crystaledge.sources.{name}" for name in ("images", "folder", "video", "identities", "opencv")),
        *(
            f"crystaledge.outputs.{name}"
            for name in ("annotate", "clip", "heat_maps", "privacy", "record", "text", "video_file", "window")
        ),
        "crystaledge.anomaly.heat_map",
        "crystaledge.preprocessing.resample_opencv",
        *(f"crystaledge.liveness.{name}" for name in ("registration", "unexplained_motion", "photo_check")),
        "crystaledge.video.liveness",
        *(f"crystaledge.commands.{name}" for name in ("run_video", "video_outputs")),
    ),
    "scipy": (
        "crystaledge.tracking.",
        "crystaledge.video.",
        "crystaledge.systems.phantom",
        *(f"crystaledge.commands.{name}" for name in ("enroll", "run_")),
    ),
    "cryptography": (
        "crystaledge.gallery.",
        "crystaledge.video.gallery_",
        *(f"crystaledge.commands.{name}" for name in ("enroll", "gallery")),
    ),
    "prometheus_client": ("crystaledge.outputs.metrics",),
    "pycuda": ("crystaledge.engine.trt.cuda_pycuda",),
}
"""By package of an extra: beginnings of the names of the modules that only its users import."""
NEEDS_NOTHING = {
    *(f"crystaledge.{name}" for name in ("bundle", "pipeline", "systems.mnemosyne", "detection.detector")),
    *(f"crystaledge.commands.{name}" for name in ("run", "run_crops", "run_options", "gallery_verbs", "verbs")),
    *(f"crystaledge.video.{name}" for name in ("opening", "options", "events")),
    *(f"crystaledge.liveness.{name}" for name in ("config", "result")),
}
"""Modules that must import where nothing but numpy is installed, whatever their neighbours need."""


def may_need(module: str) -> set[str]:
    """The packages of extras that a module may import."""
    return {package for package, beginnings in MAY_NEED.items() if module.startswith(beginnings)}
