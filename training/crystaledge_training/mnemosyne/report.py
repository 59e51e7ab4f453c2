"""An evaluation as Markdown tables and plots."""

from __future__ import annotations

from crystaledge.metrics.bootstrap import Estimate
from crystaledge_training.evaluation.plots import line_plot
from crystaledge_training.mnemosyne.evaluate import Evaluation
from crystaledge_training.mnemosyne.evaluate_accuracy import ObservationsResult
from crystaledge_training.mnemosyne.evaluate_pairs import PairsResult
from crystaledge_training.mnemosyne.evaluate_stopping import DRAWS, StoppingResult
from crystaledge_training.mnemosyne.evaluate_uncertainty import UncertaintyResult
from crystaledge_training.mnemosyne.stopping_claims import ENROLMENT, LONGEST

METRIC_NAMES = ("auc", "eer", "tar@far=0.1", "tar@far=0.01", "tar@far=0.001", "recall@1", "r_precision", "map@r")


def markdown(evaluation: Evaluation, *, title: str) -> str:
    """The whole report; every interval is 95 %, from a bootstrap over people."""
    lines = [
        f"# {title}",
        "",
        f"{evaluation.people} people, {evaluation.images} images. Intervals: 95 %, {evaluation.resamples} resamples of "
        f"people (seed {evaluation.seed}). Templates of N images against templates of N other images; every method "
        "sees the same pairs of the same encodings. Bad observations are out of focus, far away, dark, half covered, "
        "or of somebody else.",
    ]
    for result in evaluation.accuracy:
        lines += ["", *_accuracy(result)]
    lines += ["", *_uncertainty(evaluation.uncertainty, "## Is the uncertainty used?")]
    for degraded in evaluation.degraded:
        protocol = degraded.protocol
        for result in degraded.accuracy:
            lines += ["", *_accuracy(result, f", {protocol.share:.0%} bad at severity {protocol.severity}")]
    spoilt = f"{evaluation.spoilt_share:.0%} of the frames spoilt (out of focus, dark, noisy or covered)"
    lines += ["", *_uncertainty(evaluation.spoilt_uncertainty, f"## Is the uncertainty used? {spoilt}")]
    lines += ["", *_order(evaluation), "", *_velocity(evaluation)]
    lines += ["", *_stopping(evaluation), ""]
    return "\n".join(lines)


def plots(evaluation: Evaluation) -> dict[str, bytes]:
    """PNG files by name."""
    rows = evaluation.velocity
    x = [float(r.observation) for r in rows]
    methods = [m.method for m in evaluation.accuracy[0].methods] if evaluation.accuracy else []
    counts = [float(r.observations) for r in evaluation.accuracy]
    by_method = [
        (name, counts, [r.methods[i].metrics["auc"].value for r in evaluation.accuracy])
        for i, name in enumerate(methods)
    ]
    return {
        "velocity.png": line_plot(
            [
                ("predicted velocity", x, [r.velocity_mean for r in rows]),
                ("measured movement", x, [r.movement_mean for r in rows]),
            ],
            title="How fast the state moves",
            x_label="observation",
            y_label="root-mean-square change",
            band=(x, [r.velocity_p10 for r in rows], [r.velocity_p90 for r in rows]),
        ),
        "auc.png": line_plot(by_method, title="Verification", x_label="observations a side", y_label="AUC"),
    }


def pairs_lines(result: PairsResult) -> list[str]:
    """One image against one, by LFW's lists."""
    return [
        "## LFW View 1, one image against one",
        "",
        f"Accuracy {_shown(result.accuracy)} on the {result.pairs} pairs of pairsDevTest, at the threshold "
        f"{result.threshold:.4f} of the cosine that is best on pairsDevTrain ({result.training_accuracy:.3f} there).",
    ]


