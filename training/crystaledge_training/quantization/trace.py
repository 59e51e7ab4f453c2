"""Who reads which tensor in one forward call, known by the identity of the tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from types import TracebackType
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

_ADDITIONS = frozenset({"add", "__add__", "add_", "__iadd__", "__radd__"})


class Slot(Enum):
    """Where a range sits in its layer; the value is the attribute's name."""

    INPUT = "input_range"
    STATE = "state_range"
    OUTPUT = "output_range"


class Site(NamedTuple):
    """One operand of one matrix product."""

    name: str
    layer: nn.Module
    slot: Slot


class Trace(TorchFunctionMode):
    """Watches one forward call of a module while it is entered as a context.

    Every tensor seen is kept alive until the trace goes, so that an identity means one tensor.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._module = module
        self._handles: list[RemovableHandle] = []
        self._kept: list[Tensor] = []
        self._read: dict[tuple[nn.Module, Slot], list[int]] = {}
        self._written_by: dict[int, nn.Module] = {}
        self._sums: dict[tuple[nn.Module, nn.Module], None] = {}

    def read_by(self, site: Site) -> list[int]:
        """Identities of the tensors that a site has read, in the order of the calls."""
        return self._read.get((site.layer, site.slot), [])

    def sums(self) -> list[tuple[nn.Module, nn.Module]]:
        """Residual additions: the layers whose outputs are their first operand and their second, the skip branch."""
        return list(self._sums)

    def __enter__(self) -> Trace:
        for layer in self._module.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear, nn.GRUCell)):
                self._handles.append(layer.register_forward_pre_hook(self._note_inputs))
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                self._handles.append(layer.register_forward_hook(self._note_output))
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)  # type: ignore[no-untyped-call]
        for handle in self._handles:
            handle.remove()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if getattr(func, "__name__", "") in _ADDITIONS:
            main, skip = (self._written_by.get(id(operand)) for operand in args[:2])
            if main is not None and skip is not None:
                self._sums[main, skip] = None
        return func(*args, **(kwargs or {}))

    def _note_inputs(self, layer: nn.Module, arguments: tuple[Any, ...]) -> None:
        for slot, tensor in zip((Slot.INPUT, Slot.STATE), arguments, strict=False):
            if isinstance(tensor, Tensor):
                self._kept.append(tensor)
                self._read.setdefault((layer, slot), []).append(id(tensor))

    def _note_output(self, layer: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> None:
        self._kept.append(output)
        self._written_by[id(output)] = layer
