"""Which weights ship, and how a command names them."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest

from crystaledge.errors import UsageError
from crystaledge.system import System
from crystaledge_training.checkpoint import read_checkpoint
from crystaledge_training.commands.choose_checkpoint import add_checkpoint_options, chosen_checkpoint
from crystaledge_training.mnemosyne.config import Variant
from crystaledge_training.mnemosyne.load import mnemosyne_config, mnemosyne_from_checkpoint
from crystaledge_training.parameters import parameter_count
from crystaledge_training.weights import embedded_checkpoint


def parsed(*words: str, system: System = System.MNEMOSYNE) -> Namespace:
    parser = ArgumentParser()
    add_checkpoint_options(parser)
    return parser.parse_args(list(words), Namespace(system=system))


@pytest.mark.parametrize("variant", list(Variant))
def test_each_variant_of_mnemosyne_ships_below_fifty_thousand(variant: Variant) -> None:
    checkpoint = read_checkpoint(chosen_checkpoint(parsed("--variant", variant.value)))
    assert mnemosyne_config(checkpoint).variant is variant
    assert parameter_count(mnemosyne_from_checkpoint(checkpoint)) < 50_000
    card = chosen_checkpoint(parsed("--variant", variant.value)).with_suffix(".MODEL_CARD.md")
    assert checkpoint.sha256 in card.read_text(encoding="utf-8")


def test_nothing_said_means_the_published_one() -> None:
    assert chosen_checkpoint(parsed()) == embedded_checkpoint(System.MNEMOSYNE)
    assert chosen_checkpoint(parsed("--checkpoint", "a.safetensors")) == Path("a.safetensors")


def test_contradictions_and_what_does_not_ship_are_refused() -> None:
    with pytest.raises(UsageError, match="give one of them"):
        chosen_checkpoint(parsed("--checkpoint", "a", "--variant", "wide"))
    with pytest.raises(UsageError, match="variant wide, ship"):
        chosen_checkpoint(parsed("--variant", "wide", system=System.PHANTOM))
    with pytest.raises(UsageError, match="No weights of patchcore ship"):
        chosen_checkpoint(parsed(system=System.PATCHCORE))
