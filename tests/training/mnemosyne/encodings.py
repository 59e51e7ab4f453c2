"""Encodings of frames that were never encoded."""

from __future__ import annotations

import torch

from crystaledge_training.data.frames import FrameStore
from crystaledge_training.mnemosyne.embed import Encoded
from crystaledge_training.mnemosyne.network import Mnemosyne


def random_encodings(store: FrameStore, network: Mnemosyne, *, one_a_person: bool) -> Encoded:
    """Random encodings, of each frame or of each person, and a quality of about one half."""
    generator = torch.Generator().manual_seed(1)
    rows = torch.rand(len(store.pixels), network.config.encoding, generator=generator) * 3
    if one_a_person:
        rows = rows[torch.from_numpy(store.person)]
    return Encoded(rows, torch.full((len(rows), 1), 0.5))
