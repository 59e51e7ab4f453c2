"""What every training run of Mnemosyne is asked for, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from crystaledge.sources.identities import Catalogue

BEST = "best.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What to train on and where to put it."""

    people: Catalogue
    data_description: str
    data_licence: str
    out: Path
    stop_after: int | None = None
    """Stop when so many epochs are done; the schedule is still that of the configuration's epochs."""
    progress: bool = True
    """Show a progress bar; else a line an epoch goes to `say`."""
    say: Callable[[str], None] = lambda line: None
    force: bool = False
    """Remove whatever is at `out` and start again."""


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a run left behind."""

    checkpoint: Path
    best_epoch: int
    """-1 while only the encoder has been trained; there is no checkpoint then."""
    epochs_done: int
    validation: float
    """AUC of the published variant; of the wide one, accuracy on single images of the people held out."""
    training_seconds: float
