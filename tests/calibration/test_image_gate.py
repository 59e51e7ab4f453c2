"""The gate of graphs that read images: each demand alone, and the sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from crystaledge_calibration.detection_records import DetectionLimits, DetectionParity
from crystaledge_calibration.image_gate import ONE_NETWORK, image_findings, image_sentence
from crystaledge_calibration.image_records import ImageFault, ImageFinding, MapError

SOUND = DetectionParity(
    images=9,
    score=0.6,
    faces_float=20,
    faces_deployed=20,
    faces_both=20,
    same_faces=1.0,
    box_iou=0.95,
    score_apart=0.01,
    score_shift=0.0,
)
ALIKE: Mapping[str, tuple[str, ...]] = {"whole": (), "window": ()}
FAMILY = tuple(ALIKE)


def found(
    decisions: DetectionParity = SOUND, *, strangers: Mapping[str, tuple[str, ...]] = ALIKE, error: float = 0.01
) -> tuple[ImageFinding, ...]:
    errors = {"whole": (MapError(tensor="box", error=0.01),), "window": (MapError(tensor="box", error=error),)}
    return image_findings(strangers, decisions.demands(DetectionLimits()), errors, map_error=0.25)


def test_what_meets_every_demand_passes() -> None:
    assert found() == ()
    assert image_sentence(FAMILY, (), None, SOUND) == (
        "whole and 1 graphs of the same network find the same faces: F1 1.000 and mean overlap 0.950 in 9 images "
        "with 20 faces."
    )


@pytest.mark.parametrize(
    ("changed", "demand", "limit"),
    [
        (replace(SOUND, same_faces=0.97), "F1 of the faces that both find", 0.98),
        (replace(SOUND, box_iou=0.89), "mean overlap of their boxes", 0.9),
        (replace(SOUND, score_apart=0.06), "difference of their scores", 0.05),
    ],
)
def test_each_demand_on_decisions_stands_alone(changed: DetectionParity, demand: str, limit: float) -> None:
    (finding,) = found(changed)
    assert (finding.graph, finding.demand, finding.limit) == ("whole", demand, limit)


@pytest.mark.parametrize("error", [0.3, float("nan")])
def test_a_map_that_is_off_is_a_finding_of_its_graph(error: float) -> None:
    (finding,) = found(error=error)
    assert (finding.graph, finding.demand) == ("window", "relative error of 'box'")


def test_another_network_is_found_first() -> None:
    first, second = found(replace(SOUND, same_faces=0.5), strangers={"whole": (), "window": ("image_scale",)})
    assert (first.graph, first.demand, first.measured, second.graph) == ("window", ONE_NETWORK, 1.0, "whole")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            ImageFault(graph="window", node="image_scale", tensor="", error=0.0),
            "the first is 'image_scale' of window",
        ),
        (
            ImageFault(graph="whole", node="", tensor="box", error=0.2),
            "no layer stands out, the tensor furthest off",
        ),
        (
            ImageFault(graph="whole", node="conv", tensor="box", error=0.25),
            "the first tensor at fault is 'box' of the node 'conv' of whole, off by 25%.",
        ),
    ],
)
def test_a_failure_names_the_graph_the_demand_and_the_place(fault: ImageFault, said: str) -> None:
    findings = found(replace(SOUND, same_faces=0.5))
    text = image_sentence(FAMILY, findings, fault, SOUND)
    assert text.startswith("whole fails: F1 of the faces that both find: 0.5, the limit is 0.98; ") and said in text