def _shown(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _accuracy(result: ObservationsResult, condition: str = "") -> list[str]:
    lines = [
        f"## N = {result.observations}{condition}",
        "",
        f"{result.templates} templates of {result.people} people; {result.genuine_pairs} genuine pairs of "
        f"{result.genuine_people} people, {result.impostor_pairs} impostor pairs.",
        "",
        "| method | " + " | ".join(METRIC_NAMES) + " | AUC gain of crystallization |",
        "|---|" + "---|" * (len(METRIC_NAMES) + 1),
    ]
    lines += [
        f"| {m.method} | " + " | ".join(_shown(m.metrics[name]) for name in METRIC_NAMES) + f" | {_shown(m.auc_gain)} |"
        for m in result.methods
    ]
    if result.realised:
        lines += ["", "Thresholds that were chosen on validation people, applied here:", ""]
        lines += ["| wanted FAR | threshold | FAR here | TAR here |", "|---|---|---|---|"]
        lines += [f"| {p.wanted_far:g} | {p.threshold:.4f} | {p.far:.4f} | {p.tar:.3f} |" for p in result.realised]
    return lines


def _uncertainty(result: UncertaintyResult, heading: str) -> list[str]:
    lines = [
        heading,
        "",
        f"{result.pairs} pairs of templates of mixed sizes. Kendall's tau between both scores: "
        f"{result.rank_agreement:.4f} (1 would mean that the log-variance changes no order).",
        "",
        "| score | " + " | ".join(result.with_log_variance) + " |",
        "|---|" + "---|" * len(result.with_log_variance),
        "| with log-variance | " + " | ".join(_shown(e) for e in result.with_log_variance.values()) + " |",
        "| without (cosine) | " + " | ".join(_shown(e) for e in result.without.values()) + " |",
        "",
        f"AUC gain: {_shown(result.auc_gain)}. Mean log-variance: "
        + ", ".join(f"{value:.3f} after {n}" for n, value in result.mean_log_variance)
        + ".",
    ]
    return lines


def _order(evaluation: Evaluation) -> list[str]:
    order = evaluation.order
    if order is None:
        return ["## Order of the frames", "", "Not measured: nobody has enough images."]
    return [
        "## Order of the frames",
        "",
        f"The same {order.frames} frames in {order.orders} orders, {order.people} people. Cosine to the person's own "
        f"template: standard deviation over orders {order.cosine_std_mean:.4f} (95th percentile "
        f"{order.cosine_std_p95:.4f}), range {order.cosine_range_mean:.4f}; standard deviation between people "
        f"{order.cosine_std_between_people:.4f}.",
    ]


def _velocity(evaluation: Evaluation) -> list[str]:
    lines = [
        "## Velocity against observation number",
        "",
        "| observation | velocity | 10 % | 90 % | measured movement |",
    ]
    lines.append("|---|---|---|---|---|")
    lines += [
        f"| {r.observation} | {r.velocity_mean:.4f} | {r.velocity_p10:.4f} | {r.velocity_p90:.4f} "
        f"| {r.movement_mean:.4f} |"
        for r in evaluation.velocity
    ]
    return lines


def _stopping(evaluation: Evaluation) -> list[str]:
    if not evaluation.stopping:
        return ["## Stopping rules", "", f"Not measured: not two people have {ENROLMENT + LONGEST} images."]
    first = evaluation.stopping[0]
    return [
        "## Stopping rules",
        "",
        f"{first.people} people with {ENROLMENT + LONGEST} images or more: {ENROLMENT} enrol, up to {LONGEST} are "
        f"looked at; {DRAWS} draws pooled, {first.genuine} genuine claims and {first.impostors} of impostors.",
        "",
        "| rule | committed (genuine) | committed (impostor) | looks (genuine) | looks (impostor) "
        "| looks saved against all frames (genuine) | looks saved (impostor) |",
        "|---|---|---|---|---|---|---|",
        *(_looks_row(result) for result in evaluation.stopping),
        "",
        "Errors, as promised by Wald's test or by the threshold, and as measured. An interval of 0 to 0 says that none "
        "happened, not that none can.",
        "",
        "| rule | false rejects, promised | measured | more than all frames | false accepts, promised | measured "
        "| more than all frames |",
        "|---|---|---|---|---|---|---|",
        *(_errors_row(result) for result in evaluation.stopping),
    ]


def _looks_row(result: StoppingResult) -> str:
    looks = f"{_shown(result.looks_genuine)} | {_shown(result.looks_impostors)}"
    saved = f"{_shown(result.saved_genuine)} | {_shown(result.saved_impostors)}"
    committed = f"{result.committed_genuine:.3f} | {result.committed_impostors:.3f}"
    return f"| {result.rule} | {committed} | {looks} | {saved} |"


def _errors_row(result: StoppingResult) -> str:
    rejects = "-" if result.promised_false_rejects is None else f"{result.promised_false_rejects:g}"
    cells = (
        rejects,
        _small(result.false_rejects),
        _small(result.more_false_rejects),
        f"{result.promised_false_accepts:g}",
        _small(result.false_accepts),
        _small(result.more_false_accepts),
    )
    return f"| {result.rule} | " + " | ".join(cells) + " |"


def _small(estimate: Estimate) -> str:
    return f"{estimate.value:.4f} [{estimate.low:.4f}, {estimate.high:.4f}]"
