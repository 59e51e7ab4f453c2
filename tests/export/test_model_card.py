"""The model card says what the record says, and nothing that is not known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crystaledge.manifest.model import ParitySummary
from crystaledge.system import System
from crystaledge_export.export import SYSTEMS, Exported
from crystaledge_export.model_card import model_card
from crystaledge_training.checkpoint import Checkpoint

PARITY = ParitySummary(
    graph="step", reference="torch", steps=16, batches=(1, 2, 64), max_abs_error=1.25e-7, tolerance=1e-5
)


SYSTEM = replace(SYSTEMS[System.MNEMOSYNE], intended_use="Tests only.")


def card_of(checkpoint: Checkpoint) -> str:
    return model_card(checkpoint, SYSTEM, parities=(PARITY,))


@pytest.mark.parametrize(
    "fact",
    [
        "# Model card: mnemosyne",
        "Parameters: 43,379 (published network, encoding 96, hidden 64, quality gate on the update)",
        "Trained on: drawn people (6 people; 4 more for validation and thresholds)",
        "Outside data, directly or through a teacher: none",
        "Terms of the data: none",
        "4 epochs, best 3, 0.0 min, seed 1, torch 0.0.0, crystaledge 0.0.0",
        "largest error 1.2e-07 over 16 closed-loop steps at batches 1, 2, 64 (tolerance 1e-05)",
        "Tests only.",
        "Calibrated on nobody.",
        "| 1 | 0.1 | 0.1000 | 0.500 |",
        "and so personal data",
        "were not measured by group",
    ],
)
def test_says(checkpoint: Checkpoint, fact: str) -> None:
    assert fact in card_of(checkpoint)


def test_names_the_weights(checkpoint: Checkpoint) -> None:
    assert f"Checkpoint SHA-256: {checkpoint.sha256}" in card_of(checkpoint)


def test_describes_no_other_data_than_that_of_the_record(checkpoint: Checkpoint) -> None:
    # These weights have seen drawings; that LFW consists of news photographs is no limit of theirs.
    assert "news photographs" not in card_of(checkpoint)


def test_does_without_decision_parameters(checkpoint: Checkpoint) -> None:
    card = card_of(replace(checkpoint, record=replace(checkpoint.record, decision=None)))
    assert "Calibrated on nothing." in card
    assert "| observations |" not in card


def test_the_bundles_card_is_this_one(exported: Exported, checkpoint: Checkpoint) -> None:
    bundle = exported.bundle
    expected = model_card(checkpoint, SYSTEMS[System.MNEMOSYNE], parities=(exported.first.parity,))
    assert bundle.contents["MODEL_CARD.md"].decode() == expected
