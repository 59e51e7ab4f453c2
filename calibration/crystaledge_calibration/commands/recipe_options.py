"""From the options of a command line to those of the recipe."""

from __future__ import annotations

from argparse import Namespace

from crystaledge_calibration.commands.sequences import threads_of
from crystaledge_calibration.recipe import RecipeOptions
from crystaledge_calibration.search import Goal


def recipe_options(arguments: Namespace, goal: Goal) -> RecipeOptions:
    """Which steps may be taken; `goal` is what the search for precision aims at, where there is one."""
    return RecipeOptions(
        target=arguments.target,
        calibrator=arguments.calibrator,
        equalize=not arguments.no_equalize,
        correct_bias=not arguments.no_bias_correction,
        goal=None if arguments.no_search else goal,
        keep_float=tuple(arguments.keep_float),
        workers=threads_of(arguments),
    )
