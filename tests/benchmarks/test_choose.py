"""The choice of a graph: only what passes, only what is faster for certain, and the reason in words."""

from __future__ import annotations

import re

import numpy as np
import pytest

from crystaledge.manifest.model import Precision
from crystaledge_benchmarks.bench_record import Parity, Speed, Standing
from crystaledge_benchmarks.choose import Contestant, choose, compare
from tests.benchmarks.builders import float_parity, int8_parity

ROUNDS = 400
_DRIFT = np.linspace(1.0, 1.5, ROUNDS)
"""A machine that slows down through the run, for all alike."""


def contestant(name: str, ms: float, *, parity: Parity, precision: Precision = Precision.INT8) -> Contestant:
    """A graph whose steps take so long, with noise of its own around it."""
    noise = np.random.default_rng(len(name)).normal(1.0, 0.02, ROUNDS)
    return Contestant(graph=name, precision=precision, parity=parity, samples_ms=ms * _DRIFT * noise)


def original(ms: float = 1.0, standing: Standing = Standing.PASSED) -> Contestant:
    return contestant("step", ms, parity=float_parity(standing), precision=Precision.FLOAT32)


@pytest.mark.parametrize(
    ("ms", "standing", "chosen", "said"),
    [
        (
            0.5,
            Standing.PASSED,
            "int8",
            r"int8 \(INT8\) is chosen for ort: it passed verification and is 2.0 times faster",
        ),
        (0.5, Standing.FAILED, "step", r"INT8 \(int8\) is 2.0 times faster here, .* and failed its verification"),
        (0.5, Standing.NOT_VERIFIED, "step", r"INT8 \(int8\) is 2.0 times faster here, .* and is not verified"),
        (1.9, Standing.PASSED, "step", r"INT8 \(int8\) is 1.9 times slower here, p50 [\d.]+ ms against [\d.]+ ms$"),
        (1.9, Standing.FAILED, "step", r"is 1.9 times slower here, .* and failed its verification"),
        (1.0, Standing.PASSED, "step", r"INT8 \(int8\) is not faster by more than the noise of this run"),
        (0.97, Standing.PASSED, "step", r"is not faster by more than the noise"),
    ],
)
def test_choice_between_float32_and_one_graph(ms: float, standing: Standing, chosen: str, said: str) -> None:
    found = choose(original(), [contestant("int8", ms, parity=int8_parity(standing))], engine="ort")
    assert found.choice is not None and found.choice.graph == chosen and found.choice.engine == "ort"
    assert found.choice.reason == found.verdict
    assert found.verdict.startswith(f"{chosen} (")
    assert re.search(said, found.verdict), found.verdict


def test_the_fastest_of_several_that_pass_and_a_word_on_each_other() -> None:
    quantized = [
        contestant("a", 0.6, parity=int8_parity()),
        contestant("b", 0.5, parity=int8_parity()),
        contestant("c", 0.3, parity=int8_parity(Standing.FAILED)),
    ]
    found = choose(original(), quantized, engine="ort")
    assert found.choice is not None and found.choice.graph == "b"
    assert "INT8 (a)" in found.verdict and "INT8 (c)" in found.verdict and "failed" in found.verdict


def test_a_lone_graph_is_chosen_and_said_to_be_alone() -> None:
    found = choose(original(), [], engine="ort")
    assert found.choice is not None and found.choice.reason == "step (float32) is chosen for ort: it is the only graph"


@pytest.mark.parametrize("standing", [Standing.FAILED, Standing.NOT_VERIFIED])
def test_nothing_is_chosen_where_float32_does_not_pass(standing: Standing) -> None:
    found = choose(original(standing=standing), [contestant("int8", 0.5, parity=int8_parity())], engine="ort")
    assert found.choice is None
    assert "no graph passes" in found.verdict and standing.value in found.verdict


@pytest.mark.parametrize(
    ("ms", "speed"), [(0.5, Speed.FASTER), (2.0, Speed.SLOWER), (1.0, Speed.WITHIN_NOISE), (0.96, Speed.WITHIN_NOISE)]
)
def test_comparison_is_by_rounds(ms: float, speed: Speed) -> None:
    found = compare(contestant("int8", ms, parity=int8_parity()), original())
    assert found.speed is speed
    assert found.low_ms <= found.difference_ms <= found.high_ms
    assert found.p50_ratio == pytest.approx(ms, rel=0.02)


def test_a_few_wild_rounds_do_not_decide() -> None:
    fast = contestant("int8", 0.98, parity=int8_parity())
    samples = fast.samples_ms.copy()
    samples[::2] = original().samples_ms[::2] * np.where(np.arange(ROUNDS // 2) % 2, 0.1, 5.0)
    wild = Contestant(graph="int8", precision=Precision.INT8, parity=fast.parity, samples_ms=samples)
    assert compare(wild, original()).speed is Speed.WITHIN_NOISE
