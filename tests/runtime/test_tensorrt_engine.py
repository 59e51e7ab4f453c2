"""TensorRT behind the seam: the same truth as every engine, in each generation, with either way of host memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest

from crystaledge.engine.trt.cuda import HostMemory
from crystaledge.engine.trt.cuda_python import CudaPython
from crystaledge.engine.trt.engine import TensorRtEngine
from crystaledge.engine.trt.flavour import Flavour
from crystaledge.manifest.model import GraphSpec
from tests.support.engine_contract import EngineContract, example_feeds
from tests.support.fake_cuda import FakeDriver
from tests.support.fake_tensorrt import Generation, plan_of, runtime_module
from tests.support.manifests import tiny_graph_spec
from tests.support.step_graphs import tiny_step_bytes

PLAIN = [(generation, HostMemory.DEVICE, True) for generation in Generation]
OTHERS = list(itertools.product([Generation.V10_3], HostMemory, (True, False)))
WAYS = list(dict.fromkeys(PLAIN + OTHERS))


def fake_engine(
    graph: GraphSpec,
    plan: bytes,
    *,
    generation: Generation = Generation.V10_3,
    driver: FakeDriver | None = None,
    policy: HostMemory | None = None,
    capture: bool = True,
) -> TensorRtEngine:
    """An engine on a fake device."""
    device = driver or FakeDriver()
    return TensorRtEngine(
        graph,
        plan,
        flavour=Flavour.TENSORRT_RTX if generation is Generation.RTX_1_7 else Flavour.TENSORRT,
        module=runtime_module(generation, device),
        cuda=CudaPython(driver=device),
        policy=policy,
        capture=capture,
    )


@pytest.mark.parametrize(
    "way", WAYS, ids=[f"{g.value}-{m.value}-{'graphs' if c else 'eager'}" for g, m, c in WAYS], scope="class"
)
class TestEveryGeneration(EngineContract):
    @pytest.fixture(autouse=True)
    def chosen(self, way: tuple[Generation, HostMemory, bool]) -> Iterator[None]:
        self.way = way
        yield

    def make(self, graph: GraphSpec, model: bytes) -> TensorRtEngine:
        generation, policy, capture = self.way
        try:
            plan = plan_of(model, graph.batch.buckets, generation)
        except ValueError:
            plan = model  # what is no model makes no engine file either
        return fake_engine(graph, plan, generation=generation, policy=policy, capture=capture)

    def test_outputs_in_another_order_are_refused(self) -> None:
        """TensorRT promises no order, so tensors are known by their names."""
        graph = tiny_graph_spec()
        first, second, *rest = graph.outputs
        feeds = example_feeds(2)
        turned = self.make(replace(graph, outputs=(second, first, *rest)), tiny_step_bytes()).run(feeds)
        for name, values in self.make(graph, tiny_step_bytes()).run(feeds).items():
            assert (turned[name] == values).all()
