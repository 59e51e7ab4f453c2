"""The recipe: which calibrator, which equalisation, which weights; every choice by closed-loop result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from onnx import ModelProto

from crystaledge.errors import DataError
from crystaledge.manifest.model import GraphSpec, Target
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_calibration.bias_correction import bias_corrected
from crystaledge_calibration.calibration_set import CalibrationSet
from crystaledge_calibration.choices import Calibrator
from crystaledge_calibration.closed_loop_score import Scorer
from crystaledge_calibration.draft import TRAINED, Cut, Draft, Tried, cuts_by, tried
from crystaledge_calibration.equalize import equalized, sites
from crystaledge_calibration.observe import observe_ranges
from crystaledge_calibration.qdq import quantized_tensors
from crystaledge_calibration.ranges import Observations
from crystaledge_calibration.records import RecipeStep
from crystaledge_calibration.search import Goal, give_back
from crystaledge_calibration.state_source import StateSource
from crystaledge_calibration.step_model import quantizable_nodes, weights_of, with_weights
from crystaledge_calibration.trained import Trained

MIGRATIONS = (0.5, 0.7)
_BIAS_SEQUENCES = 48
_BIAS_STEPS = 16
_WORTH_IT = 0.99
"""A change of one tensor's cut must lower the loss below this share of it; less is chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeOptions:
    """Which steps may be taken."""

    target: Target
    calibrator: Calibrator | None = None
    """None tries all and then tensor by tensor."""
    equalize: bool = True
    correct_bias: bool = True
    goal: Goal | None = None
    """What the precision search aims at; None for no search."""
    keep_float: tuple[str, ...] = ()
    workers: int = 1
    """Candidates that are scored side by side."""
    states: StateSource = StateSource.ROLLOUT
    """Anything but the rollout is a planted fault."""


@dataclass(frozen=True, slots=True)
class Workbench:
    """What every step of the recipe works with."""

    graph: GraphSpec
    model: ModelProto
    """The float graph."""
    calibrating: CalibrationSet
    judge: Scorer
    preprocessing: Preprocessing
    options: RecipeOptions
    progress: Callable[[int], object]
    """Told how many sequence-steps were taken since the last call."""


