"""Every error that CrystalEdge raises on purpose.

    CrystalEdgeError
    ├── InputError              what was handed in cannot be used      (exit status 2)
    │   ├── UsageError          the command line or a call is off
    │   ├── DataError           an image, a video or a data folder
    │   ├── ManifestError       manifest.json breaks the contract
    │   ├── BundleError         a bundle's files: missing, changed, escaping
    │   ├── ContractError       an array or a graph that breaks its declared spec
    │   ├── StateError          tracks, slots and state files
    │   ├── OutputExistsError   the output is there already
    │   └── MissingExtraError   an optional package is not installed
    ├── EngineError             the backend failed on legal input      (exit status 2)
    │   └── DeviceError         the device or its driver failed: the engine can be restarted
    └── GateFailedError         the work was done and the answer is no (exit status 1)

A message says what happened, what was expected, and what to do, in one line.
The other packages derive their own base from `CrystalEdgeError` or a leaf of this tree.
"""

from __future__ import annotations

from typing import ClassVar


class CrystalEdgeError(Exception):
    """Base of every error raised on purpose; `exit_status` is what the command line returns."""

    exit_status: ClassVar[int] = 2


class InputError(CrystalEdgeError):
    """What was handed in cannot be used."""


class UsageError(InputError):
    """The command line or a call is off."""


class DataError(InputError):
    """An image, a video or a data folder cannot be used."""


class ManifestError(InputError):
    """A manifest breaks the published contract."""


class BundleError(InputError):
    """A bundle's files are missing, changed, or point outside the bundle."""


class ContractError(InputError):
    """An array or a graph breaks the specification it was declared with."""


class StateError(InputError):
    """A track, a slot or a state file cannot be used."""


class OutputExistsError(InputError):
    """The output exists and `--force` was not given."""


class MissingExtraError(InputError):
    """An optional package is missing; the message names the extra that brings it."""


class EngineError(CrystalEdgeError):
    """The backend failed on input that the contract allows."""


class DeviceError(EngineError):
    """A device or its driver failed; states on it are lost, those that the host keeps are not."""


class GateFailedError(CrystalEdgeError):
    """The work was done and the answer is no."""

    exit_status: ClassVar[int] = 1
