"""What board this is, from files that every Linux has; nothing is run, nothing needs root."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

UNKNOWN = "unknown"
NONE = "none"
_L4T = re.compile(r"R(\d+).*?REVISION:\s*([\d.]+)")
_JETPACKS = (
    ("39.2", "7.2"),
    ("38.4", "7.1"),
    ("38.2", "7.0"),
    ("36.5", "6.2.2"),
    ("36.4", "6.2"),
    ("36.3", "6.0"),
    ("35.", "5.1"),
)
"""First characters of an L4T release, and the JetPack that brings it (NVIDIA's release notes; 36.4 is 6.1 too)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A machine as its own files describe it."""

    model: str
    l4t: str
    """Such as "36.4.3"; "none" where this is no Jetson."""
    jetpack: str

    @property
    def is_jetson(self) -> bool:
        """It runs Jetson's Linux."""
        return self.l4t != NONE


def read_board(root: Path = Path("/")) -> Board:
    """The board, looked up below `root`."""
    release = _read(root / "etc/nv_tegra_release")
    found = _L4T.search(release)
    l4t = f"{found[1]}.{found[2]}" if found else NONE
    model = _read(root / "proc/device-tree/model").rstrip("\0 \n") or _read(root / "sys/class/dmi/id/product_name")
    jetpack = next((name for start, name in _JETPACKS if l4t.startswith(start)), UNKNOWN if found else NONE)
    return Board(model=model.strip() or UNKNOWN, l4t=l4t, jetpack=jetpack)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