class Recipe:
    """Tries steps in order; keeps what lowers the closed-loop loss, and a row for each."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self.rows: list[RecipeStep] = []
        self.uncorrected: Draft | None = None
        """The draft before its biases were corrected: what single nodes cost is measured on it."""
        self.given_back: tuple[str, ...] = ()
        """Nodes that the precision search returned to float."""

    def run(self, trained: Trained | None) -> Tried:
        """The best draft that the options allow."""
        bench, options = self._bench, self._bench.options
        seen = self._observe(bench.model)
        best: Tried | None = None
        for attempt in self._by_calibrators(bench.model, seen):
            best = self._better(best, f"calibrator {_calibrator_of(attempt)}", attempt)
        assert best is not None
        for migration in MIGRATIONS if options.equalize and sites(bench.model) else ():
            best = self._better(best, f"equalised with migration {migration:g}", self._equalised(seen, migration))
        if options.calibrator is None:
            best = self._better(best, "calibrators tensor by tensor", self._tensor_by_tensor(best))
        best = self._searched(best)
        self.uncorrected = best.draft
        if options.correct_bias:
            best = self._better(best, "bias corrected", self._bias_corrected(best.draft))
        if trained is not None and options.target is Target.TENSORRT:
            best = self._with_trained(best, trained)
        return best

    def _searched(self, best: Tried) -> Tried:
        if self._bench.options.goal is None:
            return best
        searched = give_back(self._bench.judge, best, self._bench.options.goal)
        self.rows.extend(searched.rows)
        self.given_back = searched.given_back
        return searched.best

    def _with_trained(self, best: Tried, trained: Trained) -> Tried:
        after = self._better(best, "trained in closed loop (in the place of all steps above)", self._trained(trained))
        if after is not best:
            self.given_back, self.uncorrected = (), after.draft
        return after

    def _by_calibrators(self, model: ModelProto, seen: Mapping[str, Observations]) -> list[Tried]:
        chosen = self._bench.options.calibrator
        calibrators = (chosen,) if chosen is not None else tuple(Calibrator)
        return self._try(*(self._draft(model, seen, cuts_by(calibrator, seen)) for calibrator in calibrators))

    def _equalised(self, seen: Mapping[str, Observations], migration: float) -> Tried:
        model = equalized(self._bench.model, seen, migration=migration)
        return min(self._by_calibrators(model, self._observe(model)), key=_loss)

    def _tensor_by_tensor(self, best: Tried) -> Tried:
        """Each tensor's cut by every calibrator in turn, greedily."""
        for name, seen in best.draft.seen.items():
            others = {cut.amax: cut for c in Calibrator for cut in [cuts_by(c, {name: seen})[name]]}
            others.pop(best.draft.cuts[name].amax, None)
            attempts = self._try(*(replace(best.draft, cuts={**best.draft.cuts, name: cut}) for cut in others.values()))
            challenger = min(attempts, key=_loss, default=best)
            best = challenger if _loss(challenger) < _WORTH_IT * _loss(best) else best
        return best

    def _bias_corrected(self, draft: Draft) -> Tried:
        bench = self._bench
        few = bench.calibrating.excerpt(sequences=_BIAS_SEQUENCES, steps=_BIAS_STEPS)
        batches, threads = few.batches(bench.preprocessing), bench.options.workers
        corrected = bias_corrected(
            bench.graph, draft.model, lambda model: draft.build(model=model), *batches, threads=threads
        )
        return self._try(replace(draft, model=corrected))[0]

    def _trained(self, trained: Trained) -> Tried:
        """Weights and ranges as trained; a node without a trained range was trained in float."""
        model = with_weights(self._bench.model, trained.weights)
        ranged = [node for node in quantizable_nodes(model) if node.weight in trained.amax]
        if not ranged or not set(trained.weights) <= set(weights_of(model)):
            msg = "The trained weights in the bundle do not fit its graph; train and export again."
            raise DataError(msg)
        seen = self._observe(model)
        cuts = cuts_by(Calibrator.PERCENTILE, seen)  # of what was not trained
        cuts |= {node.data: Cut(trained.amax[node.weight], TRAINED) for node in ranged}
        skips = (node for node in ranged if node.weight in trained.skip_amax)
        cuts |= {node.output: Cut(trained.skip_amax[node.weight], TRAINED) for node in skips}
        draft = self._draft(model, seen, cuts)
        names = tuple(node.name for node in ranged if node.name in draft.nodes)
        return self._try(replace(draft, nodes=names))[0]

    def _observe(self, model: ModelProto) -> dict[str, Observations]:
        bench = self._bench
        seen = observe_ranges(
            bench.graph,
            model,
            bench.calibrating,
            bench.preprocessing,
            self._watched(model),
            source=bench.options.states,
            threads=bench.options.workers,
            progress=bench.progress,
        )
        if bench.options.states is StateSource.ROLLOUT:
            _refuse_degenerate_state(bench.graph, seen)
        return seen

    def _watched(self, model: ModelProto) -> tuple[str, ...]:
        """What becomes eight bits, and what equalisation has to know beside that."""
        return tuple(dict.fromkeys([*self._eight_bits(model), *(site.tensor for site in sites(model))]))

    def _eight_bits(self, model: ModelProto) -> tuple[str, ...]:
        return quantized_tensors(model, self._bench.options.target)

    def _draft(self, model: ModelProto, watched: Mapping[str, Observations], all_cuts: Mapping[str, Cut]) -> Draft:
        kept = self._bench.options.keep_float
        names = self._eight_bits(model)
        seen, cuts = {name: watched[name] for name in names}, {name: all_cuts[name] for name in names}
        alive = {name for name, observations in seen.items() if not observations.degenerate}
        nodes = tuple(
            n.name for n in quantizable_nodes(model) if not {n.name, n.weight} & set(kept) and n.data in alive
        )
        return Draft(model, self._bench.options.target, seen, cuts, nodes)

    def _try(self, *drafts: Draft) -> list[Tried]:
        return tried(self._bench.judge, *drafts)

    def _better(self, best: Tried | None, name: str, attempt: Tried) -> Tried:
        taken = best is None or _loss(attempt) < _loss(best)
        score = attempt.score
        self.rows.append(
            RecipeStep(name=name, taken=taken, loss=score.loss, cosine_mean=score.mean, cosine_p01=score.p01)
        )
        return attempt if best is None or taken else best


def _loss(attempt: Tried) -> float:
    return attempt.score.loss


def _calibrator_of(attempt: Tried) -> str:
    return next(iter(attempt.draft.cuts.values())).by


def _refuse_degenerate_state(graph: GraphSpec, seen: Mapping[str, Observations]) -> None:
    for pair in graph.states:
        observations = seen.get(pair.input)
        if observations is not None and observations.degenerate:
            msg = (
                f"The state {pair.input!r} never left {observations.low:g} in the calibration rollouts: its range is "
                "empty and a scale would be made up. Give sequences of more than one step."
            )
            raise DataError(msg)
