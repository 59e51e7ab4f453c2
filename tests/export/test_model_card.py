"""The model card says what the record says, and nothing that is not known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from crystaledge.files import sha256_of
from crystaledge.manifest.model import ParitySummary
from crystaledge.system import System
from crystaledge_export.export import SYSTEMS, Exported
from crystaledge_export.mnemosyne import gallery_line
from crystaledge_export.model_card import model_card
from crystaledge_training import weights
from crystaledge_training.checkpoint import Checkpoint
from crystaledge_training.weights import measured_results

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


def test_tells_how_large_a_gallery_may_be() -> None:
    line = gallery_line(1e-3)
    assert "with 10 people enrolled it is 1%, with 105 people enrolled it is 10%" in line
    assert "with 1 people enrolled it is 1%, with 10 people enrolled it is 10%" in gallery_line(1e-2)
    assert 1 - (1 - 1e-3) ** 10 <= 0.01 < 1 - (1 - 1e-3) ** 11
    assert 1 - (1 - 1e-3) ** 105 <= 0.1 < 1 - (1 - 1e-3) ** 106


def test_what_was_measured_stands_before_the_limits(checkpoint: Checkpoint) -> None:
    card = model_card(checkpoint, SYSTEM, parities=(PARITY,), results="| rank 1 | 0.5 |")
    assert "## Measured\n\n| rank 1 | 0.5 |\n\n## Limits" in card


def test_weights_of_the_users_own_have_no_measured_results(checkpoint: Checkpoint) -> None:
    assert measured_results(checkpoint.sha256) is None
    assert "## Measured" not in card_of(checkpoint)


@pytest.mark.parametrize("results", sorted(Path(weights.__file__).parent.glob("*.RESULTS.md")), ids=lambda p: p.name)
def test_results_that_ship_are_of_the_weights_that_ship(results: Path) -> None:
    embedded = results.with_name(results.name.replace(".RESULTS.md", ".safetensors"))
    text = measured_results(sha256_of(embedded.read_bytes()))
    assert text is not None, f"{results.name} is about other weights; measure those that ship, and write it anew"
    card = results.with_name(results.name.replace(".RESULTS.md", ".MODEL_CARD.md")).read_text(encoding="utf-8")
    assert text in card, f"the card beside {results.name} lacks it; run scripts/embed_weights"
