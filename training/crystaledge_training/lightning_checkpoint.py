"""Lightning's resume files without pickle: tensors in safetensors, all the rest as JSON in its header."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import CheckpointIO
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from crystaledge.errors import DataError
from crystaledge.files import write_atomic

_TREE_KEY = "crystaledge_resume"


def flatten(tree: Any, tensors: dict[str, Tensor], path: str = "") -> Any:
    """Replace the tensors of a nested structure by references, collecting them in `tensors`.

    Dictionaries become lists of [key, value] so that integer keys survive JSON. A number in each
    tensor's name keeps places apart whose keys would spell the same path.

    Raises:
        DataError: a value that neither safetensors nor JSON can hold.
    """
    if isinstance(tree, Tensor):
        name = f"{len(tensors)}:{path}"
        tensors[name] = tree.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(tree, dict):
        return {"dict": [[_key(key, path), flatten(value, tensors, f"{path}/{key}")] for key, value in tree.items()]}
    if isinstance(tree, (list, tuple)):
        kind = "tuple" if isinstance(tree, tuple) else "list"
        return {kind: [flatten(value, tensors, f"{path}/{i}") for i, value in enumerate(tree)]}
    if tree is None or isinstance(tree, (bool, int, float, str)):
        return {"value": tree}
    msg = f"The training state holds a {type(tree).__name__} at {path}, which a resume file without pickle cannot keep."
    raise DataError(msg)


def _key(key: Any, path: str) -> Any:
    if key is None or isinstance(key, (bool, int, float, str)):
        return key
    msg = f"The training state has a key of type {type(key).__name__} at {path}, which a resume file cannot keep."
    raise DataError(msg)


def unflatten(tree: Any, tensors: Callable[[str], Tensor]) -> Any:
    """Undo `flatten`."""
    ((kind, content),) = tree.items()
    if kind == "tensor":
        return tensors(content)
    if kind == "dict":
        return {key: unflatten(value, tensors) for key, value in content}
    if kind in ("list", "tuple"):
        items = [unflatten(value, tensors) for value in content]
        return tuple(items) if kind == "tuple" else items
    return content


class SafetensorsCheckpointIO(CheckpointIO):
    """Lightning's seam for where checkpoints go: one safetensors file, written atomically."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write Lightning's state."""
        tensors: dict[str, Tensor] = {}
        tree = flatten(checkpoint, tensors)
        write_atomic(Path(path), save(tensors, metadata={_TREE_KEY: json.dumps(tree)}))

    def load_checkpoint(
        self, path: str | Path, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read Lightning's state.

        Raises:
            DataError: the file is no resume file.
        """
        try:
            with safe_open(path, framework="pt", device=str(map_location or torch.device("cpu"))) as file:
                tree = json.loads((file.metadata() or {})[_TREE_KEY])
                state: dict[str, Any] = unflatten(tree, file.get_tensor)
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            msg = f"Cannot resume from {path}: {error}; remove the run folder to start again."
            raise DataError(msg) from error
        return state

    def remove_checkpoint(self, path: str | Path) -> None:
        """Delete a resume file."""
        Path(path).unlink(missing_ok=True)
