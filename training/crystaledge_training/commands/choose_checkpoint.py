"""From --checkpoint and --variant to the file of a checkpoint."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from crystaledge.commands.parsers import choice
from crystaledge.errors import UsageError
from crystaledge_training.mnemosyne.config import Variant
from crystaledge_training.weights import embedded_checkpoint


def add_checkpoint_options(parser: ArgumentParser) -> None:
    """`--checkpoint` and `--variant`."""
    parser.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help="checkpoint that `train` wrote (default: the embedded weights)"
    )
    parser.add_argument(
        "--variant",
        type=choice(Variant, "variant"),
        metavar="{published,wide}",
        help="for mnemosyne: which of the embedded weights (default: published)",
    )


def chosen_checkpoint(arguments: Namespace) -> Path:
    """The file that the options name.

    Raises:
        UsageError: both are given, or no such weights are embedded.
    """
    path: Path | None = arguments.checkpoint
    variant: Variant | None = arguments.variant
    if path is not None and variant is not None:
        msg = "--variant chooses among the embedded weights and --checkpoint names others; give one of them."
        raise UsageError(msg)
    if path is not None:
        return path
    named = None if variant in (None, Variant.PUBLISHED) else variant.value
    return embedded_checkpoint(arguments.system, named)
