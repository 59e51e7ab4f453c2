"""The public face of the package, and what importing it costs."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import crystaledge
from crystaledge.errors import CrystalEdgeError
from crystaledge.outputs.view import StopShowing
from tests.support.extras import MAY_NEED, may_need

SOURCE_ONLY = {"crystaledge.engine.trt.cuda_pycuda"}
"""Needs pycuda, which has no wheels and wants a CUDA toolkit to be built."""
MODULES = sorted({module.name for module in pkgutil.walk_packages(crystaledge.__path__, "crystaledge.")} - SOURCE_ONLY)
LEARNING = ("torch", "torchvision", "lightning", "onnx", "onnxscript", "matplotlib", "sklearn")
OTHER_ROOMS = ("crystaledge_training", "crystaledge_export", "crystaledge_calibration", "crystaledge_benchmarks")


def in_a_fresh_interpreter(program: str, *arguments: str) -> str:
    """What a program prints; `tests` cannot leak into it."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_public_names_are_sorted_and_all_there_are() -> None:
    exposed = [
        name
        for name, value in vars(crystaledge).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    ]
    assert crystaledge.__all__ == sorted(crystaledge.__all__)
    assert crystaledge.__all__ == sorted(exposed)


def test_every_public_name_is_explained() -> None:
    for name in crystaledge.__all__:
        assert inspect.getdoc(getattr(crystaledge, name)), name


def test_every_error_of_the_package_is_one_of_ours() -> None:
    own = {
        value
        for name in MODULES
        for value in vars(importlib.import_module(name)).values()
        if isinstance(value, type) and issubclass(value, BaseException) and value.__module__.startswith("crystaledge.")
    }
    assert CrystalEdgeError in own
    for kind in own - {StopShowing}:  # a wish of the user, as StopIteration is no error
        assert issubclass(kind, CrystalEdgeError)
        assert kind.exit_status in (1, 2)


def test_no_module_needs_more_than_it_says() -> None:
    # Each module in one interpreter after another would take long; one that watches takes a second.
    program = """
        import importlib, json, sys
        watched = set(json.loads(sys.argv[2]))
        needed = {}
        for name in json.loads(sys.argv[1]):
            before = set(sys.modules)
            importlib.import_module(name)
            new = {module.partition(".")[0] for module in set(sys.modules) - before}
            needed[name] = sorted(new & watched)
        print(json.dumps(needed))
    """
    # Those that may need something come last: what they import stays, and would hide the same import elsewhere.
    order = ["crystaledge", *sorted(MODULES, key=lambda name: (len(may_need(name)), name))]
    watched = json.dumps([*MAY_NEED, *LEARNING, *OTHER_ROOMS])
    found: dict[str, list[str]] = json.loads(in_a_fresh_interpreter(program, json.dumps(order), watched))
    assert list(found) == order
    for name, needed in found.items():
        assert set(needed) <= may_need(name), f"{name} imports {needed}"


def test_where_engine_and_vision_are_missing_the_cure_is_named(tiny_bundle_path: Path, tmp_path: Path) -> None:
    program = """
        import sys

        class Missing:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in ("onnxruntime", "cv2", "torch", "onnx"):
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        sys.meta_path.insert(0, Missing())
        import crystaledge
        from crystaledge.sources.open import open_source

        bundle = crystaledge.Bundle.open(sys.argv[1])
        for use in (lambda: crystaledge.Pipeline.open(bundle), lambda: open_source(sys.argv[2])):
            try:
                use()
            except crystaledge.CrystalEdgeError as error:
                print(type(error).__name__, error)
    """
    lines = in_a_fresh_interpreter(program, str(tiny_bundle_path), str(tmp_path)).splitlines()
    assert lines == [
        "MissingExtraError Running a graph in onnxruntime needs the package 'onnxruntime', which is not installed; "
        "get it with: pip install 'crystaledge[onnxruntime]'",
        "MissingExtraError Reading images and video needs the package 'cv2', which is not installed; "
        "get it with: pip install 'crystaledge[vision]'",
    ]
