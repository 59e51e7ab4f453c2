"""The systems this house knows by name."""

from __future__ import annotations

from enum import Enum


class System(Enum):
    """One model family: a network, the graphs it exports, and its host side."""

    MNEMOSYNE = "mnemosyne"
    """Face identity by temporal crystallization."""
    PHANTOM = "phantom"
    """Faces found and followed in video, where something changed."""
    PATCHCORE = "patchcore"
    """Anomalies as distance from a memory of normal patches."""
    STUDENT_TEACHER = "student_teacher"
    """Anomalies as what a student that saw only normal images cannot imitate."""
